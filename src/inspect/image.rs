//! Container images as they lie on disk: OCI layouts (directories and tars of them) and what `docker save` writes. Each
//! image is judged as the one file system its layers make.
//!
//! Sources: OCI image-spec, image-layout.md and manifest.md; docker's image specification v1.2.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::archive::{self, Format};
use crate::failure::Failure;
use crate::finding::{Finding, Place};
use crate::verify::{Examination, Options};

/// A document of an image; a real one has a few kilobytes.
const MAX_DOCUMENT: u64 = 16 << 20;
/// Indexes in each other, and images in all of them.
const MAX_DEPTH: usize = 4;
const MAX_IMAGES: usize = 64;

/// Where the parts of an image are.
enum Source {
    Directory(PathBuf),
    /// A tar, which is read anew for each part.
    Tar(PathBuf),
}

/// An image: what tells it from its neighbours, and its layers, the lowest first.
struct Image {
    name: String,
    layers: Vec<Layer>,
}

struct Layer {
    path: String,
    /// Of its bytes.
    sha256: Option<String>,
}

/// The images of a path; `None` when it holds none.
pub(super) fn examine(
    path: &Path,
    options: &Options<'_>,
) -> Result<Option<Vec<Examination>>, Failure> {
    let Some(place) = place(path) else { return Ok(None) };
    let fault = |why: String| Failure::usage(format!("{}: {why}", path.display()));
    let images = match images(&place).map_err(fault)? {
        images if images.is_empty() => return Ok(None),
        images => images,
    };
    let alone = images.len() == 1;
    let mut out = Vec::new();
    for image in &images {
        let shown = path.display();
        let name = if alone { shown.to_string() } else { format!("{shown} ({})", image.name) };
        let one = examine_image(&place, image, &name, options);
        out.push(one.map_err(|error| fault(error.to_string()))?);
    }
    Ok(Some(out))
}

/// A directory or tar that has what images have at their roots.
fn place(path: &Path) -> Option<Source> {
    if path.is_dir() {
        let is_layout = path.join("oci-layout").is_file() && path.join("index.json").is_file();
        return is_layout.then(|| Source::Directory(path.to_owned()));
    }
    // Whatever is first in such a tar is named like this; others are not read any further.
    let mut first = None;
    let mut look = |path: &str| {
        first = Some(path.to_owned());
        true
    };
    let mut file = BufReader::new(std::fs::File::open(path).ok()?);
    let head = file.fill_buf().ok()?;
    let format = archive::format(head);
    if format != Format::Tar && !format.is_stream() {
        return None;
    }
    archive::with_member(&mut file, &mut look, &mut |_, _| Ok(())).ok()?;
    let first = first?;
    let root = first.trim_start_matches('/').split('/').next()?.to_owned();
    let known = ["blobs", "oci-layout", "index.json", "manifest.json", "repositories"];
    let stem = root.split('.').next().unwrap_or(&root);
    let digest = stem.len() == 64 && stem.bytes().all(|byte| byte.is_ascii_hexdigit());
    (known.contains(&root.as_str()) || digest).then(|| Source::Tar(path.to_owned()))
}

impl Source {
    /// Reads a part; an error when it is not there.
    fn read(&self, part: &str, read: &mut dyn FnMut(&mut dyn Read)) -> std::io::Result<()> {
        let missing = || std::io::Error::other(format!("{part} is not in the image"));
        if part.split('/').any(|name| matches!(name, "" | "." | "..")) {
            return Err(std::io::Error::other(format!("{part} is no part of an image")));
        }
        match self {
            Self::Directory(root) => {
                let path = root.join(part);
                let inside = path.canonicalize()?.starts_with(root.canonicalize()?);
                if !inside {
                    return Err(missing());
                }
                read(&mut BufReader::with_capacity(128 << 10, fs_err::File::open(path)?));
            }
            Self::Tar(path) => {
                let wanted = format!("/{part}");
                let mut file = BufReader::with_capacity(128 << 10, fs_err::File::open(path)?);
                let mut each = |_: &str, member: &mut dyn Read| {
                    read(member);
                    Ok(())
                };
                let found = archive::with_member(&mut file, &mut |path| path == wanted, &mut each)?;
                if !found {
                    return Err(missing());
                }
            }
        }
        Ok(())
    }

    fn document(&self, part: &str) -> Result<Value, String> {
        let mut text = Vec::new();
        let mut failed = None;
        let read = self.read(part, &mut |reader| {
            failed = reader.take(MAX_DOCUMENT).read_to_end(&mut text).err();
        });
        read.map_err(|error| error.to_string())?;
        failed.map_or(Ok(()), |error| Err(error.to_string()))?;
        serde_json::from_slice(&text).map_err(|error| format!("{part}: {error}"))
    }

    fn has(&self, part: &str) -> bool {
        self.read(part, &mut |_| {}).is_ok()
    }
}

/// Images of an index, else those of docker's manifest.
fn images(place: &Source) -> Result<Vec<Image>, String> {
    let mut out = Vec::new();
    if place.has("index.json") {
        let index = place.document("index.json")?;
        of_index(place, &index, MAX_DEPTH, &mut out)?;
    } else if place.has("manifest.json") {
        let manifests = place.document("manifest.json")?;
        for manifest in manifests.as_array().into_iter().flatten() {
            out.extend(of_docker(manifest));
        }
    }
    Ok(out)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn of_docker(manifest: &Value) -> Option<Image> {
    let layers = manifest["Layers"].as_array()?;
    let name = manifest["RepoTags"][0].as_str().or(manifest["Config"].as_str())?;
    let layers = layers.iter().filter_map(|layer| {
        let path = layer.as_str()?.to_owned();
        let sha256 = path.strip_prefix("blobs/sha256/").map(str::to_owned);
        Some(Layer { path, sha256 })
    });
    Some(Image { name: name.to_owned(), layers: layers.collect() })
}

fn of_index(
    place: &Source,
    index: &Value,
    depth: usize,
    out: &mut Vec<Image>,
) -> Result<(), String> {
    if depth == 0 {
        return Err(format!("more than {MAX_DEPTH} indexes in each other"));
    }
    for entry in index["manifests"].as_array().into_iter().flatten() {
        let digest = text(&entry["digest"]);
        let document = place.document(&blob(digest)?)?;
        if document["manifests"].is_array() {
            of_index(place, &document, depth - 1, out)?;
            continue;
        }
        let image = of_manifest(entry, digest, &document)?;
        // Attestations stand beside images as if they were some.
        if image.layers.is_empty() {
            continue;
        }
        if out.len() == MAX_IMAGES {
            return Err(format!("more than {MAX_IMAGES} images in one layout"));
        }
        out.push(image);
    }
    Ok(())
}

fn of_manifest(entry: &Value, digest: &str, manifest: &Value) -> Result<Image, String> {
    let platform = &entry["platform"];
    let name = match (text(&platform["os"]), text(&platform["architecture"])) {
        ("", _) | (_, "") => digest.get(..19).unwrap_or(digest).to_owned(),
        (os, machine) => format!("{os}/{machine}"),
    };
    let mut layers = Vec::new();
    for layer in manifest["layers"].as_array().into_iter().flatten() {
        if text(&layer["mediaType"]).contains("in-toto") {
            continue;
        }
        let digest = text(&layer["digest"]);
        let sha256 = digest.strip_prefix("sha256:").map(str::to_owned);
        layers.push(Layer { path: blob(digest)?, sha256 });
    }
    Ok(Image { name, layers })
}

/// Where what has a digest lies.
fn blob(digest: &str) -> Result<String, String> {
    match digest.split_once(':') {
        Some((kind, hex)) if hex.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            Ok(format!("blobs/{kind}/{hex}"))
        }
        _ => Err(format!("`{digest}` is no digest")),
    }
}

fn examine_image(
    place: &Source,
    image: &Image,
    name: &str,
    options: &Options<'_>,
) -> std::io::Result<Examination> {
    let mut faults = Vec::new();
    let mut read = |index: usize, open: &mut dyn FnMut(&mut dyn Read)| {
        // The uppermost is the last.
        let Some(layer) = image.layers.iter().rev().nth(index) else { return Ok(()) };
        place.read(&layer.path, &mut |reader| {
            let fault =
                layer_fault(reader, layer, open).unwrap_or_else(|error| Some(error.to_string()));
            faults.extend(fault.map(|fault| (layer.path.clone(), fault)));
        })
    };
    let mut one = Examination::of_layers(name, image.layers.len(), &mut read, options)?;
    for (path, fault) in faults {
        let place = Place::Object { path: name.to_owned(), part: Some(path) };
        let message = format!("cannot read a layer: {fault}");
        one.findings.push(Finding::error(&archive::UNREADABLE, message).at(place, ""));
    }
    Ok(one)
}

/// Reads a layer; what is wrong with it as a whole.
fn layer_fault(
    reader: &mut dyn Read,
    layer: &Layer,
    open: &mut dyn FnMut(&mut dyn Read),
) -> std::io::Result<Option<String>> {
    let mut reader =
        Summed { inner: BufReader::with_capacity(64 << 10, reader), sum: Sha256::new() };
    let head = reader.inner.fill_buf()?;
    // A tar without members is zeros.
    let is_archive = !archive::format(head).is_plain() || head.iter().all(|byte| *byte == 0);
    open(&mut reader);
    std::io::copy(&mut reader, &mut std::io::sink())?;
    let found = hex::encode(reader.sum.finalize());
    Ok(if layer.sha256.as_ref().is_some_and(|wanted| *wanted != found) {
        Some("its bytes are not those of its digest".to_owned())
    } else if is_archive {
        None
    } else {
        Some("it is no archive".to_owned())
    })
}

/// Digests what is read.
struct Summed<R> {
    inner: R,
    sum: Sha256,
}

impl<R: Read> Read for Summed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.sum.update(&buffer[..read]);
        Ok(read)
    }
}

//! Reads and scans a QEMU tree, and keeps the result: the second `plan` of a tree reads one file instead of thousands.
//!
//! Shell. A kept scan is found by a key: the tree's digest where Quench made the tree, otherwise a digest over path, size
//! and time of every file that would be read. It holds the catalog and the few files that plans read; a scan kept by
//! another build of Quench, or that cannot be decoded, is made again. It appears by rename.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::catalog::{self, Catalog};
use crate::failure::{Exit, Hinted};
use crate::files;
use crate::finding::any_error;
use crate::kconfig::{self, Kconfig};
use crate::plan;
use crate::source::Listing;
use crate::tree::Tree;

/// A scanned tree.
#[derive(Debug)]
pub struct Scanned {
    /// The files plans read; all of them only where the scan was not kept.
    pub tree: Tree,
    pub catalog: Catalog,
    pub kconfig: Kconfig,
    /// sha256 over path and content of the files that scanning reads.
    pub digest: String,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("{0} is no QEMU tree")]
    NotQemu(String),
    #[error("the tree's Kconfig cannot be read: {0}")]
    Kconfig(String),
}

impl Hinted for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Io(_) => Exit::Machine,
            Self::NotQemu(_) => Exit::Usage,
            Self::Kconfig(_) => Exit::Program,
        }
    }
}

/// Where kept scans are, and by what they are found.
#[derive(Debug, Clone, Copy)]
pub struct Keep<'a> {
    /// Directory of kept scans; made when it is missing.
    pub directory: &'a Path,
    /// Digest of a tree that nobody changes; `None` takes size and time of the files.
    pub key: Option<&'a str>,
}

/// What is kept.
#[derive(Serialize, Deserialize)]
struct KeptScan {
    digest: String,
    files: Vec<(String, Vec<u8>)>,
    catalog: Catalog,
}

/// Scans a tree, or takes the kept scan.
pub fn scan(directory: &Path, keep: Option<Keep<'_>>) -> Result<Scanned, Error> {
    let plan_reads = plan::reads();
    let wanted = |path: &str| catalog::reads(path) || plan_reads(path);
    let mut listing = None;
    let path = match keep {
        Some(keep) => {
            let key = match keep.key {
                Some(key) => key.to_owned(),
                None => listing.insert(Listing::of(directory, &wanted)?).stamp(),
            };
            Some(keep.directory.join(format!("{key}-{}", program()?)))
        }
        None => None,
    };
    if let Some(kept) = path.as_deref().and_then(read) {
        let tree: Tree = kept.files.into_iter().collect();
        let kconfig = kconfig_of(&tree)?;
        return Ok(Scanned { tree, catalog: kept.catalog, kconfig, digest: kept.digest });
    }
    let listing = match listing {
        Some(listing) => listing,
        None => Listing::of(directory, &wanted)?,
    };
    let tree = listing.read()?;
    if tree.get("VERSION").is_none() || tree.get("Kconfig").is_none() {
        return Err(Error::NotQemu(directory.display().to_string()));
    }
    let (catalog, (kconfig, digest)) =
        rayon::join(|| catalog::scan(&tree), || (kconfig_of(&tree), tree.digest()));
    let scanned = Scanned { digest, catalog, kconfig: kconfig?, tree };
    if let Some(path) = path {
        // A scan that cannot be kept is only slower the next time.
        let _ = write(&path, &scanned);
    }
    Ok(scanned)
}

fn kconfig_of(tree: &Tree) -> Result<Kconfig, Error> {
    let (kconfig, findings) = kconfig::parse(tree, "Kconfig");
    if any_error(&findings) {
        let first = findings.first().map(|finding| finding.message.clone()).unwrap_or_default();
        return Err(Error::Kconfig(first));
    }
    Ok(kconfig)
}

fn read(path: &Path) -> Option<KeptScan> {
    postcard::from_bytes(&fs_err::read(path).ok()?).ok()
}

fn write(path: &Path, scanned: &Scanned) -> Result<(), std::io::Error> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs_err::create_dir_all(directory)?;
    let reads = plan::reads();
    let files = scanned.tree.iter().filter(|(path, _)| reads(path));
    let kept = KeptScan {
        digest: scanned.digest.clone(),
        files: files.map(|(path, bytes)| (path.to_owned(), bytes.to_vec())).collect(),
        catalog: scanned.catalog.clone(),
    };
    let bytes = postcard::to_stdvec(&kept).map_err(std::io::Error::other)?;
    files::write(path, bytes)
}

/// What tells this build of Quench from others: a scan is only as good as the code that made it.
fn program() -> Result<String, std::io::Error> {
    let own = fs_err::metadata(std::env::current_exe()?)?;
    let text = format!("{}\0{:?}\0{}", env!("CARGO_PKG_VERSION"), own.modified()?, own.len());
    Ok(hex::encode(&Sha256::digest(text)[..8]))
}

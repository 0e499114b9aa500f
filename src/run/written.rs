//! What a build leaves beside packages: the record, read from what was built, and the evidence made of it.
//!
//! Shell. Reads the build directory, dpkg's database and the emulator; writes records, verdicts and evidence into the
//! output directory, each by rename.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::{Error, Run, digest};
use crate::elf;
use crate::evidence;
use crate::files;
use crate::host::Packages;
use crate::package::{self, Facts};
use crate::plan::show;
use crate::profile;
use crate::record::{self, NamedDigest, Record, StagedFile};
use crate::source::sha256_of;
use crate::stage::{self, Content, Documents, Entry};
use crate::verify::{self, Report, Verification};
use crate::wire::{self, Tag};

/// What is ready to be packaged.
pub(super) struct Staged {
    pub(super) record: Record,
    pub(super) entries: Vec<Entry>,
    pub(super) facts: Facts,
}

impl Run<'_> {
    /// The staging tree with the record inside, and the record as it is so far.
    pub(super) fn staged(&mut self) -> Result<Staged, Error> {
        let io = |source| Error::Io { step: "stage", source };
        let failed = |source| Error::Package { step: "stage", source };
        let build = self.build_directory();
        let emulator = build.join("stripped").join(self.plan.emulator());
        let surface = self.surface(&emulator)?;
        let facts = package::facts(
            self.plan,
            &self.request.source,
            &build,
            &surface,
            &self.root,
            &self.isolation().for_questions(),
        )
        .map_err(failed)?;
        let manual = package::man::render(self.plan, &surface, &facts.usage);
        let documents = Documents {
            // Where it lay is nobody's business.
            profile: profile::expanded_without_paths(self.profile),
            copyright: package::copyright::render(self.plan, &facts.groups),
            manual: package::man::compressed(&manual).map_err(io)?,
        };
        let entries = stage::entries(self.plan, &self.request.source, &build, documents);
        let config =
            fs_err::read_to_string(self.build_directory().join("config-host.h")).map_err(io)?;
        let source = self.isolation().inside(&self.request.source);
        let work = match self.isolation().closed() {
            Some(_) => self.isolation().inside(&self.root),
            None => self.request.work.display().to_string(),
        };
        let config_host = config
            .lines()
            .filter(|line| line.starts_with("#define") || line.starts_with("#undef"))
            .filter(|line| !line.contains(&source) && !line.contains(&work))
            .map(str::to_owned)
            .collect();
        let texts = self.profile.texts.iter().map(|text| record::ProfileFile {
            file: text.file.rsplit('/').next().unwrap_or(&text.file).to_owned(),
            text: text.text.clone(),
        });
        let packages = Packages::of_root(self.isolation().root());
        let bytes = fs_err::read(&emulator).map_err(io)?;
        let needed = elf::facts(&bytes)
            .ok()
            .and_then(|facts| facts.dynamic)
            .map(|dynamic| dynamic.needed)
            .unwrap_or_default();
        let mut record = Record {
            schema: Tag::default(),
            quench: env!("CARGO_PKG_VERSION").to_owned(),
            name: self.plan.name.clone(),
            profile: texts.collect(),
            plan: show::recorded(self.plan),
            source: self.request.origin.clone(),
            patches: self.request.patches.clone(),
            host: self.ground.host.clone(),
            tools: self.ground.tools.clone(),
            build_dependencies: self.ground.packages.clone(),
            libraries: packages.libraries(&needed),
            root: self.request.root.clone(),
            config_host,
            files: Vec::new(),
            surface,
            verdict: None,
            packages: Vec::new(),
            observed: None,
        };
        record.files = files_of(&entries).map_err(io)?;
        Ok(Staged { record, entries, facts })
    }

    /// Verdict and record into the output directory.
    pub(super) fn record(
        &mut self,
        record: &mut Record,
        packages: &[PathBuf],
        reports: &[Report],
    ) -> Result<(), Error> {
        let io = |source| Error::Io { step: "record", source };
        let verdict =
            verify::wire(&Verification { reports: reports.to_vec(), ..Verification::default() });
        record.verdict = Some(verdict.clone());
        for package in packages.iter().filter(|path| package::is_package(path)) {
            record.packages.push(NamedDigest {
                name: package
                    .file_name()
                    .map(|name| name.to_string_lossy().into_owned())
                    .unwrap_or_default(),
                sha256: sha256_of(package).map_err(io)?,
            });
        }
        record.observed = Some(evidence::observed(self.state.runs()));
        let name = &self.plan.package.name;
        let text = record.to_text().map_err(|error| Error::Record(error.to_string()))?;
        let verdict = wire::text(&verdict).map_err(|error| Error::Record(error.to_string()))?;
        let mut files = vec![
            evidence::File { name: format!("{name}.record.json"), text },
            evidence::File { name: format!("{name}.verdict.json"), text: verdict },
        ];
        let inputs = evidence::Inputs {
            record,
            package: name,
            byproducts: files.iter().map(evidence::File::digest).collect(),
            builder: &self.request.builder,
            key: self.request.key.as_ref(),
        };
        let made = evidence::files(&inputs).map_err(|error| Error::Record(error.to_string()))?;
        files.extend(made);
        for evidence::File { name: file, text } in files {
            let target = self.request.output.join(&file);
            if fs_err::read_to_string(&target).ok().as_ref() == Some(&text) {
                continue;
            }
            files::write(&target, &text).map_err(io)?;
        }
        let level = evidence::level(record, self.request.key.is_some());
        self.terminal.status("Provenance", &level.text());
        Ok(())
    }
}

/// Files of the staging tree as they will be.
fn files_of(entries: &[Entry]) -> Result<Vec<StagedFile>, std::io::Error> {
    entries
        .iter()
        .map(|entry| {
            let (size, sha256) = match &entry.content {
                Content::File(path) => (fs_err::metadata(path)?.len(), sha256_of(path)?),
                Content::Text(text) => (text.len() as u64, digest(text)),
                Content::Bytes(bytes) => (bytes.len() as u64, hex::encode(Sha256::digest(bytes))),
            };
            Ok(StagedFile {
                path: entry.path.clone(),
                mode: format!("{:04o}", entry.mode),
                size,
                sha256,
            })
        })
        .collect()
}

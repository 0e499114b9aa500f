//! The provenance part of `quench verify`: a bundle checked against the files, offline.

use std::path::PathBuf;

use crate::evidence::{self, Checked, PublicKey, Wanted};
use crate::failure::{Failure, Hinted as _};
use crate::record::NamedDigest;
use crate::verify::Verification;

/// The largest bundle that is read.
const MAX_BYTES: u64 = 64 << 20;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Bundle (`.intoto.jsonl`) that must speak of every package given.
    #[arg(long, value_name = "FILE")]
    provenance: Option<PathBuf>,
    /// Public key in PEM that must have signed the bundle.
    #[arg(long, value_name = "FILE", requires = "provenance")]
    provenance_key: Option<PathBuf>,
    /// Accept a bundle that nobody vouches for: compare digests only.
    #[arg(long, requires = "provenance", conflicts_with = "provenance_key")]
    unsigned: bool,
    /// Who must have built it.
    #[arg(long, value_name = "URI", requires = "provenance")]
    builder: Option<String>,
}

/// Checks the bundle, if one was given; what stands against it joins the findings.
pub(crate) fn check(
    options: &Options,
    verification: &mut Verification,
) -> Result<Option<Checked>, Failure> {
    let Some(path) = &options.provenance else { return Ok(None) };
    let usage = Failure::usage;
    let size = fs_err::metadata(path).map_err(usage)?.len();
    if MAX_BYTES < size {
        return Err(Failure::usage(format!("{}: {size} bytes", path.display())));
    }
    let text = String::from_utf8_lossy(&fs_err::read(path).map_err(usage)?).into_owned();
    let key = match &options.provenance_key {
        Some(path) => {
            let pem = fs_err::read_to_string(path).map_err(usage)?;
            Some(PublicKey::from_pem(&pem).map_err(|error| {
                let hint = error.hint();
                Failure::usage(format!("{}: {error}", path.display())).with_hint(hint)
            })?)
        }
        None => None,
    };
    let wanted = Wanted {
        key: key.as_ref(),
        unsigned: options.unsigned,
        builder: options.builder.as_deref(),
    };
    // A directory has no digest: a bundle cannot speak of it.
    let files: Vec<NamedDigest> = verification
        .reports
        .iter()
        .map(|report| NamedDigest { name: report.name.clone(), sha256: report.sha256.clone() })
        .collect();
    let (checked, findings) = evidence::check(&text, wanted, &files);
    verification.findings.extend(findings);
    Ok(Some(checked))
}

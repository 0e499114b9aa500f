//! Evidence in the formats the rest of the supply chain reads: an in-toto bundle (SLSA provenance, SCAI attributes, test
//! result), CycloneDX and SPDX SBOMs, `SHA256SUMS`; and the check of such a bundle.
//!
//! Pure: everything is a function of a finished [`Record`] and of digests, so the same build gives the same bytes. The
//! only time in any of it is `SOURCE_DATE_EPOCH`; start and end of the run are left out, they are optional in SLSA and
//! would make every provenance unique. ECDSA signatures use deterministic nonces (RFC 6979), Ed25519 has none.

mod attributes;
mod check;
mod cyclonedx;
mod dsse;
mod level;
mod observed;
mod parts;
mod provenance;
mod spdx;
mod spdx3;
mod statement;
mod test_result;

pub use attributes::{attributes, reproducible};
pub use check::{Checked, Wanted, check};
pub use dsse::{Envelope, KeyError, PublicKey, SigningKey};
pub use level::{Level, level};
pub use observed::{MAKING, observed};
pub use statement::{Resource, Statement};

use crate::finding::Code;
use crate::record::{NamedDigest, Record};

/// Finding codes of this module.
pub const CODES: &[&Code] = check::CODES;

/// Who built, when nothing else is said: somebody's machine, not a hosted platform.
pub const WORKSTATION: &str = "urn:x-quench:builder:workstation";

/// One file of evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub name: String,
    pub text: String,
}

/// What evidence is made from.
#[derive(Debug)]
pub struct Inputs<'a> {
    pub record: &'a Record,
    /// Name of the package, which begins every file's name.
    pub package: &'a str,
    /// The record and the verdict as written.
    pub byproducts: Vec<NamedDigest>,
    /// URI of who runs Quench now and read the packages back. Who built stands in the record.
    pub builder: &'a str,
    pub key: Option<&'a SigningKey>,
}

/// All evidence of a build: SBOMs, the bundle, the sums.
pub fn files(inputs: &Inputs<'_>) -> Result<Vec<File>, serde_json::Error> {
    let pretty = |value| serde_json::to_string_pretty(&value).map(|text| text + "\n");
    let mut out = vec![
        File {
            name: format!("{}.cdx.json", inputs.package),
            text: pretty(cyclonedx::document(inputs.record))?,
        },
        File {
            name: format!("{}.spdx.json", inputs.package),
            text: pretty(spdx::document(inputs.record))?,
        },
        File {
            name: format!("{}.spdx3.json", inputs.package),
            text: pretty(spdx3::document(inputs.record))?,
        },
    ];
    let mut byproducts = inputs.byproducts.clone();
    byproducts.extend(out.iter().map(File::digest));
    let statements = [
        provenance::statement(inputs, &byproducts),
        attributes(inputs.record, inputs.builder, &byproducts),
        test_result::statement(inputs.record, &byproducts),
    ];
    let bundle = bundle(&statements, inputs.key)?;
    out.push(File { name: format!("{}.intoto.jsonl", inputs.package), text: bundle });
    let mut sums: Vec<NamedDigest> = inputs.record.packages.clone();
    sums.extend(inputs.byproducts.iter().cloned());
    sums.extend(out.iter().map(File::digest));
    out.push(File { name: format!("{}.SHA256SUMS", inputs.package), text: sha256sums(sums) });
    Ok(out)
}

/// Statements as DSSE envelopes, one a line; without a key their list of signatures is empty.
pub fn bundle(
    statements: &[Statement],
    key: Option<&SigningKey>,
) -> Result<String, serde_json::Error> {
    let mut out = String::new();
    for statement in statements {
        let payload = serde_json::to_string(statement)?;
        let envelope = Envelope::new(payload.as_bytes(), key);
        out.push_str(&serde_json::to_string(&envelope)?);
        out.push('\n');
    }
    Ok(out)
}

impl File {
    pub fn digest(&self) -> NamedDigest {
        NamedDigest { name: self.name.clone(), sha256: parts::sha256(self.text.as_bytes()) }
    }
}

/// What `sha256sum --check` reads.
fn sha256sums(mut sums: Vec<NamedDigest>) -> String {
    sums.sort_by(|a, b| a.name.cmp(&b.name));
    sums.iter().flat_map(|sum| [sum.sha256.as_str(), "  ", &sum.name, "\n"]).collect()
}

#[cfg(test)]
mod sample;
#[cfg(test)]
pub(crate) use sample::{record as sample, run as sample_run};
#[cfg(test)]
mod tests;

//! What quench says of a distribution's packages: downloads those of a list through apt, judges each, and prints a table.
//!
//! apt has a directory of its own below the target directory, so nothing is installed and no list of the machine changes.
//! The archive is the one the machine's own apt knows, and apt checks its signature.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::sh;
use crate::workspace::Workspace;

/// Rules of one column; a package with more of them is cut there.
const MOST_RULES: usize = 12;

/// What is asked for.
struct Asked {
    packages: Vec<String>,
    suite: String,
    architectures: Vec<String>,
    policy: String,
    /// The date of the index is not looked at.
    stale: bool,
    /// The quench that judges; else this tree's.
    program: Option<String>,
}

/// What came out for one package.
struct Judged {
    name: String,
    architecture: String,
    version: String,
    passes: bool,
    files: usize,
    /// Objections by rule.
    objections: BTreeMap<String, usize>,
}

/// `survey LIST [--suite SUITE] [--arch ARCH,…] [--policy NAME] [--stale-index] [--program QUENCH]`
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let asked = Asked::of(arguments)?;
    let workspace = Workspace::find()?;
    let quench = if let Some(program) = &asked.program {
        program.clone()
    } else {
        sh("cargo", &["build", "--release", "--locked"], &[])?;
        workspace.built("release", "quench")
    };
    let mut all = Vec::new();
    for architecture in &asked.architectures {
        let place = workspace.target.join("survey").join(format!("{}-{architecture}", asked.suite));
        let apt = Apt::new(&place, architecture, &asked)?;
        for name in &asked.packages {
            match one(&apt, &quench, name, &asked.policy) {
                Ok(judged) => all.push(judged),
                Err(error) => eprintln!("{name} ({architecture}): {error}"),
            }
        }
    }
    println!("{}", table(&all));
    Ok(())
}

impl Asked {
    fn of(arguments: &[String]) -> Result<Self, String> {
        let usage = "survey LIST [--suite SUITE] [--arch ARCH,…] [--policy NAME] [--stale-index] [--program QUENCH]";
        let mut words = arguments.iter();
        let list = words.next().ok_or(usage)?;
        let text = std::fs::read_to_string(list).map_err(|error| format!("{list}: {error}"))?;
        let names = text.lines().map(|line| line.split('#').next().map_or("", str::trim));
        let packages: Vec<String> =
            names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
        // A name is a word of apt's command line.
        let sound = |name: &String| {
            name.starts_with(|first: char| first.is_ascii_alphanumeric())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        };
        if let Some(name) = packages.iter().find(|name| !sound(name)) {
            return Err(format!("{list}: `{name}` is no name of a package"));
        }
        let mut asked = Self {
            packages,
            suite: "sid".to_owned(),
            architectures: vec!["amd64".to_owned()],
            policy: "distribution".to_owned(),
            stale: false,
            program: None,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().cloned().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                "--suite" => asked.suite = value()?,
                "--arch" => {
                    asked.architectures = value()?.split(',').map(str::to_owned).collect();
                }
                "--policy" => asked.policy = value()?,
                "--program" => asked.program = Some(value()?),
                "--stale-index" => asked.stale = true,
                _ => return Err(usage.to_owned()),
            }
        }
        Ok(asked)
    }
}

/// An apt of its own.
struct Apt {
    place: PathBuf,
    architecture: String,
    options: Vec<String>,
}

impl Apt {
    fn new(place: &Path, architecture: &str, asked: &Asked) -> Result<Self, String> {
        let fault = |error: std::io::Error| format!("{}: {error}", place.display());
        for directory in ["lists/partial", "cache/archives/partial", "packages"] {
            std::fs::create_dir_all(place.join(directory)).map_err(fault)?;
        }
        let (archive, keys) = archive()?;
        let signed = keys.map(|keys| format!("[signed-by={keys}] ")).unwrap_or_default();
        let source = format!("deb {signed}{archive} {} main\n", asked.suite);
        std::fs::write(place.join("sources.list"), source).map_err(fault)?;
        let root = place.display();
        let mut options = Vec::new();
        for option in [
            format!("Dir::State={root}"),
            format!("Dir::State::lists={root}/lists"),
            format!("Dir::Cache={root}/cache"),
            format!("Dir::Etc::sourcelist={root}/sources.list"),
            "Dir::Etc::sourceparts=-".to_owned(),
            "Dir::State::status=/dev/null".to_owned(),
            format!("APT::Architecture={architecture}"),
            format!("APT::Architectures::={architecture}"),
            "APT::Sandbox::User=".to_owned(),
            "Acquire::Languages=none".to_owned(),
        ] {
            options.extend(["-o".to_owned(), option]);
        }
        if asked.stale {
            options.extend(["-o".to_owned(), "Acquire::Check-Valid-Until=false".to_owned()]);
        }
        let apt = Self { place: place.to_owned(), architecture: architecture.to_owned(), options };
        apt.run(&["-q", "update"])?;
        Ok(apt)
    }

    fn run(&self, words: &[&str]) -> Result<String, String> {
        let output = Command::new("apt-get")
            .args(&self.options)
            .args(words)
            .current_dir(self.place.join("packages"))
            .output()
            .map_err(|error| format!("apt-get: {error}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(said.lines().find(|line| line.starts_with("E:")).unwrap_or(&said).to_owned())
    }

    /// Downloads a package; its file.
    fn download(&self, name: &str) -> Result<PathBuf, String> {
        let packages = self.place.join("packages");
        let _ = std::fs::remove_dir_all(&packages);
        std::fs::create_dir_all(&packages).map_err(|error| error.to_string())?;
        self.run(&["-q", "download", name])?;
        let mut entries = std::fs::read_dir(&packages).map_err(|error| error.to_string())?;
        let entry = entries.next().ok_or("apt-get downloaded nothing")?;
        entry.map(|entry| entry.path()).map_err(|error| error.to_string())
    }
}

/// The archive the machine's own apt takes packages from, and the keys it is signed with.
fn archive() -> Result<(String, Option<String>), String> {
    let output = Command::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI) $(SIGNED_BY)", "Created-By: Packages"])
        .output()
        .map_err(|error| format!("apt-get: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut words = text.lines().next().unwrap_or_default().split_whitespace();
    let archive = words.next().ok_or("apt knows no archive on this machine")?.to_owned();
    // Without a key of its own apt leaves the word as it is.
    let keys = words.next().filter(|keys| keys.starts_with('/')).map(str::to_owned);
    let installed = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let keys = keys.or_else(|| Path::new(installed).exists().then(|| installed.to_owned()));
    Ok((archive, keys))
}

fn one(apt: &Apt, quench: &str, name: &str, policy: &str) -> Result<Judged, String> {
    let file = apt.download(name)?;
    let output = Command::new(quench)
        .args(["verify", "--format", "json", "--policy", policy])
        .arg(&file)
        .output()
        .map_err(|error| format!("{quench}: {error}"))?;
    let verdict: Value = serde_json::from_slice(&output.stdout).map_err(|error| {
        format!("{error}: {}", String::from_utf8_lossy(&output.stderr).trim_end())
    })?;
    let base = file.file_name().map(|name| name.to_string_lossy().into_owned());
    let version =
        base.unwrap_or_default().split('_').nth(1).unwrap_or_default().replace("%3a", ":");
    let _ = std::fs::remove_file(&file);
    Ok(judged(&verdict, name, &apt.architecture, version))
}

fn judged(verdict: &Value, name: &str, architecture: &str, version: String) -> Judged {
    let input = &verdict["inputs"][0];
    let list = |key: &str| input[key].as_array().cloned().unwrap_or_default();
    let mut objections: BTreeMap<String, usize> = BTreeMap::new();
    for object in list("objects").iter().chain(&list("files")) {
        for rule in object["rules"].as_array().into_iter().flatten() {
            if rule["outcome"] == "objects" {
                let words =
                    [&rule["rule"], &rule["verdict"]].map(|word| word.as_str().unwrap_or_default());
                *objections.entry(words.join(" ")).or_default() += 1;
            }
        }
    }
    for finding in list("findings") {
        let code = finding["code"].as_str().unwrap_or_default();
        if finding["severity"] == "error" && code != "verify::rule-failed" {
            *objections.entry(code.to_owned()).or_default() += 1;
        }
    }
    Judged {
        name: name.to_owned(),
        architecture: architecture.to_owned(),
        version,
        passes: verdict["passes"] == true,
        files: list("objects").len(),
        objections,
    }
}

fn table(all: &[Judged]) -> String {
    let mut out =
        "| package | machine | version | ELF files | | objections |\n|---|---|---|---:|---|---|\n"
            .to_owned();
    let mut packages: BTreeMap<&str, usize> = BTreeMap::new();
    for Judged { name, architecture, version, passes, files, objections } in all {
        for rule in objections.keys() {
            *packages.entry(rule).or_default() += 1;
        }
        let mut words: Vec<String> =
            objections.iter().map(|(rule, count)| format!("{rule} ({count})")).collect();
        words.truncate(MOST_RULES);
        let mark = if *passes { "passes" } else { "fails" };
        out.push_str(&format!(
            "| {name} | {architecture} | {version} | {files} | {mark} | {} |\n",
            words.join(", ")
        ));
    }
    let passing = all.iter().filter(|judged| judged.passes).count();
    out.push_str(&format!("\n{passing} of {} packages pass.", all.len()));
    let mut packages: Vec<(usize, &str)> =
        packages.into_iter().map(|(rule, count)| (count, rule)).collect();
    packages.sort_unstable_by(|one, other| other.cmp(one));
    let words: Vec<String> =
        packages.iter().map(|(count, rule)| format!("{rule} {count}")).collect();
    if !words.is_empty() {
        out.push_str(&format!(" Packages with an objection of: {}.", words.join(", ")));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{judged, table};

    #[test]
    fn a_table_counts_objections_and_errors() {
        let verdict = serde_json::json!({ "passes": false, "inputs": [{
            "objects": [{ "rules": [
                { "rule": "pie", "verdict": "fails", "outcome": "objects" },
                { "rule": "relro", "verdict": "partial", "outcome": "warns" },
            ] }],
            "files": [],
            "findings": [
                { "code": "verify::rule-failed", "severity": "error" },
                { "code": "verify::limit", "severity": "error" },
            ],
        }] });
        let text = table(&[judged(&verdict, "x", "amd64", "1".to_owned())]);
        assert!(
            text.contains("| x | amd64 | 1 | 1 | fails | pie fails (1), verify::limit (1) |"),
            "{text}"
        );
        assert!(text.contains("0 of 1 packages pass."), "{text}");
    }
}

//! Asks a built emulator what is in it: QMP on `-M none -nodefaults`, and the help of backends.
//!
//! Shell. Needs no KVM: no machine is created. The emulator runs in its own process group and is ended with it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::failure::{Exit, Hinted};
use crate::isolate::Isolation;
use crate::plan::Invocation;
use crate::process::{self, Conversation};
use crate::record::Measured;

/// No machine, and no accelerator: an emulator for KVM only would not start where there is none, not even for help.
const NONE: [&str; 4] = ["-M", "none", "-accel", "qtest"];

/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Process(#[from] process::Error),
    #[error("cannot talk QMP to {emulator}: {message}")]
    Protocol { emulator: String, message: String },
}

impl Hinted for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Process(error) => error.exit(),
            Self::Protocol { .. } => Exit::Program,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Process(error) => error.hint(),
            Self::Protocol { .. } => {
                Some("the emulator must start here: are its libraries installed?".to_owned())
            }
        }
    }
}

/// A QMP session.
struct Qmp {
    talk: Conversation,
    emulator: String,
}

/// An emulator, and the root whose libraries it was linked with.
#[derive(Debug, Clone, Copy)]
struct Built<'a> {
    emulator: &'a Path,
    isolation: &'a Isolation,
}

impl Built<'_> {
    fn invocation(self, purpose: &str, words: &[String]) -> Invocation {
        let command = Invocation::plain(purpose, self.emulator.display().to_string(), "/")
            .args(words.iter().cloned());
        self.isolation.wrap(&command)
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

impl Qmp {
    fn start(built: Built<'_>, arguments: &[String]) -> Result<(Self, Value), Error> {
        let mut all =
            words(&["-nodefaults", "-no-user-config", "-display", "none", "-qmp", "stdio"]);
        all.extend(arguments.iter().cloned());
        let talk = Conversation::start(&built.invocation("start the emulator", &all))?;
        let mut qmp = Self { talk, emulator: built.emulator.display().to_string() };
        let greeting = qmp.read()?;
        qmp.execute("qmp_capabilities", &json!({}))?;
        Ok((qmp, greeting))
    }

    fn error(&self, message: impl Into<String>) -> Error {
        Error::Protocol { emulator: self.emulator.clone(), message: message.into() }
    }

    fn read(&mut self) -> Result<Value, Error> {
        let line = self.talk.line(LIMIT)?;
        serde_json::from_str(&line).map_err(|_| self.error(format!("it said `{line}`")))
    }

    /// Runs a command; events in between are skipped.
    fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value, Error> {
        let request = json!({ "execute": command, "arguments": arguments });
        writeln!(self.talk.input, "{request}").map_err(|error| self.error(error.to_string()))?;
        for _ in 0..10_000 {
            let answer = self.read()?;
            if let Some(value) = answer.get("return") {
                return Ok(value.clone());
            }
            if let Some(error) = answer.get("error") {
                let text = error.get("desc").and_then(Value::as_str).unwrap_or("an error");
                return Err(self.error(format!("{command}: {text}")));
            }
        }
        Err(self.error("no answer among 10,000 messages"))
    }

    fn types(&mut self, implements: &str) -> Result<BTreeSet<String>, Error> {
        let list = self
            .execute("qom-list-types", &json!({ "implements": implements, "abstract": false }))?;
        Ok(names(&list))
    }
}

fn names(list: &Value) -> BTreeSet<String> {
    let entries = list.as_array().into_iter().flatten();
    entries
        .filter_map(|entry| entry.get("name").and_then(Value::as_str))
        .map(str::to_owned)
        .collect()
}

/// Measures the surface of an emulator that runs on this host.
pub fn surface(emulator: &Path) -> Result<Measured, Error> {
    surface_in(&Isolation::default(), emulator)
}

/// Measures the surface.
pub fn surface_in(isolation: &Isolation, emulator: &Path) -> Result<Measured, Error> {
    let built = Built { emulator, isolation };
    let (mut qmp, greeting) = Qmp::start(built, &words(&NONE))?;
    let version = greeting.pointer("/QMP/version/qemu");
    let number =
        |part: &str| version.and_then(|v| v.get(part)).and_then(Value::as_u64).unwrap_or(0);
    let commands = qmp.execute("query-commands", &json!({}))?;
    let measured = Measured {
        version: format!("{}.{}.{}", number("major"), number("minor"), number("micro")),
        devices: qmp.types("device")?,
        machines: qmp
            .types("machine")?
            .into_iter()
            .map(|name| name.trim_end_matches("-machine").to_owned())
            .collect(),
        objects: qmp.types("user-creatable")?,
        qmp_commands: commands.as_array().map_or(0, Vec::len),
        netdevs: help(built, &["-netdev", "help"])?,
        chardevs: help(built, &["-chardev", "help"])?,
        accelerators: help(built, &["-accel", "help"])?,
        block_formats: drive_formats(built)?,
        displays: help(built, &["-display", "help"])?,
        audio: help(built, &["-audiodev", "help"])?,
    };
    let _ = qmp.execute("quit", &json!({}));
    Ok(measured)
}

/// One name per line after a headline. `none` is no backend but its absence; QEMU follows the list with advice.
fn help(built: Built<'_>, more: &[&str]) -> Result<BTreeSet<String>, Error> {
    let all = [words(&NONE), words(&["-nodefaults"]), words(more)].concat();
    let command = built.invocation("read the emulator's help", &all);
    let text = process::output(&command)?.text();
    let lines = text.lines().map(str::trim);
    let names = lines.filter(|line| !line.contains([' ', ':']) && !line.is_empty());
    Ok(names.filter(|name| *name != "none").map(str::to_owned).collect())
}

fn drive_formats(built: Built<'_>) -> Result<BTreeSet<String>, Error> {
    let all = [words(&NONE), words(&["-drive", "format=help"])].concat();
    let command = built.invocation("read the block formats", &all);
    let text = process::output(&command)?.text();
    Ok(text
        .lines()
        .filter_map(|line| line.split_once(": "))
        .flat_map(|(_, names)| names.split(' '))
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect())
}

/// What a person can give the emulator: its command line as `-help` prints it, and the properties of devices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Without the line that names the program's path.
    pub help: String,
    pub devices: BTreeMap<String, BTreeMap<String, Property>>,
}

/// A property of a device, as `device-list-properties` describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Property {
    pub kind: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// Asks for the usage of devices that a user can create.
pub fn usage(isolation: &Isolation, emulator: &Path, devices: &[String]) -> Result<Usage, Error> {
    let built = Built { emulator, isolation };
    let (mut qmp, _) = Qmp::start(built, &words(&NONE))?;
    let mut out = Usage::default();
    for device in devices {
        let list = qmp.execute("device-list-properties", &json!({ "typename": device }))?;
        let entries = list.as_array().into_iter().flatten();
        let properties = entries.filter_map(property).collect();
        out.devices.insert(device.clone(), properties);
    }
    let _ = qmp.execute("quit", &json!({}));
    let command = built.invocation("read the emulator's help", &words(&["-help"]));
    let text = process::output(&command)?.text();
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !(line.starts_with("usage:") || line.starts_with("QEMU emulator version")))
        .collect();
    out.help = lines.join("\n");
    Ok(out)
}

fn property(entry: &Value) -> Option<(String, Property)> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let default = match entry.get("default-value") {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Null) | None => None,
        Some(value) => Some(value.to_string()),
    };
    let name = entry.get("name").and_then(Value::as_str)?.to_owned();
    Some((name, Property { kind: text("type"), text: text("description"), default }))
}

/// Every QOM type of an emulator, abstract ones included.
pub fn types(emulator: &Path) -> Result<BTreeSet<String>, Error> {
    let built = Built { emulator, isolation: &Isolation::default() };
    let (mut qmp, _) = Qmp::start(built, &words(&NONE))?;
    let list = qmp.execute("qom-list-types", &json!({}))?;
    let _ = qmp.execute("quit", &json!({}));
    Ok(names(&list))
}

/// A device and QEMU's words where it refused.
pub type Realised = (String, Result<(), String>);

/// Creates every device on a machine under qtest (no KVM, no guest code runs) and says which refused, with QEMU's words.
/// A device that needs a backend refuses, too, and names the property that is missing. `firmware` is where boot ROMs are
/// looked for.
pub fn realise(
    emulator: &Path,
    machine: &str,
    firmware: &[PathBuf],
    devices: &[String],
) -> Result<Vec<Realised>, Error> {
    let mut out = Vec::new();
    for device in devices {
        let mut arguments = vec!["-M".to_owned(), format!("{machine},accel=qtest")];
        for directory in firmware {
            arguments.extend(["-L".to_owned(), directory.display().to_string()]);
        }
        arguments.extend(["-S".to_owned(), "-device".to_owned(), device.clone()]);
        let built = Built { emulator, isolation: &Isolation::default() };
        let result = match Qmp::start(built, &arguments) {
            Ok((mut qmp, _)) => {
                let _ = qmp.execute("quit", &json!({}));
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        };
        out.push((device.clone(), result));
    }
    Ok(out)
}

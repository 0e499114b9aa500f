//! The plan as the document `quench.plan/1`. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::{Class, Kind, Predicted, Surface};
use crate::plan::{Because, Clause, Firmware, Invocation, Item, Plan, Provider, Step};
use crate::profile::Origin;
use crate::wire::{self, NamedDigest, Tag};

/// The plan as `plan --format json` prints it.
pub fn wire(plan: &Plan) -> wire::Plan {
    Writer { directories: true }.plan(plan)
}

/// The plan as a record keeps it: files of profiles go by their names, where they lay is the business of one machine.
pub fn recorded(plan: &Plan) -> wire::Plan {
    Writer { directories: false }.plan(plan)
}

struct Writer {
    /// Profile files are named as they were given.
    directories: bool,
}

impl Writer {
    fn plan(&self, plan: &Plan) -> wire::Plan {
        let named = |items: &[Item]| -> Vec<wire::plan::Named> {
            let named = |item: &Item| wire::plan::Named {
                because: self.because(&item.because),
                name: item.text.clone(),
            };
            items.iter().map(named).collect()
        };
        let names = |surface: &BTreeMap<String, Predicted>| surface.keys().cloned().collect();
        let undecided = plan.surface.undecided.iter();
        let alternatives = plan.alternatives.iter();
        wire::Plan {
            alternatives: alternatives
                .map(|alternative| wire::plan::Alternative {
                    chosen: alternative.chosen.clone(),
                    name: alternative.name.clone(),
                    rejected: alternative.rejected.clone(),
                    why: alternative.why.clone(),
                })
                .collect(),
            asked: named(&plan.asked),
            at_start: names(&plan.surface.at_start),
            backends: backends(&plan.surface),
            cflags: self.arguments(&plan.cflags),
            configure: self.arguments(&plan.configure),
            device_file: wire::plan::DeviceFile {
                path: plan.device_file.path.clone(),
                text: plan.device_file.text.clone(),
            },
            devices: devices(&plan.surface.devices),
            features: named(&plan.features),
            firmware: plan.firmware.iter().map(|firmware| self.firmware(firmware)).collect(),
            hardening: plan.selection.level.clone(),
            ldflags: self.arguments(&plan.ldflags),
            left_out: self.arguments(&plan.left_out),
            machines: names(&plan.surface.machines),
            name: plan.name.clone(),
            objects: names(&plan.surface.objects),
            quirks: plan
                .quirks
                .iter()
                .map(|item| wire::plan::Quirk {
                    because: self.because(&item.because),
                    id: item.text.clone(),
                })
                .collect(),
            schema: Tag::default(),
            source: wire::plan::Source {
                date: plan.source.date,
                files: digests(&plan.source.files),
                origin: plan.source.origin.clone(),
                patches: digests(&plan.source.patches),
                tree: plan.source.digest.clone(),
                version: plan.source.version.clone(),
            },
            steps: plan.steps.iter().map(|step| self.step(step)).collect(),
            summary: plan.summary.clone(),
            symbols: named(&plan.symbols),
            target: plan.target(),
            undecided: undecided
                .map(|(name, condition)| wire::plan::Undecided {
                    condition: condition.clone(),
                    name: name.clone(),
                })
                .collect(),
        }
    }

    fn arguments(&self, items: &[Item]) -> Vec<wire::plan::Argument> {
        let argument = |item: &Item| wire::plan::Argument {
            argument: item.text.clone(),
            because: self.because(&item.because),
        };
        items.iter().map(argument).collect()
    }

    fn firmware(&self, firmware: &Firmware) -> wire::plan::Firmware {
        let owned = |name: Option<&str>| name.map(str::to_owned);
        wire::plan::Firmware {
            because: self.because(&firmware.item.because),
            file: firmware.item.text.clone(),
            provider: match firmware.provider {
                Provider::Built => wire::plan::Provider::Built,
                Provider::Package(names) => {
                    wire::plan::Provider::Package(wire::plan::PackageNames {
                        debian: owned(names.debian),
                        fedora: owned(names.fedora),
                        opensuse: owned(names.opensuse),
                        rhel: owned(names.rhel),
                    })
                }
            },
        }
    }

    fn step(&self, step: &Step) -> wire::plan::Step {
        let writes = step.writes.iter();
        wire::plan::Step {
            because: self.because(&step.because),
            commands: step.commands.iter().map(command).collect(),
            id: step.id,
            title: step.title.clone(),
            writes: writes
                .map(|(path, text)| wire::plan::Written { path: path.clone(), text: text.clone() })
                .collect(),
        }
    }

    fn because(&self, because: &Because) -> wire::plan::Because {
        let text = because.to_string();
        match because {
            Because::Asked(origin) => self.asked(origin),
            Because::Needed { what, .. } => wire::plan::Because::Needed { by: what.clone(), text },
            Because::Kconfig { clause, by, file, line } => {
                let (by, file, line) = (by.clone(), file.clone(), *line);
                match clause {
                    Clause::Selected => wire::plan::Because::Selected { by, file, line, text },
                    Clause::Implied => wire::plan::Because::Implied { by, file, line, text },
                    Clause::Default => wire::plan::Because::Default { by, file, line, text },
                }
            }
            Because::Hardening { level, source, .. } => wire::plan::Because::Hardening {
                level: level.clone(),
                source: source.clone(),
                text,
            },
            Because::Quirk { id, .. } => wire::plan::Because::Quirk { id: id.clone(), text },
            Because::Rule(_) => wire::plan::Because::Rule { text },
        }
    }

    fn asked(&self, origin: &Origin) -> wire::plan::Because {
        let mut origin = origin.clone();
        if let (false, Some((_, name))) = (self.directories, origin.file.rsplit_once('/')) {
            origin.file = String::from(name);
        }
        wire::plan::Because::Asked {
            text: Because::Asked(origin.clone()).to_string(),
            column: origin.column,
            file: origin.file,
            key: origin.key,
            line: origin.line,
        }
    }
}

fn command(command: &Invocation) -> wire::plan::Command {
    wire::plan::Command {
        arguments: command.arguments.clone(),
        directory: command.directory.clone(),
        environment: command.environment.clone(),
        program: command.program.clone(),
        purpose: command.purpose.clone(),
    }
}

fn digests(files: &[(String, String)]) -> Vec<NamedDigest> {
    let digest = |(name, sha256): &(String, String)| NamedDigest {
        name: name.clone(),
        sha256: sha256.clone(),
    };
    files.iter().map(digest).collect()
}

fn backends(surface: &Surface) -> wire::plan::Backends {
    let of = |kind: Kind| -> BTreeSet<String> { surface.backends(kind).cloned().collect() };
    wire::plan::Backends {
        audio: of(Kind::Audio),
        block: of(Kind::Block),
        chardev: of(Kind::Chardev),
        display: of(Kind::Display),
        netdev: of(Kind::Netdev),
    }
}

/// The predicted surface in its three classes, and the types `-device help` hides.
fn devices(devices: &BTreeMap<String, Predicted>) -> wire::plan::Devices {
    let class = |wanted: Class| -> Vec<wire::plan::Predicted> {
        let of_class = devices.iter().filter(|(_, device)| device.class == wanted);
        of_class
            .map(|(name, device)| wire::plan::Predicted {
                file: device.file.clone(),
                kind: device.kind.name().to_owned(),
                line: device.line,
                name: name.clone(),
                through: device.through.clone(),
            })
            .collect()
    };
    let hidden = devices
        .iter()
        .filter(|(_, device)| !device.user_creatable && device.kind == Kind::Device)
        .map(|(name, _)| name.clone());
    wire::plan::Devices {
        core: class(Class::Core),
        forced: class(Class::Forced),
        hidden: hidden.collect(),
        requested: class(Class::Requested),
    }
}

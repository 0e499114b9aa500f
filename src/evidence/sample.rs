//! A small record for tests: every kind of part once, with the awkward characters of real versions.

use super::{MAKING, WORKSTATION, observed};
use crate::record::{
    AuthenticatedBy, Host, Installed, Isolated, Library, Measured, NamedDigest, PatchText,
    ProfileFile, Record, RootKind, SourceKind, SourceOrigin, StagedFile, StepRun, StepRuns,
    ToolVersion,
};
use crate::wire::plan::{Because, Firmware, PackageNames, Plan, Provider, Source};
use crate::wire::verdict::{Answer, Demand, Input, Kind, Object, Outcome, Rule};
use crate::wire::{Tag, Verdict};

pub(crate) fn installed(name: &str, version: &str) -> Installed {
    Installed {
        name: name.to_owned(),
        version: version.to_owned(),
        architecture: "amd64".to_owned(),
    }
}

fn digest(letter: char) -> String {
    std::iter::repeat_n(letter, 64).collect()
}

/// A run in the sandbox, on the open host.
pub(crate) fn run() -> StepRun {
    StepRun {
        builder: WORKSTATION.to_owned(),
        compiler_cache: None,
        isolation: Isolated::Bubblewrap { version: "bubblewrap 0.8.0".to_owned() },
        quench: "0.1.0".to_owned(),
        root: RootKind::Host,
        tools: vec![NamedDigest { name: "gcc".to_owned(), sha256: digest('e') }],
    }
}

/// Every step that makes bytes, run like this.
pub(crate) fn steps(run: &StepRun) -> Vec<StepRuns> {
    MAKING.map(|step| StepRuns { runs: vec![run.clone()], step }).into()
}

/// One package whose emulator protects its stack, and of which FORTIFY cannot be told.
fn verdict() -> Verdict {
    let rule = |rule: &str, demand, verdict| Rule {
        demand,
        detail: String::new(),
        evidence: String::new(),
        m: None,
        n: None,
        outcome: Outcome::Fine,
        rule: rule.to_owned(),
        verdict,
        waiver: None,
    };
    let object = Object {
        build_id: Some("00".to_owned()),
        kind: Kind::Pie,
        needed: vec!["libc.so.6".to_owned()],
        path: "/usr/lib/qemu-x/bin/qemu-system-x86_64".to_owned(),
        rules: vec![
            rule("stack-protector", Demand::Require, Answer::Holds),
            rule("fortify", Demand::Report, Answer::CannotTell),
        ],
        sha256: digest('a'),
        ..Object::default()
    };
    let input = Input {
        name: "qemu-x_10.0.13_amd64.deb".to_owned(),
        objects: vec![object],
        others: 2,
        passes: true,
        policy: "quench-strict".to_owned(),
        sha256: digest('1'),
        ..Input::default()
    };
    Verdict { inputs: vec![input], passes: true, ..Verdict::default() }
}

fn plan() -> Plan {
    let named = |name: &str, letter| NamedDigest { name: name.to_owned(), sha256: digest(letter) };
    let firmware = |file: &str, provider| Firmware {
        because: Because::Rule { text: "so".to_owned() },
        file: file.to_owned(),
        provider,
    };
    let seabios = PackageNames {
        debian: Some("seabios".to_owned()),
        fedora: Some("seabios-bin".to_owned()),
        ..PackageNames::default()
    };
    Plan {
        name: "x".to_owned(),
        summary: "a sample".to_owned(),
        target: "x86_64-softmmu".to_owned(),
        hardening: "strict".to_owned(),
        source: Source {
            origin: "apt: qemu 1:10.0.13+ds-0+deb13u1 of trixie".to_owned(),
            version: "1:10.0.13+ds-0+deb13u1".to_owned(),
            tree: digest('b'),
            date: 1_788_026_140,
            files: vec![named("qemu_10.0.13+ds.orig.tar.xz", 'c')],
            patches: vec![named("0001-fix.patch", 'd')],
        },
        firmware: vec![
            firmware("pvh.bin", Provider::Built),
            firmware("bios-256k.bin", Provider::Package(seabios)),
        ],
        ..Plan::default()
    }
}

pub(crate) fn record() -> Record {
    let file = |path: &str, letter| StagedFile {
        path: path.to_owned(),
        mode: "0755".to_owned(),
        size: 10,
        sha256: digest(letter),
    };
    Record {
        schema: Tag::default(),
        quench: "0.1.0".to_owned(),
        name: "x".to_owned(),
        profile: vec![ProfileFile { file: "x.toml".to_owned(), text: "schema = 1\n".to_owned() }],
        plan: plan(),
        source: SourceOrigin {
            kind: SourceKind::Apt,
            package: Some("qemu".to_owned()),
            suite: Some("trixie".to_owned()),
            url: None,
            authentication: "archive signature".to_owned(),
            authenticated_by: Some(AuthenticatedBy::ArchiveSignature),
        },
        patches: vec![PatchText {
            name: "0001-fix.patch".to_owned(),
            sha256: digest('d'),
            text: "--- a\n+++ b\n".to_owned(),
        }],
        host: Host {
            distribution: "debian".to_owned(),
            version: "12".to_owned(),
            architecture: "x86_64".to_owned(),
        },
        tools: vec![ToolVersion {
            name: "gcc".to_owned(),
            version: "gcc (Debian 12.2.0-14+deb12u1) 12.2.0".to_owned(),
            sha256: digest('e'),
            package: Some(installed("gcc-12", "12.2.0-14+deb12u1")),
        }],
        build_dependencies: vec![installed("libc6-dev", "2.36-9+deb12u14")],
        libraries: vec![
            Library {
                soname: "libglib-2.0.so.0".to_owned(),
                package: Some(installed("libglib2.0-0", "2.74.6-2+deb12u9")),
            },
            Library { soname: "libunknown.so.1".to_owned(), package: None },
        ],
        root: None,
        config_host: vec!["#define CONFIG_X 1".to_owned()],
        files: vec![
            file("/usr/lib/qemu-x/bin/qemu-system-x86_64", 'a'),
            file("/usr/lib/qemu-x/share/qemu/pvh.bin", 'f'),
            file("/usr/share/doc/qemu-x/copyright", '0'),
        ],
        surface: Measured::default(),
        verdict: Some(verdict()),
        packages: vec![
            NamedDigest { name: "qemu-x_10.0.13_amd64.deb".to_owned(), sha256: digest('1') },
            NamedDigest { name: "qemu-x-10.0.13-1.x86_64.rpm".to_owned(), sha256: digest('2') },
        ],
        observed: Some(observed(steps(&run()))),
    }
}

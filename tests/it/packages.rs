//! The packages of a finished build: judged by the distributions' own checkers, signed, served from a repository,
//! installed, upgraded, downgraded and removed, and made while somebody kills us or the disk fills up.
//!
//! `real` runs these, because they need what it has built; packaging takes seconds, the build before it minutes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::real::{as_plain, as_root, root_command, sha256};
use crate::sandbox::{Ran, quench, ran};

const NAME: &str = "qemu-cloud-virtio";
const PREFIX: &str = "/usr/lib/qemu-cloud-virtio";

/// A work directory with a finished build of `cloud-virtio`, and a directory whose `dist` has its packages.
pub(crate) struct Bench {
    pub(crate) work: PathBuf,
    pub(crate) here: PathBuf,
}

/// A part of packaging, and whether it has begun.
type Moment<'a> = (&'static str, Box<dyn Fn() -> bool + 'a>);

/// For work on packaging: `QUENCH_FINISHED=WORK` leads to a finished build of `cloud-virtio`. The main job runs the same.
#[test]
fn packages_of_a_finished_build() {
    let Some(work) = std::env::var_os("QUENCH_FINISHED") else {
        return println!("skipped: packages_of_a_finished_build (part of the main job)");
    };
    let here = tempfile::tempdir().unwrap();
    let bench = Bench { work: work.into(), here: here.path().to_owned() };
    let ran = bench.build("cloud-virtio", &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    bench.all_but_installing();
    bench.killed_while_packaging();
    bench.full_disks();
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Files of a directory by name; directories in it are left out.
fn files(directory: &Path) -> BTreeMap<String, PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let named = |path: PathBuf| (path.file_name().unwrap().to_str().unwrap().to_owned(), path);
    entries.filter(|path| path.is_file()).map(named).collect()
}

/// The one file that begins and ends so.
fn file(directory: &Path, start: &str, end: &str) -> PathBuf {
    let found: Vec<PathBuf> = files(directory)
        .into_iter()
        .filter(|(name, _)| name.starts_with(start) && name.ends_with(end))
        .map(|(_, path)| path)
        .collect();
    assert_eq!(found.len(), 1, "{start}*{end} in {}: {found:?}", directory.display());
    found[0].clone()
}

fn build_id(elf: &Path) -> String {
    let notes = as_plain(&["readelf", "-n", text(elf)]).stdout;
    let line = notes.lines().find_map(|line| line.trim().strip_prefix("Build ID: "));
    line.expect("a build-id").to_owned()
}

impl Bench {
    fn build(&self, profile: &str, arguments: &[&str]) -> Ran {
        let words = [&["build", profile], arguments].concat();
        quench(&self.here, &self.work, &words)
    }

    fn dist(&self) -> PathBuf {
        self.here.join("dist")
    }

    pub(crate) fn all_but_installing(&self) {
        self.judged_by_the_tools_of_the_distributions();
        self.compressors_are_inputs_of_packaging_alone();
        self.signed_by_the_id_of_a_key();
        self.made_for_each_distribution();
    }

    fn judged_by_the_tools_of_the_distributions(&self) {
        let dist = self.dist();
        let changes = file(&dist, &format!("{NAME}_"), ".changes");
        as_plain(&["lintian", "--fail-on", "error,warning", text(&changes)]);
        let rpms: Vec<PathBuf> = files(&dist)
            .into_iter()
            .filter(|(name, _)| {
                name.strip_suffix(".rpm").is_some()
                    && name.starts_with(NAME)
                    && !name.contains("-tcg-")
            })
            .map(|(_, path)| path)
            .collect();
        assert_eq!(rpms.len(), 3, "{rpms:?}");
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/rpm/rpmlint.toml");
        let mut words = vec!["rpmlint", "--config", text(&config)];
        words.extend(rpms.iter().map(|path| text(path)));
        let ran = as_plain(&words);
        assert!(ran.stdout.contains("0 errors, 0 warnings"), "{}", ran.stdout);
        let mut words = vec!["rpm", "-K"];
        words.extend(rpms.iter().map(|path| text(path)));
        assert_eq!(as_plain(&words).stdout.matches("digests OK").count(), 3);
        self.debug_packages_belong_to_the_emulator();
        self.documents_tell_of_this_build();
    }

    fn unpacked_deb(&self, start: &str) -> PathBuf {
        let into = self.here.join("unpacked").join(start);
        std::fs::create_dir_all(&into).unwrap();
        let deb = file(&self.dist(), start, ".deb");
        as_plain(&["dpkg-deb", "-x", text(&deb), text(&into)]);
        into
    }

    fn debug_packages_belong_to_the_emulator(&self) {
        let main = self.unpacked_deb(&format!("{NAME}_"));
        let id = build_id(&main.join(format!("{}/bin/qemu-system-x86_64", &PREFIX[1..])));
        let place = format!("usr/lib/debug/.build-id/{}/{}.debug", &id[..2], &id[2..]);
        let debug = self.unpacked_deb(&format!("{NAME}-dbgsym_")).join(&place);
        assert_eq!(build_id(&debug), id);
        let deb = file(&self.dist(), &format!("{NAME}-dbgsym_"), ".deb");
        let ids = as_plain(&["dpkg-deb", "-f", text(&deb), "Build-Ids"]).stdout;
        assert_eq!(ids.trim(), id);
        let rpm = file(&self.dist(), &format!("{NAME}-debuginfo-"), ".rpm");
        let inside = self.here.join("unpacked/debuginfo");
        let sources = self.here.join("unpacked/debugsource");
        for (package, into) in [
            (&rpm, &inside),
            (&file(&self.dist(), &format!("{NAME}-debugsource-"), ".rpm"), &sources),
        ] {
            std::fs::create_dir_all(into).unwrap();
            let script = format!("rpm2cpio '{}' | cpio -idm --quiet", package.display());
            as_plain(&["sh", "-c", &format!("cd '{}' && {script}", into.display())]);
        }
        let debug = inside.join(&place);
        assert_eq!(build_id(&debug), id);
        // Paths in the debug information lead to files of -debugsource, and to nothing of the build's.
        let units =
            as_plain(&["readelf", "--debug-dump=info", "--dwarf-depth=1", text(&debug)]).stdout;
        let mut shown = 0;
        for line in units.lines().filter(|line| line.contains("DW_AT_name")) {
            let path = line.rsplit("): ").next().unwrap().trim();
            if path.starts_with("/usr/src/debug/") {
                assert!(sources.join(&path[1..]).is_file(), "{path} is not in -debugsource");
                shown += 1;
            }
        }
        assert!(shown > 300, "{shown} compilation units with a source");
    }

    fn documents_tell_of_this_build(&self) {
        let main = self.unpacked_deb(&format!("{NAME}_"));
        let page = main.join(format!("usr/share/man/man1/{NAME}.1.gz"));
        let shown = as_plain(&["man", "-l", text(&page)]).stdout;
        for part in ["virtio-blk-pci", "num-queues", "qcow2", "-sandbox", "pc-q35-10.0"] {
            assert!(shown.contains(part), "no {part} in the manual page");
        }
        assert!(!shown.contains("e1000"), "the manual page tells of a device that is not built");
        let copyright =
            std::fs::read_to_string(main.join(format!("usr/share/doc/{NAME}/copyright"))).unwrap();
        assert!(copyright.contains("\n hw/block/virtio-blk.c\n"), "a compiled file is not listed");
        assert!(!copyright.contains("hw/net/e1000.c"), "a file is listed that is not compiled");
        let changes = file(&self.dist(), &format!("{NAME}_"), ".changes");
        let changes = std::fs::read_to_string(changes).unwrap();
        for (name, path) in files(&self.dist()) {
            if name.starts_with(&format!("{NAME}_")) && name.strip_suffix(".deb").is_some() {
                assert!(changes.contains(&sha256(&path)), "{name} is not the one of .changes");
            }
        }
    }

    /// Both profiles are installed in the root: a repository, an upgrade, a way back, the distribution's QEMU, the end.
    pub(crate) fn live_and_die_in(&self, root: &Path) {
        let at = text(root);
        let old = file(&self.dist(), &format!("{NAME}_"), ".deb");
        let key = self.key();
        // The same profile with one more revision: only packaging is done again.
        let profile = "schema = 1\nname = \"cloud-virtio\"\nextends = [\"cloud-virtio\"]\n\
                       [package]\nrevision = 2\nprovides = [\"hypervisor\"]\n";
        std::fs::write(self.here.join("next.toml"), profile).unwrap();
        let arguments = ["--output", "next", "--sign", text(&key), "--repo"];
        let ran = self.build("next.toml", &arguments);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(!ran.stderr.contains("Step Compile"), "{}", ran.stderr);
        self.signed(&self.here.join("next"));
        let repository = self.here.join("next/packages");
        as_root(&["cp", "-r", text(&repository), &format!("{at}/srv/packages")]);
        let line = "deb [signed-by=/srv/packages/signing-key.asc] file:/srv/packages ./";
        let script = format!("echo '{line}' > /etc/apt/sources.list.d/quench.list");
        let inside = |words: &[&str]| as_root(&[&["chroot", at], words].concat());
        inside(&["sh", "-c", &script]);
        inside(&["apt-get", "-q", "update"]);
        let version = || inside(&["dpkg-query", "-W", "-f", "${Version} ${Provides}", NAME]).stdout;
        let first = version();
        inside(&["apt-get", "-q", "-y", "--no-install-recommends", "upgrade"]);
        assert!(version().contains("+q2 hypervisor"), "{first} to {}", version());
        inside(&["sh", "-c", &format!("cat < /srv/packages/{} > /dev/null", "Packages")]);
        as_root(&["cp", text(&old), &format!("{at}/old.deb")]);
        inside(&["apt-get", "-q", "-y", "--allow-downgrades", "install", "/old.deb"]);
        assert_eq!(version(), first);
        inside(&["apt-get", "-q", "-y", "--no-install-recommends", "install", "qemu-system-x86"]);
        for emulator in ["/usr/bin/qemu-system-x86_64", &format!("{PREFIX}/bin/qemu-system-x86_64")]
        {
            assert!(inside(&[emulator, "--version"]).stdout.contains("QEMU"), "{emulator}");
        }
        let twin = format!("{NAME}-tcg");
        as_root(&["debsums", &format!("--root={at}"), NAME, &twin]);
        assert_eq!(inside(&["dpkg", "--audit"]).stdout, "");
        self.the_name_of_the_distribution_is_taken_and_given_back(root);
        for gone in [PREFIX.to_owned(), format!("/usr/share/doc/{NAME}")] {
            assert!(!root.join(&gone[1..]).exists(), "{gone} is left after purge");
        }
        let emulator = format!("/usr/lib/{twin}/bin/qemu-system-x86_64");
        assert!(inside(&[&emulator, "--version"]).stdout.contains("QEMU"), "the other profile");
        assert_eq!(inside(&["dpkg", "--audit"]).stdout, "");
        self.rpm_in(root);
    }

    /// In the same root, which has the libraries: rpm's database is its own.
    fn rpm_in(&self, root: &Path) {
        let rpm = file(&self.dist(), &format!("{NAME}-10"), ".rpm");
        let at = text(root);
        let on = |words: &[&str]| root_command(&[&["rpm", "--root", at], words].concat());
        // Its requirements have the names of another distribution.
        let installed = ran(&on(&["-i", "--nodeps", text(&rpm)]).output().unwrap());
        assert_eq!(installed.code, 0, "{}", installed.stderr);
        let emulator = format!("{PREFIX}/bin/qemu-system-x86_64");
        assert!(as_root(&["chroot", at, &emulator, "--version"]).stdout.contains("QEMU"));
        let verified = ran(&on(&["-V", "--nodeps", NAME]).output().unwrap());
        assert_eq!((verified.code, verified.stdout.as_str()), (0, ""), "{}", verified.stderr);
        as_root(&["sh", "-c", &format!("echo x >> '{at}{emulator}'")]);
        let verified = ran(&on(&["-V", "--nodeps", NAME]).output().unwrap());
        assert!(verified.stdout.contains("qemu-system-x86_64"), "rpm -V sees no change");
        assert_eq!(ran(&on(&["-e", NAME]).output().unwrap()).code, 0);
        assert!(!root.join(&PREFIX[1..]).exists());
    }

    /// By the id of a key in a GnuPG directory that holds several; a name that fits two is refused.
    fn signed_by_the_id_of_a_key(&self) {
        let home = tempfile::Builder::new().prefix("qg").tempdir().unwrap();
        let script = "export GNUPGHOME=$1 && for name in one two; do gpg --batch --quiet --passphrase '' \
            --quick-generate-key \"$name <$name@quench.invalid>\" ed25519 sign 0; done && \
            gpg --batch --with-colons --list-secret-keys two@quench.invalid";
        let listed = as_plain(&["sh", "-c", script, "sh", text(home.path())]).stdout;
        let fingerprint = listed.lines().find_map(|line| line.strip_prefix("fpr:::::::::"));
        let fingerprint = fingerprint.unwrap().trim_end_matches(':').to_owned();
        let sign = |name: &str| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_quench"));
            command.args(["build", "cloud-virtio", "--output", "by-id", "--repo", "--sign", name]);
            command.current_dir(&self.here).env("QUENCH_WORK", &self.work);
            ran(&command.env("GNUPGHOME", home.path()).output().unwrap())
        };
        let both = sign("quench.invalid");
        assert!(both.code == 4 && both.stderr.contains("2 secret keys"), "{}", both.stderr);
        let none = sign("nobody@quench.invalid");
        assert!(none.code == 4 && none.stderr.contains("0 secret keys"), "{}", none.stderr);
        let ran = sign(&fingerprint[24..]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stderr.contains(&fingerprint), "{}", ran.stderr);
        self.signed(&self.here.join("by-id"));
        let end = "GNUPGHOME=$1 gpgconf --kill all";
        as_plain(&["sh", "-c", end, "sh", text(home.path())]);
    }

    /// Names and relations a profile may choose, read back from packages made for each distribution.
    fn made_for_each_distribution(&self) {
        for (target, wanted, owner) in [
            ("fedora", ["seabios-bin", "ipxe-roms-qemu"], Some("qemu-system-x86-core")),
            ("rhel", ["seabios-bin", "ipxe-roms-qemu"], None),
            ("opensuse", ["qemu-seabios", "qemu-ipxe"], Some("qemu-x86")),
        ] {
            let profile = format!(
                "schema = 1\nname = \"cloud-virtio\"\nextends = [\"cloud-virtio\"]\n[package]\n\
                 formats = [\"rpm\"]\nrpm-target = \"{target}\"\nprovides = [\"hypervisor\"]\nalternatives = true\n"
            );
            let name = format!("for-{target}");
            std::fs::write(self.here.join(format!("{name}.toml")), profile).unwrap();
            let ran = self.build(&format!("{name}.toml"), &["--output", &name]);
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            assert!(!ran.stderr.contains("Step Compile"), "{}", ran.stderr);
            let rpm = file(&self.here.join(&name), &format!("{NAME}-10"), ".rpm");
            let ask = |what: &str| as_plain(&["rpm", "-qp", what, text(&rpm)]).stdout;
            let requires = ask("--requires");
            for package in wanted {
                assert!(requires.lines().any(|line| line == package), "{target}: {requires}");
            }
            assert!(requires.contains("libglib-2.0.so.0()(64bit)"), "{requires}");
            assert!(ask("--provides").lines().any(|line| line.starts_with("hypervisor = 10.")));
            let conflicts = ask("--conflicts");
            assert_eq!(conflicts.lines().next(), owner, "{target}: {conflicts}");
            assert!(
                ask("--scripts")
                    .contains("update-alternatives --install /usr/bin/qemu-system-x86_64")
            );
            assert!(ask("-l").lines().any(|line| line == "/usr/bin/qemu-system-x86_64"));
        }
    }

    /// `/usr/bin/qemu-system-x86_64` is ours where the profile wants it, and gone with the package.
    fn the_name_of_the_distribution_is_taken_and_given_back(&self, root: &Path) {
        let profile = "schema = 1\nname = \"cloud-virtio\"\nextends = [\"cloud-virtio\"]\n\
                       [package]\nformats = [\"deb\"]\nrevision = 3\nalternatives = true\n";
        std::fs::write(self.here.join("alternative.toml"), profile).unwrap();
        let ran = self.build("alternative.toml", &["--output", "alternative"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let deb = file(&self.here.join("alternative"), &format!("{NAME}_"), ".deb");
        let at = text(root);
        as_root(&["cp", text(&deb), &format!("{at}/alternative.deb")]);
        let inside = |words: &[&str]| as_root(&[&["chroot", at], words].concat()).stdout;
        let install =
            ["apt-get", "-q", "-y", "--no-install-recommends", "install", "/alternative.deb"];
        // The distribution's emulator has the name: apt takes it away for ours, it says so.
        assert!(inside(&install).contains("REMOVED"), "no conflict with the distribution's QEMU");
        let link = inside(&["readlink", "-f", "/usr/bin/qemu-system-x86_64"]);
        assert_eq!(link.trim(), format!("{PREFIX}/bin/qemu-system-x86_64"));
        assert_eq!(inside(&["dpkg", "--audit"]), "");
        inside(&["apt-get", "-q", "-y", "purge", NAME]);
        assert!(!root.join("usr/bin/qemu-system-x86_64").is_symlink());
        assert!(!root.join("etc/alternatives/qemu-system-x86_64").is_symlink());
    }

    /// A key file without a passphrase.
    fn key(&self) -> PathBuf {
        let file = self.here.join("key.asc");
        let script = "home=$(mktemp -d) && export GNUPGHOME=$home && \
            gpg --batch --quiet --passphrase '' --quick-generate-key 'Test <test@quench.invalid>' rsa3072 sign 0 && \
            gpg --batch --quiet --armor --export-secret-keys > \"$1\" && \
            gpgconf --kill all && rm -rf \"$home\"";
        as_plain(&["sh", "-c", script, "sh", text(&file)]);
        file
    }

    fn signed(&self, dist: &Path) {
        let signed = dist.join("signed");
        let key = signed.join("signing-key.asc");
        let rpm = file(&signed, &format!("{NAME}-10"), ".rpm");
        let database = self.here.join("rpmdb");
        let with = format!("--dbpath={}", database.display());
        as_plain(&["rpm", &with, "--import", text(&key)]);
        let checked = as_plain(&["rpm", &with, "-Kv", text(&rpm)]).stdout;
        assert!(checked.contains("Signature, key ID") && !checked.contains("NOKEY"), "{checked}");
        let deb = file(&signed, &format!("{NAME}_"), ".deb");
        let script = "d=$(mktemp -d) && cd $d && export GNUPGHOME=$d && ar x \"$1\" && \
            gpg --batch --quiet --import \"$2\" && \
            cat debian-binary control.tar.* data.tar.* | gpg --batch --verify _gpgorigin - && \
            gpg --batch --verify \"$3/InRelease\" && \
            gpg --batch --verify \"$3/repodata/repomd.xml.asc\" \"$3/repodata/repomd.xml\"; \
            code=$?; gpgconf --kill all; rm -rf $d; exit $code";
        as_plain(&["sh", "-c", script, "sh", text(&deb), text(&key), text(&dist.join("packages"))]);
        // The .changes lists the signed copies; its signature is by the key.
        let changes = file(&signed, &format!("{NAME}_"), ".changes");
        let script = "d=$(mktemp -d) && gpg --batch --quiet --homedir $d --no-default-keyring --keyring $d/key.gpg \
            --import \"$2\" && dscverify --no-conf --keyring $d/key.gpg \"$1\"; code=$?; \
            gpgconf --homedir $d --kill all; rm -rf $d; exit $code";
        as_plain(&["sh", "-c", script, "sh", text(&changes), text(&key)]);
        let document = signed.join(format!("{NAME}.signatures.json"));
        let document: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(document).unwrap()).unwrap();
        for (path, plain) in [
            (&rpm, file(dist, &format!("{NAME}-10"), ".rpm")),
            (&deb, file(dist, &format!("{NAME}_"), ".deb")),
        ] {
            let name = path.file_name().unwrap().to_str().unwrap();
            let entries = document["packages"].as_array().unwrap();
            let entry = entries.iter().find(|entry| entry["name"] == name).unwrap();
            assert_eq!(entry["signed"]["sha256"], sha256(path).as_str());
            assert_eq!(entry["unsigned"]["sha256"], sha256(&plain).as_str());
            if name.strip_suffix(".rpm").is_some() {
                for (key, tag) in
                    [("sha256header", "SHA256HEADER"), ("payloaddigest", "PAYLOADDIGEST")]
                {
                    for package in [path, &plain] {
                        let query = ["rpm", "-qp", "--qf", &format!("%{{{tag}}}"), text(package)];
                        assert_eq!(
                            entry["payload"][key],
                            as_plain(&query).stdout.as_str(),
                            "{tag}"
                        );
                    }
                }
            }
        }
    }

    /// Another compressor: packaging is done again, and nothing before it. The state is as a Quench with other settings
    /// would have left it.
    fn compressors_are_inputs_of_packaging_alone(&self) {
        let state = self.work.join("builds/cloud-virtio/state.json");
        let text = std::fs::read_to_string(&state).unwrap();
        let setting = "dbgsym: -Zgzip -z1";
        assert!(text.contains(setting), "{text}");
        std::fs::write(&state, text.replace(setting, "dbgsym: -Zxz -z6")).unwrap();
        let before = file(&self.dist(), &format!("{NAME}-dbgsym_"), ".deb");
        let digest = sha256(&before);
        let ran = self.build("cloud-virtio", &[]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(
            ran.stderr.contains("Step Package DEB and RPM (compressors changed)"),
            "{}",
            ran.stderr
        );
        for step in ["Configure", "Compile", "Strip"] {
            assert!(!ran.stderr.contains(&format!("Step {step}")), "{}", ran.stderr);
        }
        assert_eq!(sha256(&before), digest);
    }

    /// SIGKILL in every part of packaging: every file in the output directory is whole, whenever it came.
    pub(crate) fn killed_while_packaging(&self) {
        let output = self.here.join("killed");
        let _ = std::fs::remove_dir_all(self.here.join("whole"));
        let key = self.key();
        let more = ["--repo", "--sign", text(&key)];
        let whole = self.build("cloud-virtio", &[&["--output", "whole"], &more[..]].concat());
        assert_eq!(whole.code, 0, "{}", whole.stderr);
        let whole = files(&self.here.join("whole"));
        let (mut seen, mut met) = (0, Vec::new());
        for (moment, reached) in &self.moments(&output) {
            let _ = std::fs::remove_dir_all(&output);
            std::fs::create_dir(&output).unwrap();
            self.forget_packaging();
            let mut child = Command::new(env!("CARGO_BIN_EXE_quench"))
                .args(["build", "cloud-virtio", "--output", "killed"])
                .args(more)
                .current_dir(&self.here)
                .env("QUENCH_WORK", &self.work)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            while !reached() && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
            let _ = child.kill();
            if child.wait().unwrap().code().is_none() {
                met.push(*moment);
            }
            seen += Self::nothing_half(&output, &whole);
        }
        assert!(seen > 0, "no kill came while packages were put in place");
        // A moment of a few milliseconds may be missed on a busy machine.
        assert!(met.len() > 9, "killed only while {met:?}");
        let ran = self.build("cloud-virtio", &[&["--output", "killed"], &more[..]].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(Self::all_whole(&output, &whole), whole.len());
        assert!(!output.join(".packages.new").exists());
        println!("killed while: {}; {seen} whole files seen", met.join(", "));
    }

    /// So that nothing an earlier run left looks like a part of the next.
    fn forget_packaging(&self) {
        let at = self.work.join("builds/cloud-virtio");
        for log in ["package", "package-rpm"] {
            let _ = std::fs::remove_file(at.join(format!("logs/{log}.log")));
        }
        for _ in 0..50 {
            match std::fs::remove_dir_all(at.join("package")) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    std::thread::sleep(Duration::from_millis(100));
                }
                _ => return,
            }
        }
    }

    /// Parts of packaging, and how to see from outside that one has begun.
    fn moments<'a>(&self, output: &'a Path) -> Vec<Moment<'a>> {
        let at = self.work.join("builds/cloud-virtio");
        let log = |name: &str, part: &'static str| -> Box<dyn Fn() -> bool> {
            let path = at.join("logs").join(name);
            Box::new(move || std::fs::read_to_string(&path).is_ok_and(|text| text.contains(part)))
        };
        let there = |name: &str| -> Box<dyn Fn() -> bool> {
            let path = at.join(name);
            Box::new(move || path.exists())
        };
        let placed = |count: usize| -> Box<dyn Fn() -> bool + 'a> {
            Box::new(move || files(output).len() >= count)
        };
        vec![
            ("control files are written", there("package/deb/qemu-cloud-virtio/debian/control")),
            ("debhelper runs", log("package.log", "dh_shlibdeps")),
            ("dpkg-deb packs", log("package.log", "building package")),
            (".changes is written", log("package.log", "dpkg-genchanges")),
            ("debug information is moved", there("package/rpm/tmp/plain.debug")),
            ("sources are copied", there("package/rpm/debug/usr/src/debug")),
            ("rpmbuild installs", log("package-rpm.log", "Executing(%install)")),
            ("rpmbuild packs", log("package-rpm.log", "Wrote: ")),
            ("the first file is placed", placed(1)),
            ("the third file is placed", placed(3)),
            ("the last package is placed", placed(7)),
            ("evidence is placed", placed(9)),
            ("copies are signed", Box::new(|| output.join("signed").exists())),
            ("the repository is made", Box::new(|| output.join(".packages.new").exists())),
        ]
    }

    /// Whole files only, signed copies and the repository included.
    fn nothing_half(output: &Path, whole: &BTreeMap<String, PathBuf>) -> usize {
        let repository = output.join("packages");
        if repository.exists() {
            assert!(repository.join("InRelease").is_file());
            assert!(repository.join("repodata/repomd.xml.asc").is_file());
        }
        let signed = output.join("signed");
        let copies = if signed.is_dir() { files(&signed) } else { BTreeMap::new() };
        for (name, path) in &copies {
            match name.rsplit('.').next().unwrap() {
                "deb" => drop(as_plain(&["dpkg-deb", "--contents", text(path)])),
                "rpm" => drop(as_plain(&["rpm", "-K", "--nosignature", text(path)])),
                _ => assert!(std::fs::metadata(path).unwrap().len() > 100, "{name}"),
            }
        }
        Self::all_whole(output, whole)
    }

    /// How many files there are; each must have the bytes of a run that nobody killed.
    fn all_whole(output: &Path, whole: &BTreeMap<String, PathBuf>) -> usize {
        let found = files(output);
        for (name, path) in &found {
            let good =
                whole.get(name).unwrap_or_else(|| panic!("{name} is no file of a whole run"));
            // dpkg writes the time of the build into these two.
            if name.ends_with(".buildinfo") || name.ends_with(".changes") {
                let text = std::fs::read_to_string(path).unwrap();
                let same = std::fs::read_to_string(good).unwrap();
                assert_eq!(text.lines().count(), same.lines().count(), "{name}");
                continue;
            }
            assert_eq!(sha256(path), sha256(good), "{name}");
        }
        found.len()
    }

    /// No space for the first package, for a later one, for making them, for the repository, for signing: exit 4, the
    /// reason, nothing half-written.
    pub(crate) fn full_disks(&self) {
        let scratch = self.work.join("builds/cloud-virtio/package");
        let (output, temporary) = (self.here.join("full"), self.here.join("small-tmp"));
        let all: u64 = files(&self.here.join("whole"))
            .values()
            .map(|path| std::fs::metadata(path).unwrap().len())
            .sum();
        let kilobytes = |part: u64| format!("{}k", all * part / 10 / 1024);
        let key = self.key();
        let sign = ["--sign", text(&key)];
        let repository = ["--repo"];
        let cases: [(&Path, String, &[&str]); 5] = [
            (&output, "1m".to_owned(), &[]),
            (&output, kilobytes(6), &[]),
            (&scratch, "4m".to_owned(), &[]),
            (&output, kilobytes(15), &repository),
            // Last: its packages are done, and nothing is made anew after it.
            (&temporary, "1m".to_owned(), &sign),
        ];
        for (full, size, more) in cases {
            for directory in [full, &output] {
                std::fs::create_dir_all(directory).unwrap();
            }
            // Another output directory is an input of the step: packaging is done again.
            let script = "mount -t tmpfs -o \"size=$1\" none \"$2\" || exit 99; cd \"$3\"; shift 3; \
                          \"$@\"; code=$?; ls -A full | sed 's/^/left: /'; exit $code";
            let words = ["unshare", "--mount", "sh", "-c", script, "sh", &size, text(full)];
            let quench = env!("CARGO_BIN_EXE_quench");
            let build = [quench, "build", "cloud-virtio", "--output", "full"];
            let work = format!("QUENCH_WORK={}", self.work.display());
            let place = format!("TMPDIR={}", temporary.display());
            let environment = ["env", &work, &place];
            std::fs::create_dir_all(&temporary).unwrap();
            let all = [&environment, &words[..], &[text(&self.here)], &build, more].concat();
            let ran = ran(&root_command(&all).output().unwrap());
            // No mounts in this container, or a chroot that is no mount point.
            if ran.code == 99 || ran.stderr.starts_with("unshare: ") {
                return println!("skipped: full disks: {}", ran.stderr);
            }
            let case = format!("{} of {size} {more:?}", full.display());
            assert_eq!(ran.code, 4, "{case}: {}{}", ran.stdout, ran.stderr);
            assert!(ran.stderr.contains("the disk is full"), "{case}: {}", ran.stderr);
            let whole = files(&self.here.join("whole"));
            for left in ran.stdout.lines().filter_map(|line| line.strip_prefix("left: ")) {
                assert!(!left.starts_with('.'), "{case}: half-written: {left}");
                let dated = left.ends_with(".buildinfo") || left.ends_with(".changes");
                assert!(dated || left == "signed" || whole.contains_key(left), "{case}: {left}");
            }
        }
        // The next run finds everything in order.
        let ran = self.build("cloud-virtio", &["--output", "whole"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
}

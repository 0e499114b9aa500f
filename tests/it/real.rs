//! The main job on a real QEMU: built, packaged, verified, tampered with, killed and resumed, installed in a clean root
//! with apt, and a guest booted from the installed package under TCG.
//!
//! One test, because each part stands on the one before and a QEMU takes minutes.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::packages;
use crate::sandbox::{Ran, Sandbox, quench, ran, slow, tree};

#[test]
fn the_main_job_end_to_end() {
    if !slow("the_main_job_end_to_end") {
        return;
    }
    let work = PathBuf::from(std::env::var_os("QUENCH_WORK").expect("QUENCH_WORK"));
    let here = tempfile::tempdir().unwrap();
    let job = Job { work, here: here.path().to_owned() };
    let packages = job.build("cloud-virtio");
    job.a_second_build_does_nothing(&packages);
    job.who_finds_everything_made_does_not_change_how_it_was_made();
    job.packages_verify_and_a_flipped_byte_is_named(&packages);
    job.explain_answers_for_every_type();
    job.the_sh_plan_makes_the_same_binary();
    job.the_evidence_is_valid(&packages);
    let bench = packages::Bench { work: job.work.clone(), here: job.here.clone() };
    bench.all_but_installing();
    let twin = job.killed_and_resumed("cloud-virtio-tcg");
    job.what_was_begun_without_the_sandbox_stays_tainted(&twin, "cloud-virtio-tcg");
    let root = job.installed_in_a_clean_root(&[&packages, &twin]);
    job.allowed_devices_are_realised_with_the_installed_firmware(&root);
    job.a_guest_boots_from_the_installed_package(&root);
    bench.live_and_die_in(&root);
    bench.killed_while_packaging();
    bench.full_disks();
    as_root(&["rm", "-rf", root.to_str().unwrap()]);
}

/// A configure that fails: the step, its last lines, the log, a command to paste, a hint.
#[test]
fn a_step_that_fails_says_everything_needed_to_go_on() {
    let Some(tree) = tree("10.0") else { return println!("skipped: no QUENCH_TREES") };
    let sandbox = Sandbox::new();
    let copy = sandbox.path().join("tree");
    as_plain(&["cp", "-a", &format!("{}/.", tree.display()), copy.to_str().unwrap()]);
    as_plain(&["chmod", "-R", "u+w", copy.to_str().unwrap()]);
    let script = "#!/bin/sh\nfor i in 1 2 3; do echo line $i; done\necho 'ERROR: Dependency \"glib-2.0\" not found' >&2\nexit 1\n";
    std::fs::write(copy.join("configure"), script).unwrap();
    let ran = sandbox.quench(&["build", "cloud-virtio", "--source", copy.to_str().unwrap()]);
    if ran.code == 4 {
        return println!("skipped: build dependencies are missing");
    }
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    for part in [
        "step `configure` failed",
        "exit status 1",
        "line 3",
        "Dependency \"glib-2.0\" not found",
        "quench deps PROFILE",
        "logs/configure.log",
        "run it again by hand: cd ",
        "env -i ",
    ] {
        assert!(ran.stderr.contains(part), "no `{part}` in:\n{}", ran.stderr);
    }
}

struct Job {
    work: PathBuf,
    here: PathBuf,
}

/// Both packages of a profile.
struct Packages {
    deb: PathBuf,
    rpm: PathBuf,
}

pub(crate) fn sha256(path: &Path) -> String {
    hex::encode(Sha256::digest(std::fs::read(path).unwrap()))
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs a command as root: directly, or with sudo that asks nothing.
pub(crate) fn root_command(words: &[&str]) -> Command {
    let (program, rest) = if is_root() { (words[0], &words[1..]) } else { ("sudo", words) };
    let mut command = Command::new(program);
    if !is_root() {
        command.arg("-n");
    }
    command.args(rest);
    command
}

pub(crate) fn as_root(words: &[&str]) -> Ran {
    let ran = ran(&root_command(words).output().unwrap());
    assert_eq!(ran.code, 0, "{words:?}: {}{}", ran.stdout, ran.stderr);
    ran
}

impl Job {
    fn quench(&self, arguments: &[&str]) -> Ran {
        quench(&self.here, &self.work, arguments)
    }

    fn packages(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.here.join("dist")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    fn package_of(&self, name: &str) -> Packages {
        let find = |start: String, end: &str| {
            let found = self.packages().into_iter().find(|path| {
                let file = path.file_name().unwrap().to_str().unwrap();
                file.starts_with(&start) && file.ends_with(end)
            });
            found.unwrap_or_else(|| panic!("no {start}*{end} in dist"))
        };
        Packages {
            deb: find(format!("qemu-{name}_"), ".deb"),
            rpm: find(format!("qemu-{name}-10"), ".rpm"),
        }
    }

    fn build(&self, profile: &str) -> Packages {
        let start = Instant::now();
        let ran = self.quench(&["build", profile, "--install-deps", "--yes"]);
        println!("{}\nbuild {profile}: {} s", ran.stderr, start.elapsed().as_secs());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let packages = self.package_of(profile);
        for file in ["record.json", "verdict.json"] {
            let text =
                std::fs::read_to_string(self.here.join(format!("dist/qemu-{profile}.{file}")))
                    .unwrap();
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert!(value["schema"].as_str().unwrap().starts_with("quench."));
        }
        packages
    }

    fn a_second_build_does_nothing(&self, packages: &Packages) {
        let before = std::fs::metadata(&packages.deb).unwrap().modified().unwrap();
        let ran = self.quench(&["build", "cloud-virtio"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(
            ran.stderr.contains("nothing to do") && !ran.stderr.contains("Step"),
            "{}",
            ran.stderr
        );
        assert_eq!(std::fs::metadata(&packages.deb).unwrap().modified().unwrap(), before);
    }

    fn record_of(&self, profile: &str) -> String {
        std::fs::read_to_string(self.here.join(format!("dist/qemu-{profile}.record.json"))).unwrap()
    }

    /// The taints that a bundle names, as `verify` reads them.
    fn taints(&self, packages: &Packages, profile: &str) -> String {
        let bundle = self.here.join(format!("dist/qemu-{profile}.intoto.jsonl"));
        let (deb, rpm) = (packages.deb.to_str().unwrap(), packages.rpm.to_str().unwrap());
        let bundle = bundle.to_str().unwrap();
        let ran = self.quench(&["verify", deb, rpm, "--provenance", bundle, "--unsigned"]);
        assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
        ran.stdout
    }

    /// Sandbox, cache and builder of a run in which nothing is compiled are not those of the bytes.
    fn who_finds_everything_made_does_not_change_how_it_was_made(&self) {
        let before = self.record_of("cloud-virtio");
        for other in [
            &["--sandbox", "never"][..],
            &["--sandbox", "auto"],
            &["--ccache"],
            &["--builder", "urn:x-test:somebody-else"],
        ] {
            let ran = self.quench(&[&["build", "cloud-virtio"], other].concat());
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            assert!(ran.stderr.contains("nothing to do"), "{other:?}: {}", ran.stderr);
            assert!(self.record_of("cloud-virtio") == before, "{other:?} changed the record");
        }
        let record = quench::record::Record::from_text(&before).unwrap();
        let steps = record.observed.unwrap().steps;
        let names: Vec<&str> = steps.iter().map(|step| step.step.name()).collect();
        assert_eq!(names, ["configure", "compile", "stage", "package"]);
        for run in steps.iter().flat_map(|step| &step.runs) {
            assert_eq!(run.builder, quench::evidence::WORKSTATION);
            assert!(run.compiler_cache.is_none() && !run.tools.is_empty(), "{run:?}");
        }
    }

    /// `profile` was begun without the sandbox, stopped, and finished in it: its objects are of both runs.
    fn what_was_begun_without_the_sandbox_stays_tainted(&self, packages: &Packages, profile: &str) {
        let record = quench::record::Record::from_text(&self.record_of(profile)).unwrap();
        let steps = record.observed.unwrap().steps;
        let shut_in = |step: &str| -> Vec<bool> {
            let step = steps.iter().find(|known| known.step.name() == step).unwrap();
            let isolated = step.runs.iter().map(|run| &run.isolation);
            isolated.map(|by| matches!(by, quench::record::Isolated::Bubblewrap { .. })).collect()
        };
        assert_eq!(shut_in("configure"), [false]);
        let taints = self.taints(packages, profile);
        assert!(taints.contains("taint no-sandbox: configure, compile: "), "{taints}");
        match shut_in("package").as_slice() {
            [true] => assert_eq!(shut_in("compile"), [false, true]),
            // Where no sandbox works, nothing was different in the second run but why.
            _ => println!("skipped: no sandbox works here"),
        }
        // Everything is made: a run in the sandbox does not take the taint away.
        let ran = self.quench(&["build", profile, "--sandbox", "auto"]);
        assert!(ran.stderr.contains("nothing to do"), "{}", ran.stderr);
        assert_eq!(self.taints(packages, profile), taints);
    }

    fn packages_verify_and_a_flipped_byte_is_named(&self, packages: &Packages) {
        let (deb, rpm) = (packages.deb.to_str().unwrap(), packages.rpm.to_str().unwrap());
        let ran = self.quench(&["verify", deb, rpm]);
        assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
        let json = self.quench(&["verify", deb, rpm, "--format", "json"]);
        let verdict: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
        let elf = |index: usize| {
            verdict["inputs"][index]["objects"][0]["sha256"].as_str().unwrap().to_owned()
        };
        assert_eq!(elf(0), elf(1), "the ELF in the .deb and in the .rpm");
        let staged = self.work.join("builds/cloud-virtio/build/stripped/qemu-system-x86_64");
        assert_eq!(elf(0), sha256(&staged), "the ELF in the packages and the staged one");
        // The .deb taken apart, one byte of its ELF flipped, put together again.
        let tree = self.here.join("tampered");
        as_plain(&["dpkg-deb", "-R", deb, tree.to_str().unwrap()]);
        let emulator = tree.join("usr/lib/qemu-cloud-virtio/bin/qemu-system-x86_64");
        let mut bytes = std::fs::read(&emulator).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&emulator, bytes).unwrap();
        let tampered = self.here.join("tampered.deb");
        as_plain(&[
            "dpkg-deb",
            "--root-owner-group",
            "-b",
            tree.to_str().unwrap(),
            tampered.to_str().unwrap(),
        ]);
        let ran = self.quench(&["verify", tampered.to_str().unwrap()]);
        assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
        assert!(
            ran.stderr.contains("bin/qemu-system-x86_64") && ran.stderr.contains("sha256"),
            "{}",
            ran.stderr
        );
        // One byte of the .rpm's payload.
        let mut bytes = std::fs::read(rpm).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        let broken = self.here.join("tampered.rpm");
        std::fs::write(&broken, bytes).unwrap();
        let ran = self.quench(&["verify", broken.to_str().unwrap()]);
        assert!(
            ran.code == 1 && ran.stderr.contains("tampered.rpm"),
            "{} {}",
            ran.code,
            ran.stderr
        );
    }

    /// A few of each class; `record` holds what the binary reported.
    fn explain_answers_for_every_type(&self) {
        let text =
            std::fs::read_to_string(self.here.join("dist/qemu-cloud-virtio.record.json")).unwrap();
        let record: serde_json::Value = serde_json::from_str(&text).unwrap();
        let devices = record["surface"]["devices"].as_array().unwrap();
        assert!(devices.len() > 150, "{}", devices.len());
        for device in devices.iter().step_by(40) {
            let name = device.as_str().unwrap();
            let ran = self.quench(&["explain", "cloud-virtio", name]);
            assert!(ran.code == 0 && ran.stdout.contains(name), "{name}: {}", ran.stderr);
        }
        let ran = self.quench(&["explain", "cloud-virtio", "i8042"]);
        assert!(ran.stdout.contains("CONFIG_Q35: asked at base-x86.toml:"), "{}", ran.stdout);
    }

    fn the_sh_plan_makes_the_same_binary(&self) {
        let plan = self.quench(&["plan", "cloud-virtio", "--format", "sh"]);
        assert_eq!(plan.code, 0, "{}", plan.stderr);
        let script = self.here.join("plan.sh");
        std::fs::write(&script, &plan.stdout).unwrap();
        let build = self.here.join("by/hand/elsewhere");
        let mut command = Command::new("sh");
        command.arg(&script).env("BUILD", &build).env("LC_ALL", "C").env("TZ", "GMT-14");
        let output = ran(&command.output().unwrap());
        let tail: Vec<&str> = output.stdout.lines().rev().take(20).collect();
        assert_eq!(output.code, 0, "{}\n{tail:?}", output.stderr);
        let ours = self.work.join("builds/cloud-virtio/build");
        for file in ["qemu-system-x86_64", "stripped/qemu-system-x86_64"] {
            assert_eq!(sha256(&build.join(file)), sha256(&ours.join(file)), "{file}");
        }
        std::fs::remove_dir_all(self.here.join("by")).unwrap();
    }

    /// The record fits its schema, the sums and the bundle speak of what is there. That a build that differs in everything
    /// gives the same bytes is the next part of the suite: `cargo xtask reproducible`.
    fn the_evidence_is_valid(&self, packages: &Packages) {
        let dist = self.here.join("dist");
        let record = dist.join("qemu-cloud-virtio.record.json");
        let value: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&record).unwrap()).unwrap();
        assert_eq!(crate::evidence::faults(&value), [""; 0]);
        let inside = self.quench(&["record", "show", packages.deb.to_str().unwrap()]);
        let inside: serde_json::Value = serde_json::from_str(&inside.stdout).unwrap();
        assert_eq!(crate::evidence::faults(&inside), [""; 0]);
        for part in ["patches", "host", "build-dependencies", "libraries", "files", "plan"] {
            assert_eq!(inside[part], value[part], "{part} inside and beside the package");
        }
        assert!(value["build-dependencies"].as_array().unwrap().len() > 50);
        for library in value["libraries"].as_array().unwrap() {
            assert!(library["package"]["version"].is_string(), "{library}");
        }
        let sums = format!("cd '{}' && sha256sum --check *.SHA256SUMS", dist.display());
        as_plain(&["sh", "-c", &sums]);
        let note = as_plain(&[
            "readelf",
            "-n",
            self.work
                .join("builds/cloud-virtio/build/stripped/qemu-system-x86_64")
                .to_str()
                .unwrap(),
        ]);
        assert!(note.stdout.contains("\"name\":\"qemu-cloud-virtio\""), "{}", note.stdout);
        let taints = self.taints(packages, "cloud-virtio");
        assert!(taints.contains("taint unsigned"), "{taints}");
    }

    /// Starts a build and waits until so many lines of compiling are in its log.
    fn started(&self, profile: &str, lines: usize, more: &[&str]) -> Child {
        let log = self.log(profile);
        let mut child = Command::new(env!("CARGO_BIN_EXE_quench"))
            .args(["build", profile])
            .args(more)
            .current_dir(&self.here)
            .env("QUENCH_WORK", &self.work)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        let compiling =
            || std::fs::read_to_string(&log).is_ok_and(|text| text.lines().count() > lines);
        while !compiling() && start.elapsed() < Duration::from_secs(600) {
            assert!(child.try_wait().unwrap().is_none(), "the build ended before it was killed");
            std::thread::sleep(Duration::from_millis(200));
        }
        child
    }

    fn log(&self, profile: &str) -> PathBuf {
        self.work.join(format!("builds/{profile}/logs/compile.log"))
    }

    fn nothing_runs_in(&self, profile: &str) {
        std::thread::sleep(Duration::from_secs(2));
        let build = self.work.join(format!("builds/{profile}/build"));
        assert_eq!(compilers_in(&build), 0, "something still compiles in {}", build.display());
    }

    /// Ctrl-C, then SIGKILL, in the middle of compiling; the third run goes on where they stopped.
    fn killed_and_resumed(&self, profile: &str) -> Packages {
        let _ = std::fs::remove_file(self.log(profile));
        let _ = std::fs::remove_file(self.work.join(format!("builds/{profile}/state.json")));
        let mut child = self.started(profile, 100, &["--sandbox", "never"]);
        // The shell's own kill: the program is not on every machine.
        as_plain(&["sh", "-c", &format!("kill -INT {}", child.id())]);
        assert_eq!(child.wait().unwrap().code(), Some(130), "exit code after SIGINT");
        self.nothing_runs_in(profile);
        let mut child = self.started(profile, 400, &[]);
        // SIGKILL: Quench has no chance to clean up.
        child.kill().unwrap();
        child.wait().unwrap();
        self.nothing_runs_in(profile);
        let before = std::fs::read_to_string(self.log(profile)).unwrap().lines().count();
        let ran = self.quench(&["build", profile, "-v"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stderr.contains("Fresh Configure"), "{}", ran.stderr);
        println!("killed after {before} lines of compiling, resumed and finished");
        self.package_of(profile)
    }

    fn installed_in_a_clean_root(&self, packages: &[&Packages]) -> PathBuf {
        let root = self.work.join("clean-root");
        as_root(&["rm", "-rf", root.to_str().unwrap()]);
        let codename = os_release("VERSION_CODENAME");
        let mut words =
            vec!["mmdebstrap", "--quiet", "--variant=apt", &codename, root.to_str().unwrap()];
        // The host's own archive; mmdebstrap knows a default where there is no such file.
        let sources = host_sources();
        words.extend(sources.as_deref());
        as_root(&words);
        as_root(&["chroot", root.to_str().unwrap(), "apt-get", "-q", "update"]);
        let mut install =
            vec!["chroot".to_owned(), root.display().to_string(), "apt-get".to_owned()];
        install.extend(["-q", "-y", "--no-install-recommends", "install"].map(str::to_owned));
        for package in packages {
            let name = package.deb.file_name().unwrap().to_str().unwrap();
            as_root(&["cp", package.deb.to_str().unwrap(), root.join(name).to_str().unwrap()]);
            install.push(format!("/{name}"));
        }
        let words: Vec<&str> = install.iter().map(String::as_str).collect();
        as_root(&words);
        let at = root.to_str().unwrap();
        for name in ["cloud-virtio", "cloud-virtio-tcg"] {
            let emulator = format!("/usr/lib/qemu-{name}/bin/qemu-system-x86_64");
            let ran = as_root(&["chroot", at, &emulator, "--version"]);
            assert!(ran.stdout.contains("10.0"), "{}", ran.stdout);
        }
        assert_eq!(as_root(&["chroot", at, "dpkg", "--audit"]).stdout, "");
        root
    }

    /// The package depends on the firmware its devices ask for: under qtest (this binary has KVM alone) each allowed
    /// device is created, or wants a property that names its backend. Without firmware they are not.
    fn allowed_devices_are_realised_with_the_installed_firmware(&self, root: &Path) {
        let plan = self.quench(&["plan", "cloud-virtio", "--format", "json"]);
        let plan: serde_json::Value = serde_json::from_str(&plan.stdout).unwrap();
        let requested = plan["devices"]["requested"].as_array().unwrap();
        let devices: Vec<String> =
            requested.iter().map(|device| device["name"].as_str().unwrap().to_owned()).collect();
        let emulator = root.join("usr/lib/qemu-cloud-virtio/bin/qemu-system-x86_64");
        let own = "usr/lib/qemu-cloud-virtio/share/qemu";
        let firmware = [own, "usr/share/seabios", "usr/lib/ipxe/qemu"].map(|at| root.join(at));
        let realised = |firmware: &[PathBuf]| {
            let results = quench::inventory::realise(&emulator, "q35", firmware, &devices).unwrap();
            let refused =
                results.into_iter().filter_map(|(name, result)| Some((name, result.err()?)));
            refused.collect::<Vec<_>>()
        };
        let refused = realised(&firmware);
        for (name, words) in &refused {
            assert!(words.contains("property") && !words.contains("rom"), "{name}: {words}");
        }
        assert!(devices.len() >= 6 && refused.len() <= 2, "{devices:?}: {refused:?}");
        assert_eq!(realised(&[]).len(), devices.len(), "without the packages' firmware");
        println!("{} devices realised, {} want a backend", devices.len(), refused.len());
    }

    fn a_guest_boots_from_the_installed_package(&self, root: &Path) {
        let kernel = self.kernel();
        let initramfs = self.initramfs();
        as_root(&["cp", kernel.to_str().unwrap(), root.join("vmlinuz").to_str().unwrap()]);
        as_root(&["cp", initramfs.to_str().unwrap(), root.join("initramfs").to_str().unwrap()]);
        let disk = root.join("disk");
        as_root(&["truncate", "-s", "1M", disk.to_str().unwrap()]);
        let mut words = vec![
            "chroot",
            root.to_str().unwrap(),
            "/usr/lib/qemu-cloud-virtio-tcg/bin/qemu-system-x86_64",
        ];
        words.extend([
            "-M",
            "q35",
            "-accel",
            "tcg",
            "-cpu",
            "max",
            "-m",
            "384",
            "-nodefaults",
            "-no-user-config",
        ]);
        words.extend([
            "-display",
            "none",
            "-serial",
            "stdio",
            "-no-reboot",
            "-kernel",
            "/vmlinuz",
            "-initrd",
            "/initramfs",
        ]);
        words.extend(["-append", "console=ttyS0 panic=-1 loglevel=4"]);
        words.extend([
            "-drive",
            "file=/disk,if=none,id=d,format=raw",
            "-device",
            "virtio-blk-pci,drive=d",
        ]);
        words.extend([
            "-device",
            "virtio-net-pci",
            "-device",
            "virtio-rng-pci",
            "-device",
            "virtio-balloon-pci",
        ]);
        let start = Instant::now();
        let log = self.here.join("console");
        let out = std::fs::File::create(&log).unwrap();
        let child = root_command(&words)
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap();
        let code = wait(child, Duration::from_secs(300));
        let console = std::fs::read_to_string(&log).unwrap_or_default();
        assert!(console.contains("QUENCH GUEST IS UP"), "exit {code:?}:\n{console}");
        assert!(console.contains("virtio devices: 4"), "{console}");
        assert_eq!(code, Some(0), "{console}");
        println!("booted under TCG and powered off in {} s", start.elapsed().as_secs());
    }

    /// Debian's cloud kernel, downloaded and unpacked without being installed.
    fn kernel(&self) -> PathBuf {
        let depends =
            as_plain(&["apt-cache", "depends", "--no-recommends", "linux-image-cloud-amd64"]);
        let package = depends
            .stdout
            .lines()
            .find_map(|line| line.trim().strip_prefix("Depends: "))
            .filter(|name| name.starts_with("linux-image-"))
            .expect("a kernel package")
            .to_owned();
        let into = self.here.join("kernel");
        std::fs::create_dir_all(&into).unwrap();
        let mut download = Command::new("apt-get");
        download
            .args(["-q", "-o", "APT::Sandbox::User=root", "download", &package])
            .current_dir(&into);
        assert_eq!(ran(&download.output().unwrap()).code, 0);
        let deb = std::fs::read_dir(&into).unwrap().next().unwrap().unwrap().path();
        as_plain(&["dpkg-deb", "-x", deb.to_str().unwrap(), into.join("root").to_str().unwrap()]);
        let boot = std::fs::read_dir(into.join("root/boot")).unwrap();
        boot.map(|entry| entry.unwrap().path())
            .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("vmlinuz"))
            .expect("a vmlinuz")
    }

    /// busybox and an init that counts virtio devices and powers off.
    fn initramfs(&self) -> PathBuf {
        let root = self.here.join("initramfs-root");
        std::fs::create_dir_all(root.join("bin")).unwrap();
        let busybox =
            ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| Path::new(path).is_file());
        std::fs::copy(busybox.expect("busybox-static"), root.join("bin/busybox")).unwrap();
        let init = "#!/bin/busybox sh\n/bin/busybox mkdir -p /proc /sys\n/bin/busybox mount -t proc proc /proc\n\
                    /bin/busybox mount -t sysfs sysfs /sys\necho QUENCH GUEST IS UP\n\
                    echo virtio devices: $(/bin/busybox grep -l 0x1af4 /sys/bus/pci/devices/*/vendor | \
                    /bin/busybox wc -l)\n/bin/busybox poweroff -f\n";
        std::fs::write(root.join("init"), init).unwrap();
        as_plain(&["chmod", "755", root.join("init").to_str().unwrap()]);
        let archive = self.here.join("initramfs.cpio");
        let script = format!(
            "cd '{}' && find . | cpio -o -H newc --quiet > '{}'",
            root.display(),
            archive.display()
        );
        as_plain(&["sh", "-c", &script]);
        archive
    }
}

pub(crate) fn as_plain(words: &[&str]) -> Ran {
    let ran = ran(&Command::new(words[0]).args(&words[1..]).output().unwrap());
    assert_eq!(ran.code, 0, "{words:?}: {}{}", ran.stdout, ran.stderr);
    ran
}

/// The sources file of the host's distribution, in either format.
fn host_sources() -> Option<String> {
    let entries = std::fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files.push(PathBuf::from("/etc/apt/sources.list"));
    let debian = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().any(|line| !line.starts_with('#') && line.contains("/debian"))
    };
    files.into_iter().find(debian).map(|path| path.display().to_string())
}

fn os_release(key: &str) -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    value.expect("a codename").trim_matches('"').to_owned()
}

/// Processes whose working directory is in `directory`.
fn compilers_in(directory: &Path) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let here = |path: PathBuf| {
        std::fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd.starts_with(directory))
    };
    entries.filter(|entry| here(entry.path())).count()
}

fn wait(mut child: Child, limit: Duration) -> Option<i32> {
    let start = Instant::now();
    while start.elapsed() < limit {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

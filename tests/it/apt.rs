//! The apt source against an archive of our own on loopback: signed, unsigned, tampered with, with files gone.

use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::sandbox::{Ran, Sandbox};
use crate::source::{Mood, end_agent, gpg, key, serve, tool};

/// An archive with two versions of a package that looks like QEMU.
struct Archive {
    sandbox: Sandbox,
    home: tempfile::TempDir,
    fingerprint: String,
    port: u16,
}

impl Drop for Archive {
    fn drop(&mut self) {
        end_agent(self.home.path());
    }
}

fn run(directory: &Path, words: &[&str]) -> Vec<u8> {
    let output = Command::new(words[0]).args(&words[1..]).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

impl Archive {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let home = tempfile::Builder::new().prefix("q").tempdir_in("/tmp").unwrap();
        let fingerprint = key(home.path(), "archive@example.invalid");
        let server = serve(&sandbox.path().join("www"), Mood::Whole);
        let archive = Self { sandbox, home, fingerprint, port: server.port };
        for version in ["9.9.1", "9.9.2"] {
            archive.package(version);
        }
        archive.index();
        archive.sign();
        archive
    }

    fn www(&self) -> PathBuf {
        self.sandbox.path().join("www/debian")
    }

    fn package(&self, version: &str) {
        let base = format!("www/debian/pool/build-{version}");
        let file = |name: &str, text: &str| self.sandbox.write(&format!("{base}/{name}"), text);
        file("VERSION", &format!("{version}\n"));
        file("configure", "#!/bin/sh\n");
        file("debian/source/format", "3.0 (native)\n");
        file("debian/rules", "#!/usr/bin/make -f\n");
        file(
            "debian/control",
            "Source: qemu\nMaintainer: A <a@example.invalid>\nStandards-Version: 4.6.0\n\nPackage: qemu\nArchitecture: \
             any\nDescription: test\n test\n",
        );
        file(
            "debian/changelog",
            &format!(
                "qemu ({version}) test; urgency=low\n\n  * x\n\n -- A <a@example.invalid>  Thu, 01 Jan 2026 00:00:00 +0000\n"
            ),
        );
        run(&self.www().join("pool"), &["dpkg-source", "-b", &format!("build-{version}")]);
        std::fs::remove_dir_all(self.sandbox.path().join(&base)).unwrap();
    }

    fn index(&self) {
        self.index_until("");
    }

    /// `valid` is a `Valid-Until:` line or nothing.
    fn index_until(&self, valid: &str) {
        let sources = run(&self.www(), &["dpkg-scansources", "pool"]);
        self.sandbox.write("www/debian/dists/test/main/source/Sources", &sources);
        let release = format!(
            "{valid}Origin: T\nSuite: test\nCodename: test\nDate: Thu, 01 Jan 2026 00:00:00 UTC\nArchitectures: amd64\n\
             Components: main\nSHA256:\n {} {} main/source/Sources\n",
            hex::encode(Sha256::digest(&sources)),
            sources.len()
        );
        self.sandbox.write("www/debian/dists/test/Release", release);
    }

    fn sign(&self) {
        let dists = self.www().join("dists/test");
        let release = dists.join("Release");
        let signed = dists.join("InRelease");
        let arguments = [
            "--local-user",
            &self.fingerprint,
            "--output",
            signed.to_str().unwrap(),
            "--clearsign",
        ];
        gpg(self.home.path(), &[&arguments[..], &[release.to_str().unwrap()]].concat());
        let keyring = self.sandbox.path().join("archive.gpg");
        gpg(
            self.home.path(),
            &["--output", keyring.to_str().unwrap(), "--export", &self.fingerprint],
        );
    }

    fn fetch(&self, more: &[&str]) -> Ran {
        let keyring = self.sandbox.path().join("archive.gpg");
        let line = format!(
            "deb [signed-by={}] http://127.0.0.1:{}/debian base main\n",
            keyring.display(),
            self.port
        );
        self.sandbox.write("apt.list", line);
        self.sandbox.write(
            "p.toml",
            "schema = 1\nname = \"p\"\n[qemu]\nseries = \"9.9\"\nsource = { apt = \"qemu\", suite = \"test\" }\n[target]\n\
             arch = \"x86_64\"\nmachines = [\"q35\"]\naccelerators = [\"kvm\"]\n",
        );
        let words = ["build", "p.toml", "--until", "source", "--apt-sources", "apt.list"];
        self.sandbox.quench(&[&words[..], more].concat())
    }

    fn unpacked(&self) -> bool {
        std::fs::read_dir(self.sandbox.path().join("work/trees"))
            .is_ok_and(|entries| entries.count() > 0)
    }

    fn pool(&self, start: &str) -> PathBuf {
        let entries = std::fs::read_dir(self.www().join("pool")).unwrap();
        let is = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(start);
        entries.map(|entry| entry.unwrap().path()).find(is).unwrap()
    }
}

fn tools() -> bool {
    ["gpg", "dpkg-source", "dpkg-scansources", "apt-get"].into_iter().all(tool)
}

#[test]
fn the_newest_version_of_the_series_is_taken_and_pinned() {
    if !tools() {
        return;
    }
    let archive = Archive::new();
    let ran = archive.fetch(&[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let tree = PathBuf::from(ran.stdout.trim());
    assert_eq!(std::fs::read_to_string(tree.join("VERSION")).unwrap(), "9.9.2\n");
    // Pinned: a newer version in the archive does not change what is built.
    archive.package("9.9.3");
    archive.index();
    archive.sign();
    assert_eq!(archive.fetch(&[]).stdout, ran.stdout);
    let updated = archive.fetch(&["--update"]);
    assert!(updated.code == 0 && updated.stdout != ran.stdout, "{}", updated.stderr);
}

#[test]
fn an_unsigned_index_and_one_signed_by_another_key_are_refused() {
    if !tools() {
        return;
    }
    let archive = Archive::new();
    std::fs::remove_file(archive.www().join("dists/test/InRelease")).unwrap();
    let unsigned = archive.fetch(&[]);
    assert!(unsigned.code == 3 && !archive.unpacked(), "{} {}", unsigned.code, unsigned.stderr);
    archive.sign();
    let other = key(archive.home.path(), "other@example.invalid");
    let keyring = archive.sandbox.path().join("archive.gpg");
    gpg(archive.home.path(), &["--output", keyring.to_str().unwrap(), "--export", &other]);
    let foreign = archive.fetch(&[]);
    assert!(foreign.code == 3 && !archive.unpacked(), "{} {}", foreign.code, foreign.stderr);
}

#[test]
fn a_tampered_index_and_a_tampered_tarball_are_refused() {
    if !tools() {
        return;
    }
    let archive = Archive::new();
    let tarball = archive.pool("qemu_9.9.2.tar");
    let mut bytes = std::fs::read(&tarball).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&tarball, bytes).unwrap();
    let ran = archive.fetch(&[]);
    assert!(ran.code == 3 && !archive.unpacked(), "{} {}", ran.code, ran.stderr);
    let sources = archive.www().join("dists/test/main/source/Sources");
    let text = std::fs::read_to_string(&sources).unwrap().replace("9.9.2", "9.9.4");
    std::fs::write(&sources, text).unwrap();
    std::fs::remove_dir_all(archive.sandbox.path().join("work/apt")).unwrap();
    let ran = archive.fetch(&[]);
    assert!(ran.code == 3 && !archive.unpacked(), "{} {}", ran.code, ran.stderr);
}

#[test]
fn a_version_whose_files_are_gone_is_an_error_that_offers_the_next() {
    if !tools() {
        return;
    }
    let archive = Archive::new();
    std::fs::remove_file(archive.pool("qemu_9.9.2.tar")).unwrap();
    let ran = archive.fetch(&[]);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("gone from the archive") && ran.stderr.contains("9.9.1"),
        "{}",
        ran.stderr
    );
    assert!(!archive.unpacked());
}

#[test]
fn an_expired_index_is_refused_unless_that_is_asked_for() {
    if !tools() {
        return;
    }
    let archive = Archive::new();
    archive.index_until("Valid-Until: Fri, 02 Jan 2026 00:00:00 UTC\n");
    archive.sign();
    let host = Command::new("apt-config")
        .arg("dump")
        .output()
        .map(|output| output.stdout)
        .unwrap_or_default();
    let relaxed = String::from_utf8_lossy(&host).contains("Acquire::Check-Valid-Until \"false\"");
    if relaxed {
        println!("skipped: this host's apt does not look at Valid-Until");
    } else {
        let ran = archive.fetch(&[]);
        assert!(
            ran.code == 3 && ran.stderr.contains("--stale-index"),
            "{} {}",
            ran.code,
            ran.stderr
        );
    }
    assert_eq!(archive.fetch(&["--stale-index"]).code, 0);
}

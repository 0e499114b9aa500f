//! What the tests need beside Rust, and why. `quench` installs what builds need itself.

use std::process::Command;

use crate::sh;

/// Debian package and the test that needs it.
const PACKAGES: &[(&str, &str)] = &[
    ("apt-utils", "apt-ftparchive of --repo"),
    ("binutils", "readelf as a second opinion"),
    ("bubblewrap", "the sandbox of build steps"),
    ("busybox-static", "the guest's user space"),
    ("ca-certificates", "crates and wheels over https"),
    ("ccache", "what several builds have in common"),
    ("checksec", "another checker, for verify --compare"),
    ("cpio", "the guest's initramfs"),
    ("createrepo-c", "--repo"),
    ("curl", "url sources"),
    ("debsigs", "signatures of .deb"),
    ("debsums", "installed files against their digests"),
    ("devscripts", "dscverify; another checker, for verify --compare"),
    ("disorderfs", "directories that list their files in another order"),
    ("dpkg-dev", "source packages"),
    ("dwz", "debug files that share what they have in common"),
    ("elfutils", "eu-strip's debug files"),
    ("faketime", "builds in another year"),
    ("gcc", "test programs"),
    ("git", "the list of files tidy reads"),
    ("gnupg", "keys of the test archives"),
    ("gpgv", "signatures of url sources"),
    ("libc6-dev", "test programs"),
    ("lintian", "judges .deb"),
    ("mmdebstrap", "a clean root to install packages in"),
    ("openssl", "keys and signatures that are not ours"),
    ("patch", "our patches"),
    ("pax-utils", "another checker, for verify --compare"),
    ("python3", "QEMU's own resolver, the loopback archive"),
    ("python3-venv", "the private meson"),
    ("rpm", "a second opinion on .rpm"),
    ("rpmlint", "judges .rpm"),
    ("uidmap", "closed roots of people who are not root"),
    ("xz-utils", "source packages"),
];

pub(crate) fn run(_arguments: &[String]) -> Result<(), String> {
    let packages: Vec<&str> = PACKAGES.iter().map(|(package, _)| *package).collect();
    install(&packages)
}

/// Installs those that are missing.
pub(crate) fn install(packages: &[&str]) -> Result<(), String> {
    let missing: Vec<&str> =
        packages.iter().copied().filter(|package| !installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    apt(&["update"])?;
    let mut words = vec!["install", "-y", "--no-install-recommends"];
    words.extend(missing);
    apt(&words)
}

fn installed(package: &str) -> bool {
    let query =
        Command::new("dpkg-query").args(["-W", "-f", "${db:Status-Status}", package]).output();
    query.is_ok_and(|output| output.status.success() && output.stdout == b"installed")
}

fn apt(words: &[&str]) -> Result<(), String> {
    let root =
        Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"));
    let mut all = vec!["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"];
    all.extend(words);
    if root { sh(all[0], &all[1..], &[]) } else { sh("sudo", &all, &[]) }
}

//! Sources from a loopback server: resume, truncation, wrong digests, signatures; and a loopback apt archive.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

use crate::sandbox::Sandbox;

/// How the server treats one request for the tarball.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Whole,
    /// Promises everything, sends half, closes.
    CutShort,
    /// Promises everything, sends half, says no more.
    Stalls,
}

pub(crate) struct Server {
    pub(crate) port: u16,
    /// `Range:` headers seen.
    ranges: Arc<Mutex<Vec<String>>>,
}

/// Serves files of a directory on loopback; the thread ends with the test process.
pub(crate) fn serve(root: &Path, mood: Mood) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let ranges = Arc::new(Mutex::new(Vec::new()));
    let (seen, root) = (Arc::clone(&ranges), root.to_owned());
    std::thread::spawn(move || {
        let mut held = Vec::new();
        let mut cut = mood == Mood::CutShort;
        for stream in listener.incoming().take(200) {
            let mut stream = stream.unwrap();
            let mut lines =
                BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let request = lines.next().unwrap_or_default();
            let path = request.split(' ').nth(1).unwrap_or("/").trim_start_matches('/').to_owned();
            let mut from = 0_usize;
            for line in lines.by_ref().take_while(|line| !line.is_empty()) {
                if let Some(range) = line.to_lowercase().strip_prefix("range: bytes=") {
                    seen.lock().unwrap().push(range.to_owned());
                    from = range.trim_end_matches('-').parse().unwrap_or(0);
                }
            }
            let Ok(bytes) = std::fs::read(root.join(&path)) else {
                let _ = stream.write_all(
                    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                );
                continue;
            };
            let body = &bytes[from.min(bytes.len())..];
            let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
            let range = if from > 0 {
                format!("Content-Range: bytes {from}-{}/{}\r\n", bytes.len() - 1, bytes.len())
            } else {
                String::new()
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{range}Connection: close\r\n\r\n",
                body.len()
            );
            if mood == Mood::Stalls && path.contains(".tar") {
                let half = stream.write_all(head.as_bytes());
                let _ = half.and_then(|()| stream.write_all(&body[..body.len() / 2]));
                held.push(stream);
                continue;
            }
            let send = if cut && path.contains(".tar") { &body[..body.len() / 2] } else { body };
            cut = cut && !path.contains(".tar");
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(send));
        }
    });
    Server { port, ranges }
}

/// A tarball that looks like a QEMU release to `prepare`.
pub(crate) fn tarball(sandbox: &Sandbox) -> String {
    sandbox.write("www/qemu-9.9.9/VERSION", "9.9.9\n");
    sandbox.write("www/qemu-9.9.9/configure", "#!/bin/sh\n");
    sandbox.write("www/qemu-9.9.9/filler", vec![b'x'; 200_000]);
    let status = Command::new("tar")
        .args(["-cf", "qemu-9.9.9.tar", "--sort=name", "--mtime=@1700000000", "qemu-9.9.9"])
        .current_dir(sandbox.path().join("www"))
        .status()
        .unwrap();
    assert!(status.success());
    hex::encode(Sha256::digest(std::fs::read(sandbox.path().join("www/qemu-9.9.9.tar")).unwrap()))
}

pub(crate) fn profile(source: &str) -> String {
    format!(
        "schema = 1\nname = \"u\"\n[qemu]\nseries = \"9.9\"\nsource = {source}\n[target]\narch = \"x86_64\"\n\
         machines = [\"q35\"]\naccelerators = [\"kvm\"]\n"
    )
}

fn no_tree(sandbox: &Sandbox) -> bool {
    std::fs::read_dir(sandbox.path().join("work/trees"))
        .map_or(true, |entries| entries.count() == 0)
}

#[test]
fn a_url_source_is_fetched_pinned_and_used_offline_afterwards() {
    let sandbox = Sandbox::new();
    let sha256 = tarball(&sandbox);
    let server = serve(&sandbox.path().join("www"), Mood::Whole);
    let source = format!(
        "{{ url = \"http://127.0.0.1:{}/qemu-9.9.9.tar\", sha256 = \"{sha256}\" }}",
        server.port
    );
    sandbox.write("u.toml", profile(&source));
    let ran = sandbox.quench(&["build", "u.toml", "--until", "source"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(Path::new(ran.stdout.trim()).join("VERSION").is_file());
    let lock = std::fs::read_to_string(sandbox.path().join("u.lock")).unwrap();
    assert!(lock.contains(&sha256) && lock.contains("9.9.9"), "{lock}");
    let again = sandbox.quench(&["build", "u.toml", "--until", "source", "--offline", "--locked"]);
    assert_eq!((again.code, again.stdout), (0, ran.stdout));
}

#[test]
fn a_wrong_digest_is_refused_and_nothing_is_unpacked() {
    let sandbox = Sandbox::new();
    tarball(&sandbox);
    let server = serve(&sandbox.path().join("www"), Mood::Whole);
    let wrong = "0".repeat(64);
    let source = format!(
        "{{ url = \"http://127.0.0.1:{}/qemu-9.9.9.tar\", sha256 = \"{wrong}\" }}",
        server.port
    );
    sandbox.write("u.toml", profile(&source));
    let ran = sandbox.quench(&["build", "u.toml", "--until", "source"]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains(&wrong) && no_tree(&sandbox), "{}", ran.stderr);
    assert!(!sandbox.path().join("u.lock").exists());
}

#[test]
fn a_download_that_was_cut_short_is_resumed_by_the_next_run() {
    let sandbox = Sandbox::new();
    let sha256 = tarball(&sandbox);
    let server = serve(&sandbox.path().join("www"), Mood::CutShort);
    let source = format!(
        "{{ url = \"http://127.0.0.1:{}/qemu-9.9.9.tar\", sha256 = \"{sha256}\" }}",
        server.port
    );
    sandbox.write("u.toml", profile(&source));
    let first = sandbox.quench(&["build", "u.toml", "--until", "source"]);
    let mut last = first.code;
    if last != 0 {
        assert!(no_tree(&sandbox), "{}", first.stderr);
        last = sandbox.quench(&["build", "u.toml", "--until", "source"]).code;
    }
    assert_eq!(last, 0);
    let ranges = server.ranges.lock().unwrap().clone();
    assert!(
        ranges.iter().any(|range| range.trim_end_matches('-').parse::<usize>().unwrap_or(0) > 1000),
        "{ranges:?}"
    );
}

/// gpg in a home of its own; returns the fingerprint.
pub(crate) fn key(home: &Path, name: &str) -> String {
    std::fs::create_dir_all(home).unwrap();
    std::fs::set_permissions(home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let gpg = |arguments: &[&str]| {
        let output = Command::new("gpg")
            .env("GNUPGHOME", home)
            .args(["--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    gpg(&["--quick-generate-key", name, "ed25519", "sign", "never"]);
    let list = gpg(&["--with-colons", "--list-keys", name]);
    list.lines().find_map(|line| line.strip_prefix("fpr:")).unwrap().trim_matches(':').to_owned()
}

pub(crate) fn gpg(home: &Path, arguments: &[&str]) {
    let status = Command::new("gpg")
        .env("GNUPGHOME", home)
        .args(["--batch", "--quiet", "--yes", "--pinentry-mode", "loopback", "--passphrase", ""])
        .args(arguments)
        .status()
        .unwrap();
    assert!(status.success());
}

/// Ends the agent that gpg started for a home.
pub(crate) fn end_agent(home: &Path) {
    let _ = Command::new("gpgconf").env("GNUPGHOME", home).args(["--kill", "all"]).status();
}

pub(crate) fn tool(name: &str) -> bool {
    let found = Command::new(name).arg("--version").output().is_ok();
    if !found {
        println!("skipped: {name} is not installed");
    }
    found
}

#[test]
fn a_signature_by_the_pinned_key_passes_and_any_other_is_refused() {
    if !tool("gpg") || !tool("gpgv") {
        return;
    }
    let sandbox = Sandbox::new();
    let sha256 = tarball(&sandbox);
    let home = tempfile::Builder::new().prefix("q").tempdir_in("/tmp").unwrap();
    let ours = key(home.path(), "ours@example.invalid");
    let other = key(home.path(), "other@example.invalid");
    let file = sandbox.path().join("www/qemu-9.9.9.tar");
    let sign = |by: &str, name: &str| {
        let out = sandbox.path().join("www").join(name);
        gpg(
            home.path(),
            &[
                "--local-user",
                by,
                "--output",
                out.to_str().unwrap(),
                "--detach-sign",
                file.to_str().unwrap(),
            ],
        );
    };
    sign(&ours, "good.sig");
    sign(&other, "other.sig");
    std::fs::create_dir_all(sandbox.path().join("keys")).unwrap();
    let export = sandbox.path().join("keys").join(format!("{ours}.asc"));
    gpg(home.path(), &["--armor", "--output", export.to_str().unwrap(), "--export", &ours]);
    end_agent(home.path());
    let server = serve(&sandbox.path().join("www"), Mood::Whole);
    let source = |signature: &str| {
        format!(
            "{{ url = \"http://127.0.0.1:{}/qemu-9.9.9.tar\", sha256 = \"{sha256}\", signature = \"{signature}\", \
             keys = [\"{ours}\"] }}",
            server.port
        )
    };
    sandbox.write("u.toml", profile(&source("other.sig")));
    let refused = sandbox.quench(&["build", "u.toml", "--until", "source"]);
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    assert!(no_tree(&sandbox), "{}", refused.stderr);
    sandbox.write("u.toml", profile(&source("good.sig")));
    let good = sandbox.quench(&["build", "u.toml", "--until", "source"]);
    assert_eq!(good.code, 0, "{}", good.stderr);
    // The archive is here now; a signature is checked all the same, and without a network, too.
    let again = sandbox.quench(&["build", "u.toml", "--until", "source", "--offline"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    sandbox.write("u.toml", profile(&source("other.sig")));
    let refused = sandbox.quench(&["build", "u.toml", "--until", "source"]);
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    let unknown = sandbox.quench(&["build", "u.toml", "--until", "source", "--offline"]);
    assert!(unknown.code == 4 && unknown.stderr.contains("other.sig"), "{}", unknown.stderr);
}

#[test]
fn a_path_source_is_copied_and_a_directory_that_is_no_tree_is_named() {
    let sandbox = Sandbox::new();
    sandbox.write("tree/VERSION", "9.9.9\n");
    sandbox.write("tree/configure", "#!/bin/sh\n");
    sandbox.write("u.toml", profile("{ path = \"tree\" }"));
    let ran = sandbox.quench(&["build", "u.toml", "--until", "source"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let copy = Path::new(ran.stdout.trim());
    assert!(copy.join("VERSION").is_file() && copy != sandbox.path().join("tree"));
    sandbox.write("u.toml", profile("{ path = \"nothing\" }"));
    let ran = sandbox.quench(&["build", "u.toml", "--until", "source", "--update"]);
    assert!(ran.code == 4 && ran.stderr.contains("nothing"), "{} {}", ran.code, ran.stderr);
}

#[test]
fn locked_refuses_a_source_that_drifted() {
    let sandbox = Sandbox::new();
    sandbox.write("tree/VERSION", "9.9.9\n");
    sandbox.write("tree/configure", "#!/bin/sh\n");
    sandbox.write("u.toml", profile("{ path = \"tree\" }"));
    assert_eq!(
        sandbox.quench(&["build", "u.toml", "--until", "source", "--locked"]).code,
        4,
        "no lock file yet"
    );
    assert_eq!(sandbox.quench(&["build", "u.toml", "--until", "source"]).code, 0);
    sandbox.write("tree/configure", "#!/bin/sh\necho changed\n");
    let ran = sandbox.quench(&["build", "u.toml", "--until", "source", "--locked"]);
    assert!(ran.code == 3 && ran.stderr.contains("u.lock"), "{} {}", ran.code, ran.stderr);
}

#[test]
fn patches_beside_the_profile_are_applied_and_a_bad_one_leaves_no_tree() {
    let sandbox = Sandbox::new();
    sandbox.write("tree/VERSION", "9.9.9\n");
    sandbox.write("tree/configure", "#!/bin/sh\none\ntwo\n");
    sandbox.write("u.toml", profile("{ path = \"tree\" }"));
    sandbox.write("patches/9.9/series", "# ours\ngood.patch\n");
    let good = "--- a/configure\n+++ b/configure\n@@ -1,3 +1,3 @@\n #!/bin/sh\n-one\n+ONE\n two\n";
    sandbox.write("patches/9.9/good.patch", good);
    let ran = sandbox.quench(&["build", "u.toml", "--until", "source"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let text = std::fs::read_to_string(Path::new(ran.stdout.trim()).join("configure")).unwrap();
    assert_eq!(text, "#!/bin/sh\nONE\ntwo\n");
    let trees = || std::fs::read_dir(sandbox.path().join("work/trees")).unwrap().count();
    let before = trees();
    sandbox.write("patches/9.9/series", "good.patch\nbad.patch\n");
    sandbox.write("patches/9.9/bad.patch", good);
    let ran = sandbox.quench(&["build", "u.toml", "--until", "source"]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("bad.patch") && ran.stderr.contains("configure: Hunk #1"),
        "{}",
        ran.stderr
    );
    assert_eq!(trees(), before);
}

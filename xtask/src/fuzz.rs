//! Runs the fuzz targets, each for a while, from a corpus made of the fixtures of the tests.
//!
//! It needs cargo-fuzz and a nightly compiler, which fresh machines do not have: the tests' own mutations, which are the same
//! on every machine, are what runs everywhere.

use std::path::Path;
use std::process::Command;

use crate::sh;

/// Targets and the largest input each is given.
const TARGETS: &[(&str, &str)] = &[
    ("elf", "65536"),
    ("verify", "65536"),
    ("packages", "65536"),
    ("profile", "16384"),
    ("kconfig", "16384"),
    ("meson", "16384"),
    ("sources", "16384"),
];

/// `fuzz [SECONDS] [TARGET...]`: 60 seconds each, all targets.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let seconds = arguments.first().map_or("60", String::as_str);
    seconds.parse::<u32>().map_err(|_| format!("`{seconds}` is no number of seconds"))?;
    let wanted = |target: &str| arguments.len() < 2 || arguments[1..].iter().any(|it| it == target);
    corpus()?;
    for (target, length) in TARGETS.iter().filter(|(target, _)| wanted(target)) {
        let (time, length) = (format!("-max_total_time={seconds}"), format!("-max_len={length}"));
        // A second per megabyte is what we promise; ten allow for a machine that does other things.
        let limits = ["-timeout=10", "-rss_limit_mb=2048", "-detect_leaks=0", "-verbosity=0"];
        let words =
            [&["+nightly", "fuzz", "run", target, "--", &time, &length][..], &limits].concat();
        sh("cargo", &words, &[])?;
    }
    Ok(())
}

/// Fixtures as they are, and packed in every way that is opened.
fn corpus() -> Result<(), String> {
    let script = "set -e
        mkdir -p fuzz/corpus/elf fuzz/corpus/verify fuzz/corpus/packages
        for file in tests/fixtures/elf/*; do
            test -f \"$file\" || continue
            name=$(basename \"$file\" .xz)
            case \"$file\" in
                *.txt) continue ;;
                *.xz) xz -dc \"$file\" > \"fuzz/corpus/elf/$name\" ;;
                *) cp \"$file\" \"fuzz/corpus/elf/$name\" ;;
            esac
        done
        find fuzz/corpus/elf -size +64k -delete
        cp fuzz/corpus/elf/* fuzz/corpus/verify/
        work=$(mktemp -d)
        mkdir -p \"$work/usr/bin\"
        cp fuzz/corpus/elf/musl_dynamic \"$work/usr/bin/x\"
        ln -s x \"$work/usr/bin/link\"
        chmod u+s \"$work/usr/bin/x\"
        tar -C \"$work\" -cf \"$work/data.tar\" ./usr
        out=$PWD/fuzz/corpus/packages
        cd \"$work\"
        cp data.tar \"$out/tar\"
        gzip -nk data.tar && cp data.tar.gz \"$out/gz\"
        xz -k data.tar && cp data.tar.xz \"$out/xz\"
        bzip2 -k data.tar && cp data.tar.bz2 \"$out/bz2\"
        zstd -q data.tar && cp data.tar.zst \"$out/zst\"
        xz --format=lzma -k data.tar && cp data.tar.lzma \"$out/lzma\"
        find usr | cpio -o -H newc --quiet > \"$out/cpio\"
        ar rc \"$out/ar\" usr/bin/x data.tar.gz
        echo 2.0 > debian-binary
        cp data.tar.xz control.tar.xz
        rm -f \"$out/deb\" && ar rc \"$out/deb\" debian-binary control.tar.xz data.tar.xz
        rm -rf \"$work\"";
    if !Path::new("tests/fixtures/elf").is_dir() {
        return Err("run it at the top of the project".to_owned());
    }
    let status = Command::new("sh").arg("-c").arg(script).status().map_err(|e| e.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("the corpus cannot be made: {status}")) }
}

//! Makes the seeds of the fuzz targets that are no text: packed files, debug sections, notes. They are committed, as
//! the fixtures are from which they are made. Those of `packages` that are not made here (zip, lz4, initrd, files that unpack
//! themselves …) have a few hundred bytes and were written byte by byte.

#[path = "../../fuzz/debug_sections.rs"]
mod debug_sections;

use std::process::Command;

use self::debug_sections::DEBUG_SECTIONS;
use crate::workspace::Workspace;

const DIRECTORY: &str = "fuzz/seeds";
const NOTES: [&str; 4] =
    [".note.gnu.property", ".note.gnu.build-id", ".gnu.build.attributes", ".annobin.notes"];
const FROM: [&str; 4] = ["mix", "over", "annobin", "annobin_strings"];
/// What seeds are made with.
pub(crate) const PACKAGES: &[&str] = &["binutils", "bzip2", "cpio", "rpm", "xz-utils", "zstd"];

pub(crate) fn make() -> Result<(), String> {
    packages()?;
    for name in ["dwarf", "notes"] {
        std::fs::create_dir_all(format!("{DIRECTORY}/{name}")).map_err(|e| e.to_string())?;
    }
    for name in FROM {
        let file = format!("tests/fixtures/elf/{name}");
        let mut pieces = Vec::new();
        for (index, section) in (0_u8..).zip(DEBUG_SECTIONS) {
            let bytes = section_of(&file, section)?;
            let length = u16::try_from(bytes.len()).map_err(|_| format!("{file} {section}"))?;
            if length > 0 {
                pieces.push(index);
                pieces.extend_from_slice(&length.to_le_bytes());
                pieces.extend_from_slice(&bytes);
            }
        }
        keep("dwarf", name, &pieces)?;
        for section in NOTES {
            keep("notes", &format!("{name}{section}"), &section_of(&file, section)?)?;
        }
    }
    Ok(())
}

fn keep(target: &str, name: &str, bytes: &[u8]) -> Result<(), String> {
    let path = format!("{DIRECTORY}/{target}/{name}");
    if bytes.is_empty() {
        return Ok(());
    }
    std::fs::write(&path, bytes).map_err(|error| format!("{path}: {error}"))
}

/// The bytes of a section; none when there is no such section.
fn section_of(file: &str, section: &str) -> Result<Vec<u8>, String> {
    let out = &Workspace::find()?.target.join("seed");
    let _ = std::fs::remove_file(out);
    let output = Command::new("objcopy")
        .arg(format!("--dump-section={section}={}", out.display()))
        .args([file, "/dev/null"])
        .output()
        .map_err(|error| format!("objcopy: {error}"))?;
    let missing = String::from_utf8_lossy(&output.stderr).contains("can't dump section");
    match std::fs::read(out) {
        Ok(bytes) => Ok(bytes),
        Err(_) if missing => Ok(Vec::new()),
        Err(error) => Err(format!("{file} {section}: {error}")),
    }
}

/// A program, packed in every way that is opened.
fn packages() -> Result<(), String> {
    let script = "set -e
        mkdir -p fuzz/seeds/packages
        out=$PWD/fuzz/seeds/packages
        work=$(mktemp -d)
        mkdir -p \"$work/usr/bin\"
        cp tests/fixtures/elf/musl_dynamic \"$work/usr/bin/x\"
        ln -s x \"$work/usr/bin/link\"
        chmod u+s \"$work/usr/bin/x\"
        touch -d @1000000000 -h \"$work/usr/bin/x\" \"$work/usr/bin/link\" \"$work/usr/bin\" \"$work/usr\"
        cd \"$work\"
        tar --owner=0 --group=0 --sort=name -cf data.tar ./usr
        cp data.tar \"$out/tar\"
        gzip -nk data.tar && cp data.tar.gz \"$out/gz\"
        xz -k data.tar && cp data.tar.xz \"$out/xz\"
        bzip2 -k data.tar && cp data.tar.bz2 \"$out/bz2\"
        zstd -q data.tar && cp data.tar.zst \"$out/zst\"
        xz --format=lzma -k data.tar && cp data.tar.lzma \"$out/lzma\"
        find usr | sort | cpio -o -H newc --quiet --owner 0:0 > \"$out/cpio\"
        rm -f \"$out/ar\" && ar rcD \"$out/ar\" usr/bin/x data.tar.gz
        echo 2.0 > debian-binary
        printf 'Package: x\\nVersion: 1\\nArchitecture: amd64\\nMaintainer: x\\nDescription: x\\n' > control
        printf '#!/bin/sh\\nchmod u+s /usr/bin/x\\n' > postinst
        tar --owner=0 --group=0 -cJf control.tar.xz ./control ./postinst
        rm -f \"$out/deb\" && ar rcD \"$out/deb\" debian-binary control.tar.xz data.tar.xz
        cat > x.spec <<END
Name: x
Version: 1
Release: 1
Summary: x
License: x
%description
x
%install
mkdir -p %{buildroot}/usr
cp -a $work/usr/bin %{buildroot}/usr/
%files
/usr/bin/x
/usr/bin/link
END
        rpmbuild --quiet -bb --define \"_topdir $work/rpm\" --define '__os_install_post %{nil}' \\
            --define '_build_id_links none' --define 'debug_package %{nil}' x.spec
        cp rpm/RPMS/*/x-1-1.*.rpm \"$out/rpm\"
        rm -rf \"$work\"";
    let status = Command::new("sh").arg("-c").arg(script).status().map_err(|e| e.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("the seeds cannot be made: {status}")) }
}

//! Builds the ELF fixtures from the recipes in `tests/fixtures/elf/cases.toml`. They are committed: tests need no compiler but the ones
//! they were always written for, and a new compiler does not change what they prove.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace::Workspace;
use crate::{needs, seeds};

const DIRECTORY: &str = "tests/fixtures/elf";
/// Larger files are kept compressed.
const LARGE: u64 = 64 * 1024;
const HARDENED: &str = "-O2 -fPIE -pie -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fstack-clash-protection \
                        -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code";
/// What the recipes start.
const PACKAGES: &[&str] = &[
    "binutils",
    "clang-19",
    "gcc",
    "gcc-aarch64-linux-gnu",
    "golang-go",
    "libc6-dev",
    "libc6-dev-arm64-cross",
    "libclang-rt-19-dev",
    "lld-19",
    "musl-tools",
    "xz-utils",
];

/// What this task needs of `cases.toml`; the tests read the truth beside it.
#[derive(serde::Deserialize)]
struct Cases {
    case: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    file: String,
    recipe: String,
}

/// `fixtures [NAME...]`: all and the seeds, or those named (`seeds` are the seeds).
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    needs::install(PACKAGES)?;
    let directory = Path::new(DIRECTORY);
    let text = read(&directory.join("cases.toml"))?;
    let cases: Cases = toml::from_slice(&text).map_err(|error| format!("cases.toml: {error}"))?;
    let work = Workspace::find()?.target.join("fixtures");
    std::fs::create_dir_all(&work).map_err(|error| error.to_string())?;
    for Case { file: name, recipe } in cases.case {
        let out = work.join(&name);
        make(&recipe, &work, &out).map_err(|error| format!("{name}: {error}"))?;
        if arguments.is_empty() || arguments.contains(&name) {
            keep(&out, &directory.join(&name))?;
            println!("{name}");
        }
    }
    if arguments.is_empty() || arguments.iter().any(|wanted| wanted == "seeds") {
        needs::install(seeds::PACKAGES)?;
        seeds::make()?;
    }
    Ok(())
}

/// Copies a finished file to its place, compressed when it is large.
fn keep(made: &Path, place: &Path) -> Result<(), String> {
    let packed = PathBuf::from(format!("{}.xz", place.display()));
    for old in [place, packed.as_path()] {
        let _ = std::fs::remove_file(old);
    }
    std::fs::copy(made, place).map_err(|error| format!("{}: {error}", place.display()))?;
    let size = std::fs::metadata(place).map_err(|error| error.to_string())?.len();
    if size > LARGE {
        start(Command::new("xz").args(["-9e", "-f"]).arg(place))?;
    }
    Ok(())
}

fn make(recipe: &str, work: &Path, out: &Path) -> Result<(), String> {
    let text = recipe.replace("$H", HARDENED).replace("$S", &format!("{DIRECTORY}/src"));
    let words: Vec<&str> = text.split_whitespace().collect();
    let Some((tool, rest)) = words.split_first() else { return Err("no recipe".to_owned()) };
    let from = |name: Option<&&str>| name.map(|name| work.join(name)).ok_or("patch what?");
    match *tool {
        "patch" => {
            let mut bytes = read(&from(rest.first())?)?;
            for change in rest.iter().skip(1) {
                patch(&mut bytes, change)?;
            }
            write_program(out, &bytes)
        }
        // Made by a compiler that is not among the packages: the words say how.
        "kept" => {
            let name = out.file_name().map(Path::new).ok_or("kept what?")?;
            let place = Path::new(DIRECTORY).join(name);
            if place.exists() {
                return write_program(out, &read(&place)?);
            }
            let packed = PathBuf::from(format!("{}.xz", place.display()));
            let unpacked = Command::new("xz").arg("-dc").arg(&packed).output();
            let unpacked = unpacked.map_err(|error| error.to_string())?;
            if unpacked.stdout.is_empty() {
                return Err(format!("{} is no file", packed.display()));
            }
            write_program(out, &unpacked.stdout)
        }
        "strip" => start(Command::new("strip").arg("-o").arg(out).arg(from(rest.first())?)),
        "debug-of" => start(
            Command::new("objcopy").arg("--only-keep-debug").arg(from(rest.first())?).arg(out),
        ),
        "objects" => objects(rest, work, out),
        "with-library" => {
            let library = work.join("libfake.so");
            let source = format!("{DIRECTORY}/src/fakelib.c");
            start(
                Command::new("gcc").args(["-O1", "-shared", "-fPIC", &source, "-o"]).arg(&library),
            )?;
            start(Command::new(rest[0]).args(&rest[1..]).arg(&library).arg("-o").arg(out))
        }
        "go" | "cgo" => {
            // Go wants its output before the source, and a home for its cache.
            let cache = work.join("go-cache");
            start(
                Command::new("go")
                    .env("GOCACHE", cache)
                    .env("GO111MODULE", "off")
                    .env("CGO_ENABLED", if *tool == "cgo" { "1" } else { "0" })
                    .args([rest[0], "-o"])
                    .arg(out)
                    .args(&rest[1..]),
            )
        }
        _ => start(Command::new(tool).args(rest).arg("-o").arg(out)),
    }
}

/// `COMPILER:OPTIONS_WITH_UNDERSCORES:SOURCE[:MORE]` for each object, then they are linked.
fn objects(words: &[&str], work: &Path, out: &Path) -> Result<(), String> {
    let mut made = Vec::new();
    for word in words {
        let parts: Vec<&str> = word.split(':').collect();
        let [compiler, options, source, more @ ..] = parts.as_slice() else {
            return Err(format!("`{word}` is no object"));
        };
        let object = work.join(format!("{source}.o"));
        // `_` separates options; those of the preprocessor have it in their names.
        let options = options.replace("_-", " -");
        start(
            Command::new(compiler)
                .args(options.split(' '))
                .args(more)
                .args(["-fPIE", "-c", &format!("{DIRECTORY}/src/{source}"), "-o"])
                .arg(&object),
        )?;
        made.push(object);
    }
    start(Command::new("gcc").arg("-pie").args(&made).arg("-o").arg(out))
}

fn start(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} ended with {status}")) }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write_program(path: &Path, bytes: &[u8]) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
        .map_err(|error| error.to_string())
}

fn number(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.map_err(|error| format!("`{text}`: {error}"))
}

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

fn half(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn set(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

/// Offsets of the program headers of a 64-bit little-endian file.
fn segments(bytes: &[u8]) -> Vec<usize> {
    let start = usize::try_from(word(bytes, 32)).unwrap_or(0);
    let count = usize::from(bytes[56]) | usize::from(bytes[57]) << 8;
    (0..count).map(|index| start + index * 56).collect()
}

/// Offsets of the entries of the dynamic table.
fn dynamic(bytes: &[u8]) -> Vec<usize> {
    let Some(segment) = segments(bytes).into_iter().find(|at| half(bytes, *at) == 2) else {
        return Vec::new();
    };
    let start = usize::try_from(word(bytes, segment + 8)).unwrap_or(0);
    let size = usize::try_from(word(bytes, segment + 32)).unwrap_or(0);
    (0..size / 16).map(|index| start + index * 16).collect()
}

const PT_NOTE: u32 = 4;
const PT_GNU_STACK: u32 = 0x6474_e551;
const PT_GNU_RELRO: u32 = 0x6474_e552;
const DT_FLAGS: u64 = 30;
const DT_FLAGS_1: u64 = 0x6fff_fffb;

/// Changes one thing in a 64-bit little-endian file.
fn patch(bytes: &mut [u8], change: &str) -> Result<(), String> {
    let (what, value) = change.split_once('=').unwrap_or((change, ""));
    let pair = || -> Result<(u64, u64), String> {
        let (first, second) = value.split_once(':').ok_or("two values, please")?;
        Ok((number(first)?, number(second)?))
    };
    let before = bytes.to_vec();
    match what {
        "relro-size" => {
            let size = number(value)?.to_le_bytes();
            for at in segments(bytes) {
                if half(bytes, at) == PT_GNU_RELRO {
                    set(bytes, at + 32, &size);
                    set(bytes, at + 40, &size);
                }
            }
        }
        "flags" => tag(bytes, DT_FLAGS, |_| number(value))?,
        "flags1-clear" => {
            let bits = number(value)?;
            tag(bytes, DT_FLAGS_1, |old| Ok(old & !bits))?;
        }
        "retag" => {
            let (old, new) = pair()?;
            for at in dynamic(bytes) {
                if word(bytes, at) == old {
                    set(bytes, at, &new.to_le_bytes());
                }
            }
        }
        "retype" => {
            let (old, new) = pair()?;
            for at in segments(bytes) {
                if u64::from(half(bytes, at)) == old {
                    set(bytes, at, &new.to_le_bytes()[..4]);
                }
            }
        }
        "second-stack" => {
            // The first note becomes a PT_GNU_STACK; headers keep their order, so it comes before the old one.
            let (first, second) = pair()?;
            if let Some(at) = segments(bytes).into_iter().find(|at| half(bytes, *at) == PT_NOTE) {
                set(bytes, at, &PT_GNU_STACK.to_le_bytes());
            }
            let stacks: Vec<usize> =
                segments(bytes).into_iter().filter(|at| half(bytes, *at) == PT_GNU_STACK).collect();
            for (at, flags) in stacks.into_iter().zip([first, second]) {
                set(bytes, at + 4, &flags.to_le_bytes()[..4]);
            }
        }
        "code-flags" => {
            let flags = number(value)?.to_le_bytes();
            for at in segments(bytes) {
                if half(bytes, at) == 1 && half(bytes, at + 4) & 1 == 1 {
                    set(bytes, at + 4, &flags[..4]);
                }
            }
        }
        "entry" => set(bytes, 24, &number(value)?.to_le_bytes()),
        "section-move" => {
            let at = section(bytes, value).ok_or_else(|| format!("no section {value}"))?;
            let moved = word(bytes, at + 16) + 16;
            set(bytes, at + 16, &moved.to_le_bytes());
        }
        "no-sections" => {
            set(bytes, 40, &[0; 8]);
            set(bytes, 58, &[0; 6]);
        }
        other => return Err(format!("no change `{other}`")),
    }
    if before == bytes { Err(format!("`{change}` changed nothing")) } else { Ok(()) }
}

/// Offset of a section's header.
fn section(bytes: &[u8], name: &str) -> Option<usize> {
    let start = usize::try_from(word(bytes, 40)).ok()?;
    let count = usize::from(bytes[60]) | usize::from(bytes[61]) << 8;
    let names = start + 64 * (usize::from(bytes[62]) | usize::from(bytes[63]) << 8);
    let texts = usize::try_from(word(bytes, names + 24)).ok()?;
    (0..count).map(|index| start + index * 64).find(|at| {
        let text = texts + usize::try_from(half(bytes, *at)).unwrap_or(0);
        bytes.get(text..).is_some_and(|rest| rest.starts_with(format!("{name}\0").as_bytes()))
    })
}

fn tag(
    bytes: &mut [u8],
    wanted: u64,
    change: impl Fn(u64) -> Result<u64, String>,
) -> Result<(), String> {
    for at in dynamic(bytes) {
        if word(bytes, at) == wanted {
            let value = change(word(bytes, at + 8))?;
            set(bytes, at + 8, &value.to_le_bytes());
        }
    }
    Ok(())
}

//! `.rpm` with `-debuginfo` and `-debugsource`, with rpmbuild, on any host that has it. Shell.
//!
//! The emulator is the staged one. Only the debug information is changed: its paths lead to where `-debugsource` puts
//! the sources, so that packages of several versions can be installed side by side.

use std::path::{Path, PathBuf};

use super::{Error, Job, common, compressors, fresh, isolated, sources, text};
use crate::plan::{Plan, distribution_emulator};
use crate::process;

const SPEC: &str = include_str!("../../packaging/rpm/package.spec");

/// Name, version, release and architecture, as `-debugsource` directories are called.
fn nvra(plan: &Plan) -> String {
    format!(
        "{}-{}-{}.{}",
        plan.package.name,
        text::version(plan),
        text::release(plan),
        plan.arch.qemu()
    )
}

fn source_directory(plan: &Plan) -> String {
    format!("/usr/src/debug/{}", nvra(plan))
}

/// The spec file.
pub(super) fn spec(plan: &Plan, build_id: &str, licence: &str) -> String {
    let common = common(plan).into_iter().map(|(key, value)| (key, text::without_macros(&value)));
    let mut values: Vec<(&str, String)> = common.collect();
    // Parts with places and macros of their own.
    let parts = [
        ("INSTALL", install(plan)),
        ("FILES", if plan.package.alternatives { "%ghost @LINK@\n" } else { "" }),
        ("SCRIPTS", scripts(plan)),
    ]
    .map(|(key, part)| (key, text::fill(part, &values)));
    values.extend(parts);
    values.extend([
        ("VERSION", text::version(plan)),
        ("RELEASE", text::release(plan)),
        ("LICENCE", text::without_macros(licence)),
        ("REQUIRES", requires(plan)),
        ("DESCRIPTION", text::without_macros(&description(plan))),
        ("BUILD_ID", build_id.to_owned()),
        ("SOURCES", source_directory(plan)),
        ("RPM_DATE", text::rpm_date(plan.source.date)),
        ("CHANGES", text::without_macros(&changes(plan))),
    ]);
    text::fill(SPEC, &values)
}

fn requires(plan: &Plan) -> String {
    let target = plan.package.rpm_target;
    let mut out = String::new();
    for package in text::firmware(plan, target) {
        out.push_str(&format!("Requires: {package}\n"));
    }
    for name in &plan.package.provides {
        out.push_str(&format!("Provides: {name} = %{{version}}-%{{release}}\n"));
    }
    if plan.package.alternatives {
        out.push_str("Requires(post): /usr/sbin/update-alternatives\n");
        out.push_str("Requires(preun): /usr/sbin/update-alternatives\n");
        if let Some(owner) = distribution_emulator(plan.arch).on(target) {
            out.push_str(&format!("Conflicts: {owner}\n"));
        }
    }
    out
}

fn install(plan: &Plan) -> &'static str {
    if plan.package.alternatives {
        "mkdir -p %{buildroot}/usr/bin\ntouch %{buildroot}@LINK@\n"
    } else {
        ""
    }
}

fn scripts(plan: &Plan) -> &'static str {
    if plan.package.alternatives {
        "%post\n/usr/sbin/update-alternatives --install @LINK@ @EMULATOR@ @PREFIX@/bin/@EMULATOR@ 10\n\n\
         %preun\nif [ \"$1\" = 0 ]; then\n    /usr/sbin/update-alternatives --remove @EMULATOR@ @PREFIX@/bin/@EMULATOR@\nfi\n"
    } else {
        ""
    }
}

fn description(plan: &Plan) -> String {
    let paragraphs: Vec<String> = text::description(plan)
        .iter()
        .map(|paragraph| text::wrap(paragraph, 76).join("\n"))
        .collect();
    paragraphs.join("\n\n")
}

fn changes(plan: &Plan) -> String {
    let lines = text::changes(plan);
    let items: Vec<String> =
        lines.iter().map(|line| format!("- {}", text::wrap(line, 76).join("\n  "))).collect();
    items.join("\n")
}

/// Makes them in the scratch directory and returns their paths there.
pub(super) fn make(job: &Job<'_>) -> Result<Vec<PathBuf>, Error> {
    let root = job.scratch.join("rpm");
    fresh(&root)?;
    for directory in ["tmp", "debug"] {
        fs_err::create_dir_all(root.join(directory))?;
    }
    moved_debug(job, &root)?;
    copied_sources(job, &root.join("debug"))?;
    let spec_file = root.join("package.spec");
    fs_err::write(&spec_file, spec(job.plan, job.build_id, job.licence))?;
    let at = root.display();
    let mut command = isolated(job.plan, job.scratch, "build the .rpm", "rpmbuild").args([
        "-bb",
        "--nodeps",
        "--target",
        job.plan.arch.qemu(),
    ]);
    for define in [
        format!("_topdir {at}"),
        format!("_dbpath {at}/db"),
        format!("_tmppath {at}/tmp"),
        format!("_rpmdir {at}/out"),
        format!("quench_stage {}", job.stage.display()),
        format!("quench_debug {at}/debug"),
        "_buildhost reproducible".to_owned(),
        "use_source_date_epoch_as_buildtime 1".to_owned(),
        "clamp_mtime_to_source_date_epoch 1".to_owned(),
        "build_mtime_policy clamp_to_source_date_epoch".to_owned(),
        "_build_id_links none".to_owned(),
        format!("_binary_payload {}", compressors::RPM),
        "__os_install_post %{nil}".to_owned(),
        "debug_package %{nil}".to_owned(),
    ] {
        command = command.arg("--define").arg(define);
    }
    let command = job.isolation.wrap(&command.arg(spec_file.display().to_string()));
    process::run(&command, Some(job.log), &mut |_| {})?;
    let mut found = Vec::new();
    collect(&root.join("out"), &mut found)?;
    found.sort();
    if found.len() == 3 { Ok(found) } else { Err(Error::Nothing("rpmbuild")) }
}

/// The debug file with paths of the `-debugsource` package, at its place below `ROOT/debug`.
fn moved_debug(job: &Job<'_>, root: &Path) -> Result<(), Error> {
    let plain = root.join("tmp/plain.debug");
    let target = root.join("debug").join(super::debug_path(job.build_id).trim_start_matches('/'));
    if let Some(parent) = target.parent() {
        fs_err::create_dir_all(parent)?;
    }
    let staged = job.debug.join(super::debug_path(job.build_id).trim_start_matches('/'));
    let command = |purpose: &str, program: &str| isolated(job.plan, job.scratch, purpose, program);
    for command in [
        command("unpack the debug information", "objcopy")
            .arg("--decompress-debug-sections")
            .args([staged.display().to_string(), plain.display().to_string()]),
        command("move the sources of the debug information", "debugedit")
            .args(["--base-dir", sources::MAPPED, "--dest-dir", &source_directory(job.plan)])
            .arg(plain.display().to_string()),
        command("pack the debug information", "objcopy")
            .arg(format!("--compress-debug-sections={}", compressors::SECTIONS))
            .args([plain.display().to_string(), target.display().to_string()]),
    ] {
        process::run(&job.isolation.wrap(&command), Some(job.log), &mut |_| {})?;
    }
    fs_err::remove_file(&plain)?;
    mode(&target, 0o644)?;
    Ok(())
}

fn mode(path: &Path, mode: u32) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(())
}

fn copied_sources(job: &Job<'_>, tree: &Path) -> Result<(), Error> {
    let target = tree.join(source_directory(job.plan).trim_start_matches('/'));
    fs_err::create_dir_all(&target)?;
    for name in job.sources {
        let from = match name.strip_prefix("build/") {
            Some(generated) => job.build.join(generated),
            None => job.source.join(name),
        };
        // Names of `#line` directives are relative to odd places now and then; what is no file cannot be shown.
        if !from.is_file() {
            continue;
        }
        let to = target.join(name);
        if let Some(parent) = to.parent() {
            fs_err::create_dir_all(parent)?;
        }
        fs_err::copy(&from, &to)?;
        mode(&to, 0o644)?;
    }
    directories(&tree.join("usr"))
}

/// 0755 whatever the umask is.
fn directories(directory: &Path) -> Result<(), Error> {
    for entry in fs_err::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            directories(&path)?;
        }
    }
    mode(directory, 0o755)
}

fn collect(directory: &Path, out: &mut Vec<PathBuf>) -> Result<(), Error> {
    for entry in fs_err::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, out)?;
        } else if path.extension().is_some_and(|extension| extension == "rpm") {
            out.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::spec;
    use crate::mini::{self, Scanned};

    #[test]
    fn no_text_of_a_profile_is_a_macro_of_rpm_or_a_place_of_the_template() {
        let text = "summary = \"50% %(touch here) @PREFIX@ %{lua:x}\"\n[package]\nmaintainer = \"%(id) <a@b.invalid>\"\n\
                    alternatives = true\n";
        let profile = format!(
            "schema = 1\nname = \"mini\"\nextends = [\"q35\"]\n{text}[devices]\nallow = [\"virtio-net-pci\"]\n"
        );
        let plan = Scanned::of(mini::tree()).plan(&profile).0.unwrap();
        let spec = spec(&plan, "abc", "GPL-2.0-only AND 100%");
        assert!(spec.contains("Summary: 50%% %%(touch here) @PREFIX@ %%{lua:x}\n"), "{spec}");
        assert!(spec.contains("Packager: %%(id) <a@b.invalid>\n"), "{spec}");
        assert!(spec.contains("License: GPL-2.0-only AND 100%%\n"), "{spec}");
        let single = spec.replace("%%", "");
        assert!(!single.contains("%("), "{spec}");
        assert!(spec.contains("touch %{buildroot}/usr/bin/qemu-system-x86_64\n"), "{spec}");
    }
}

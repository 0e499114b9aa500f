//! `.deb`, `-dbgsym`, `.changes` and `.buildinfo`, with debhelper and dpkg. Shell.

use std::path::{Path, PathBuf};

use super::{Error, Job, common, compressors, fresh, isolated, text};
use crate::plan::{Plan, distribution_emulator};
use crate::process;
use crate::profile::Distribution;

const CONTROL: &str = include_str!("../../packaging/deb/control");
const RULES: &str = include_str!("../../packaging/deb/rules");
const CHANGELOG: &str = include_str!("../../packaging/deb/changelog");
const POSTINST: &str = include_str!("../../packaging/deb/postinst");
const PRERM: &str = include_str!("../../packaging/deb/prerm");

/// The files of `debian/`: name below it, text, and whether it is a program.
pub(super) fn files(plan: &Plan, build_id: &str) -> Vec<(String, String, bool)> {
    let mut depends = vec!["${shlibs:Depends}", "${misc:Depends}"];
    depends.extend(text::firmware(plan, Distribution::Debian));
    let mut values = common(plan);
    values.extend([
        ("VERSION", format!("{}-{}", text::version(plan), text::release(plan))),
        ("DEPENDS", depends.join(", ")),
        ("RELATIONS", relations(plan)),
        ("DESCRIPTION", description(plan)),
        ("CHANGES", changes(plan)),
        ("BUILD_ID", build_id.to_owned()),
        ("COMPRESSOR", compressors::DEB.to_owned()),
        ("DEBUG_COMPRESSOR", compressors::DEB_DEBUG.to_owned()),
        ("DATE", text::rfc2822(plan.source.date)),
    ]);
    // Texts of the profile; what Quench adds has variables on purpose.
    let foreign = ["MAINTAINER", "SUMMARY", "DESCRIPTION"];
    let for_control: Vec<(&str, String)> = values
        .iter()
        .map(|(key, value)| {
            let value =
                if foreign.contains(key) { text::without_variables(value) } else { value.clone() };
            (*key, value)
        })
        .collect();
    let file = |name: &str, template: &str, program| {
        (name.to_owned(), text::fill(template, &values), program)
    };
    let mut out = vec![
        ("control".to_owned(), text::fill(CONTROL, &for_control), false),
        file("changelog", CHANGELOG, false),
        file("rules", RULES, true),
        // Versions with a revision; no source package is ever made of this.
        file("source/format", "3.0 (quilt)\n", false),
    ];
    if plan.package.alternatives {
        let name = &plan.package.name;
        out.push(file(&format!("{name}.postinst"), POSTINST, false));
        out.push(file(&format!("{name}.prerm"), PRERM, false));
    }
    out
}

fn relations(plan: &Plan) -> String {
    let mut out = String::new();
    if !plan.package.provides.is_empty() {
        let names: Vec<String> = plan
            .package
            .provides
            .iter()
            .map(|name| format!("{name} (= ${{binary:Version}})"))
            .collect();
        out.push_str(&format!("Provides: {}\n", names.join(", ")));
    }
    if let (true, Some(owner)) =
        (plan.package.alternatives, distribution_emulator(plan.arch).debian)
    {
        out.push_str(&format!("Conflicts: {owner}\n"));
    }
    out
}

fn description(plan: &Plan) -> String {
    let paragraphs: Vec<String> = text::description(plan)
        .iter()
        .map(|paragraph| {
            let lines: Vec<String> =
                text::wrap(paragraph, 76).iter().map(|line| format!(" {line}")).collect();
            lines.join("\n")
        })
        .collect();
    paragraphs.join("\n .\n")
}

fn changes(plan: &Plan) -> String {
    let mut out = Vec::new();
    for change in text::changes(plan) {
        for (index, line) in text::wrap(&change, 72).iter().enumerate() {
            out.push(format!("  {} {line}", if index == 0 { "*" } else { " " }));
        }
    }
    out.join("\n")
}

/// Makes them in the scratch directory and returns their paths there.
pub(super) fn make(job: &Job<'_>) -> Result<Vec<PathBuf>, Error> {
    let root = job.scratch.join("deb");
    let source = root.join(&job.plan.package.name);
    fresh(&root)?;
    let debian = source.join("debian");
    fs_err::create_dir_all(debian.join("source"))?;
    for (name, text, program) in files(job.plan, job.build_id) {
        let path = debian.join(name);
        fs_err::write(&path, text)?;
        if program {
            use std::os::unix::fs::PermissionsExt;
            fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
        }
    }
    fs_err::copy(
        job.stage.join(format!("usr/share/doc/{}/copyright", job.plan.package.name)),
        debian.join("copyright"),
    )?;
    let command = isolated(job.plan, job.scratch, "build the .deb", "dpkg-buildpackage")
        .args(["--build=binary", "--no-sign", "--no-check-builddeps", "--jobs=1"])
        .env("QUENCH_STAGE", job.stage.display().to_string())
        .env("QUENCH_DEBUG", job.debug.display().to_string())
        .env("DEB_BUILD_OPTIONS", "nostrip noautodbgsym nocheck");
    let command = crate::plan::Invocation { directory: source.display().to_string(), ..command };
    process::run(&job.isolation.wrap(&command), Some(job.log), &mut |_| {})?;
    made(&root)
}

fn made(root: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut out = Vec::new();
    for entry in fs_err::read_dir(root)? {
        let path = entry?.path();
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or("");
        if matches!(extension, "deb" | "buildinfo" | "changes") {
            out.push(path);
        }
    }
    out.sort();
    let packages = out.iter().filter(|path| path.extension().is_some_and(|e| e == "deb")).count();
    if packages == 2 { Ok(out) } else { Err(Error::Nothing("dpkg-buildpackage")) }
}

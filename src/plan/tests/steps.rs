//! The steps of a build and their commands.

use snapbox::{IntoData, str};

use super::{Plan, check, check_on};
use crate::mini::{self, Scanned};

fn steps(plan: &Plan) -> String {
    let mut out = String::new();
    for step in &plan.steps {
        out.push_str(&format!("{}: {} ({})\n", step.id.name(), step.title, step.because));
        for (path, text) in &step.writes {
            out.push_str(&format!("  write {path}: {}\n", text.replace('\n', " ")));
        }
        for command in step.commands.iter().filter(|command| command.purpose != "configure QEMU") {
            let words = command.arguments.join(" ");
            out.push_str(&format!("  in {}: {} {words}\n", command.directory, command.program));
        }
    }
    out
}

#[test]
fn option_roms_are_built_where_the_machine_loads_them() {
    check(
        steps,
        "",
        str![[r#"
source: Source QEMU 1:10.0.2+ds-1 (the profile's source, authenticated)
configure: Configure (every option is stated, none is left to detection)
compile: Compile qemu-system-x86_64 (only the emulator and the option ROMs it loads)
  write $BUILD/roms/config.mak: TOPSRC_DIR=$SOURCE CC=gcc CCAS=gcc OBJCOPY=objcopy PYTHON=python3 -B EXTRA_CFLAGS=-m32 
  in $BUILD: ninja qemu-system-x86_64
  in $BUILD/roms: make -f $SOURCE/pc-bios/optionrom/Makefile kvmvapic.bin linuxboot_dma.bin multiboot_dma.bin pvh.bin
stage: Strip and stage (stripped once, so that every package holds the same bytes)
  in $BUILD: mkdir -p stripped
  in $BUILD: objcopy --only-keep-debug --compress-debug-sections=zlib qemu-system-x86_64 stripped/qemu-system-x86_64.debug
  in $BUILD: strip --strip-all --remove-section=.comment -o stripped/qemu-system-x86_64 qemu-system-x86_64
package: Package DEB and RPM (the formats of the profile)
verify: Verify the packages (what is shipped is what is checked)
record: Record (another machine can rebuild and compare)

"#]],
    );
    check(
        steps,
        "# virt\n[package]\nformats = [\"rpm\"]\n",
        str![[r#"
source: Source QEMU 1:10.0.2+ds-1 (the profile's source, authenticated)
configure: Configure (every option is stated, none is left to detection)
compile: Compile qemu-system-aarch64 (only the emulator and the option ROMs it loads)
  in $BUILD: ninja qemu-system-aarch64
stage: Strip and stage (stripped once, so that every package holds the same bytes)
  in $BUILD: mkdir -p stripped
  in $BUILD: objcopy --only-keep-debug --compress-debug-sections=zlib qemu-system-aarch64 stripped/qemu-system-aarch64.debug
  in $BUILD: strip --strip-all --remove-section=.comment -o stripped/qemu-system-aarch64 qemu-system-aarch64
package: Package RPM (the formats of the profile)
verify: Verify the packages (what is shipped is what is checked)
record: Record (another machine can rebuild and compare)

"#]],
    );
}

#[test]
fn every_command_has_the_isolated_environment_and_the_flags() {
    let scanned = Scanned::of(mini::tree());
    let (plan, _) = scanned.plan_with("", &mini::probes());
    let plan = plan.unwrap();
    let mut count = 0;
    for command in plan.steps.iter().flat_map(|step| &step.commands) {
        let names: Vec<&str> = command.environment.keys().map(String::as_str).collect();
        for name in ["PATH", "LC_ALL", "TZ", "HOME", "SOURCE_DATE_EPOCH", "PYTHONHASHSEED"] {
            assert!(names.contains(&name), "{}: no {name}", command.purpose);
        }
        assert_eq!(command.environment["SOURCE_DATE_EPOCH"], "1750000000");
        count += 1;
    }
    assert_eq!(count, 6);
    let configure = &plan.steps[1].commands[0];
    let words = configure.arguments.iter().map(String::as_str);
    let flags: Vec<&str> = words.filter(|word| word.starts_with("--extra-")).collect();
    snapbox::assert_data_eq!(flags.join("\n"), str![[r#"
--extra-cflags=-O2 -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-clash-protection -fcf-protection=full -fstrict-flex-arrays=3 -ftrivial-auto-var-init=zero -fzero-call-used-regs=used-gpr -fno-delete-null-pointer-checks -Wformat -Werror=format-security -g -ffile-prefix-map=$BUILD=/usr/src/qemu/build -ffile-prefix-map=$SOURCE=/usr/src/qemu -ffile-prefix-map=$RELATIVE=/usr/src/qemu
--extra-ldflags=-Wl,-z,relro -Wl,-z,now -Wl,-z,nodlopen -Wl,-z,noexecstack -Wl,-z,separate-code -Wl,--as-needed -Wl,--build-id=sha1 -Xlinker --package-metadata={"architecture":"x86_64","name":"qemu-mini","source":"1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f","type":"quench","version":"10.0.2"}
"#]].into_data().raw());
    // Every argument of the plan is on the command line.
    for item in &plan.configure {
        assert!(configure.arguments.contains(&item.text), "{}", item.text);
    }
}

#[test]
fn the_package_note_has_upstreams_version_and_is_asked_for_where_the_linker_has_it() {
    let (plan, _) = Scanned::of(mini::tree()).plan_with("", &mini::probes());
    let note = crate::plan::note::planned(&plan.unwrap()).unwrap().to_string();
    snapbox::assert_data_eq!(note, str![[r#"{"architecture":"x86_64","name":"qemu-mini","source":"1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f","type":"quench","version":"10.0.2"}"#]].into_data().raw());
    // A linker that does not have the option gets none.
    let quiet = |plan: &Plan| format!("{:?}\n", crate::plan::note::planned(plan));
    check_on(
        &Scanned::of(mini::tree()),
        quiet,
        "",
        str![[r#"
None

"#]],
    );
}

//! What to do where a rule does not hold: the flag or the tool, and where a packager sets it. Pure data, in one place, so that
//! every rule is seen to have one.

/// What to do, in sentences of Markdown; every rule of the verifier has one.
pub(in crate::verify) fn remedy(rule: &str) -> &'static str {
    let found = REMEDIES.iter().find(|(name, _)| *name == rule);
    found.map_or("", |(_, remedy)| remedy)
}

/// (rule, remedy).
const REMEDIES: &[(&str, &str)] = &[
    (
        "pie",
        "Compile with `-fPIE` and link with `-pie`; CMake's `CMAKE_POSITION_INDEPENDENT_CODE`, meson's `-Db_pie=true`, Go's \
         `-buildmode=pie`, Debian's `DEB_BUILD_MAINT_OPTIONS = hardening=+pie`.",
    ),
    (
        "relro",
        "Link with `-Wl,-z,relro -Wl,-z,now`: without the second the slots of the PLT stay writable. After `patchelf` the dynamic \
         table may have moved out of the protected part: set RPATH and SONAME when linking instead.",
    ),
    (
        "bind-now",
        "Link with `-Wl,-z,now`; Debian's `DEB_BUILD_MAINT_OPTIONS = hardening=+bindnow`.",
    ),
    (
        "stack",
        "Link with `-Wl,-z,noexecstack`, and add `.section .note.GNU-stack,\"\",@progbits` to the assembler files it comes from. \
         Nested functions of GNU C whose address is taken need the stack executable: `-Wtrampolines` names them.",
    ),
    (
        "wx",
        "Link without `-N` and `-z rwx-segments`-like scripts: `ld --warn-rwx-segments` names the cause. Code that is made at run \
         time is mapped twice, or made executable when it is written.",
    ),
    (
        "textrel",
        "Compile with `-fPIC` or `-fPIE` everything that is linked in; assembler files must use `@PLT` and `@GOTPCREL`. \
         `-Wl,-z,text` makes the linker name the objects.",
    ),
    ("separate-code", "Link with `-Wl,-z,separate-code`; lld and mold do so by themselves."),
    (
        "rpath",
        "Link without `-rpath`, or with `$ORIGIN` below the package's own directory; `chrpath -d` or `patchelf --remove-rpath` take \
         it out, meson and CMake do so when they install (`CMAKE_SKIP_INSTALL_RPATH`). A library found by a path at link time needs \
         a SONAME. Directories of your system go into `[allow] rpath` of a policy.",
    ),
    (
        "nodlopen",
        "Link with `-Wl,-z,nodlopen`; programs at a position of their own (`-pie`) cannot be opened anyway.",
    ),
    (
        "interpreter",
        "Link with the system's own compiler driver, without `-dynamic-linker`; `patchelf --set-interpreter` sets it right. Loaders of \
         your system go into `[allow] interpreter` of a policy.",
    ),
    (
        "loader-tags",
        "Link without `--audit`, `--depaudit`, `-f` and `-F`, and without paths in the names of libraries: `-lNAME`, or a library with \
         a SONAME.",
    ),
    (
        "headers",
        "Link anew with an unchanged linker; a tool that rewrote the file (a packer, an obfuscator, an old `strip` or `patchelf`) left \
         it so. `readelf -lS` shows the parts that contradict each other.",
    ),
    (
        "stack-protector",
        "Compile with `-fstack-protector-strong`; look for a package that sets its own CFLAGS, for `-fno-stack-protector`, and for \
         `__attribute__((no_stack_protector))` in what is named.",
    ),
    ("stack-clash", "Compile with `-fstack-clash-protection` (GCC 8, clang 11)."),
    (
        "branch-targets",
        "Compile with `-fcf-protection` (x86) or `-mbranch-protection=standard` (AArch64), assembler files too, and link with \
         `-Wl,-z,cet-report=error` or `-Wl,-z,bti-report=error`: the linker names the objects without the note.",
    ),
    (
        "return-addresses",
        "Compile with `-fcf-protection` (x86) or `-mbranch-protection=standard` (AArch64); one object without the note takes it from \
         the file, `-Wl,-z,cet-report=error` names it.",
    ),
    ("zeroed-registers", "Compile with `-fzero-call-used-regs=used-gpr` (GCC 11, clang 15)."),
    ("cfi", "Compile with clang, `-fsanitize=cfi -flto -fvisibility=hidden`."),
    (
        "safe-stack",
        "Compile with clang, `-fsanitize=safe-stack`; it is for programs, not for libraries.",
    ),
    (
        "evidence",
        "Compile everything with the same flags: what is named was compiled in another way than its neighbours or than its notes \
         say, a bundled library or an assembler file as a rule. `--debug` with the debug package of the same build tells more.",
    ),
    (
        "fortify",
        "Compile with `-O2 -D_FORTIFY_SOURCE=3` (`-U_FORTIFY_SOURCE` in front where the compiler has a default) and without \
         `-fno-builtin`; the functions that are named were called plainly. Where only a level could not be told, `-g3`, annobin or \
         clang's `-grecord-command-line` leave it in the file.",
    ),
    (
        "fortify-level",
        "Compile with `-D_FORTIFY_SOURCE=3` (GCC 12, clang 9); `-g3`, annobin or clang's `-grecord-command-line` leave the level in \
         the file.",
    ),
    (
        "build-path",
        "Compile with `-ffile-prefix-map=$PWD=.`, Rust with `--remap-path-prefix`, Go with `-trimpath`; strip the file.",
    ),
    (
        "readable",
        "Build or download the file anew: it is damaged, or no program at all and named like one.",
    ),
    (
        "opened",
        "Unpack the archive and judge what was in it; or let it pass with `--allow-unopened`, or by a `[[waiver]]` for its path.",
    ),
    (
        "set-id",
        "Install without the bits (`chmod u-s,g-s`); give the one right that is needed as a file capability or through a service, or \
         waive the file with the reason.",
    ),
    (
        "capabilities",
        "Install without `setcap`; let a service manager give the right (`AmbientCapabilities=`), or waive the file with the reason.",
    ),
    (
        "world-writable",
        "Install with `chmod o-w`; a directory that all must write gets the sticky bit (`chmod 1777`).",
    ),
    (
        "device",
        "Leave it out of the package: devices are made by udev, fifos and sockets by tmpfiles.d or the program.",
    ),
    (
        "link",
        "Link to a path inside of the package's root, relative and without more `..` than there are directories.",
    ),
];

#[cfg(test)]
mod tests {
    use super::REMEDIES;

    #[test]
    fn every_rule_has_one_remedy_in_sentences() {
        let rules: Vec<&str> = crate::verify::rule_names().collect();
        let names: Vec<&str> = REMEDIES.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, rules);
        for (name, remedy) in REMEDIES {
            assert!(remedy.len() > 20 && remedy.ends_with('.'), "{name}: {remedy}");
        }
    }
}

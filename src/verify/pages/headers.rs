//! Pages of the rules that read headers. Pure data.

use super::Page;

pub(in crate::verify) static PIE: Page = Page {
    why: "A program at a fixed address gives an attacker the address of every function and of the GOT \
          without a leak. Randomised addresses (ASLR) cover the program itself only when it can be loaded \
          anywhere.",
    how: "The kind of the file decides. `ET_DYN` with an interpreter, or with `DF_1_PIE` and no needed \
          library, is a position-independent program and holds; `ET_EXEC` fails, because the kernel maps \
          it where its headers say. A file with an interpreter and a SONAME but without `DF_1_PIE` \
          (libc.so.6 is one) is a library.",
    limits: "Whether the machine randomises addresses (`kernel.randomize_va_space`) is not a property of \
             the file. Shared libraries, objects, core files and separate debug files are out of place \
             here.",
    cannot_tell: NEVER,
};

pub(in crate::verify) static RELRO: Page = Page {
    why: "The GOT, the dynamic table and the arrays of constructors hold addresses that the program jumps \
          to. Whoever can write one word there runs code of their choice, so the loader can make those \
          pages read-only when it has filled them in.",
    how: "The last `PT_GNU_RELRO` is rounded as glibc rounds it: both ends down to a page, so a last \
          partial page stays writable. Every slot that a relocation binds, the ends of the init and fini \
          arrays and the start of the dynamic table must lie inside, or in memory that is never writable. \
          The numbers of the relocations are those of the machine; the GOT of MIPS has none and is known by \
          its tags. The rule must hold with every page size that kernels of the machine have (4, 16 and 64 \
          KiB on AArch64, LoongArch and MIPS, 4 and 64 KiB on 64-bit POWER) and that the alignment of the \
          file allows. When all but the slots of the PLT are inside and the file is bound lazily, the \
          verdict is partial: that is what is called \"partial RELRO\" elsewhere; so it is when only the \
          dynamic table lies outside, as after patchelf. Of static programs the slots count that resolvers \
          fill at start (`IRELATIVE`). A static program protects itself, so there the C library's start code must be in the \
          file: an instruction that asks for the header, and the message that code prints when it fails.",
    limits: "The evidence counts other pointers to functions that stay writable; they are told and not \
             judged. Nobody checks that a program leaves the protection in place (`mprotect`).",
    cannot_tell: "Without section headers the slots of the GOT cannot be told from data on RISC-V, \
                  LoongArch and 64-bit POWER. A static program has the header, and the start code that would obey it is not glibc's \
                  (musl's does not protect): only a look at its own start code tells. With `--only \
                  headers`, a file without the header that has sections named as Go's may be a static Go \
                  program, which has no GOT; run without `--only`, so that its code is read.",
};

pub(in crate::verify) static BIND_NOW: Page = Page {
    why: "With lazy binding the slots of the PLT are written while the program runs, so they can never be \
          read-only. Binding at start also makes a missing symbol an error at start and not in the middle \
          of the work.",
    how: "Any one of `DT_BIND_NOW`, `DF_BIND_NOW` and `DF_1_NOW` suffices. A file that musl's loader \
          starts holds without them, because that loader binds everything at start (so does Android's); it is taken for musl's \
          by its interpreter or the libraries it needs, and only when it asks for no `GLIBC_` symbol \
          version.",
    limits: "`LD_BIND_NOW` in the environment is not a property of the file. Static programs bind nothing \
             and are out of place.",
    cannot_tell: NEVER,
};

pub(in crate::verify) static STACK: Page = Page {
    why: "On an executable stack, bytes that an attacker writes into a buffer can be run as code.",
    how: "The last `PT_GNU_STACK` decides, as in the kernel; it must not be executable. Without that \
          header the machine's default counts: on x86, MIPS, 32-bit Arm and POWER the kernel then makes readable \
          memory executable, on x86-64, s390x and SPARC glibc makes the stacks of threads executable, on \
          AArch64, RISC-V, LoongArch and 64-bit POWER nothing happens. In an object the section \
          `.note.GNU-stack` speaks: absent, it makes GNU ld ask for an executable stack, unless that was \
          configured otherwise (never on AArch64, RISC-V, LoongArch and 64-bit POWER); lld and mold do not.",
    limits: "A library whose header asks for an executable stack can make the loader change the stacks of \
             the whole process; each file is judged alone, so judge the libraries, too.",
    cannot_tell: "There is no `PT_GNU_STACK`, and what kernel and C library do on this machine without one \
                  is not known here. Linking with `-z noexecstack` writes the header.",
};

pub(in crate::verify) static WX: Page = Page {
    why: "Memory that is writable and executable at once lets an attacker write code and run it.",
    how: "No `PT_LOAD` may have both flags; in an object, no allocated section. The kernel maps each \
          segment with exactly the flags of its header.",
    limits: "Memory that the program maps itself at run time, as TCG and other compilers at run time do, \
             is not seen.",
    cannot_tell: NEVER,
};

pub(in crate::verify) static TEXTREL: Page = Page {
    why: "Text relocations make the loader write into code: the pages are writable and executable for a \
          while, and they are no longer shared between processes.",
    how: "`DT_TEXTREL` or `DF_TEXTREL` in the dynamic table fails. Without one of them the loader does not \
          make code writable.",
    limits: "Files without a dynamic table, and objects, are out of place: no loader relocates them.",
    cannot_tell: NEVER,
};

pub(in crate::verify) static SEPARATE_CODE: Page = Page {
    why: "When a page of the file holds code and data, the data is mapped executable, too, and gives an \
          attacker instructions that no compiler wrote.",
    how: "No executable `PT_LOAD` may share a page of the file (4 KiB) with a segment that is not \
          executable, and the file header must not lie in an executable segment.",
    limits: "Read-only data that the linker put *into* the executable segment (`-z noseparate-code`, gold) \
             shares no page with another segment when it is the only one; the file header gives that \
             layout away as a rule.",
    cannot_tell: NEVER,
};

pub(in crate::verify) static RPATH: Page = Page {
    why: "Directories in `DT_RPATH` and `DT_RUNPATH` are searched before the system's. Where somebody else \
          can create files there, they choose the library that is loaded.",
    how: "Each element is put into the classes of rpm's check-rpaths-worker. Empty and relative elements, \
          absolute ones with a part `..`, standard directories (searched anyway), directories that all may \
          write (`/usr/tmp` leads to one) and directories outside of `/usr`, `/opt` and `/lib` fail. \
          `$ORIGIN` and `${ORIGIN}` are accepted; in a package, where the file's own directory is known, \
          what they lead to is judged. A longer name, `$ORIGINAL`, is no token and so a relative path. A \
          path that is empty as a whole is ignored by the loader. Names of needed, audit and filter \
          libraries that have a slash are opened where they say, and judged the same.",
    limits: "Who may write in a directory of the target machine is not known; the classes go by its name.",
    cannot_tell: NEVER,
};

pub(in crate::verify) static NODLOPEN: Page = Page {
    why: "An attacker who can make a process call `dlopen` can load every library that allows it. The flag \
          takes a file out of that set.",
    how: "`DF_1_NOOPEN` holds. GNU ld drops that flag from programs, so there the effect counts: since \
          2.30 glibc refuses to open what has `DF_1_PIE`, and it never opened an `ET_EXEC`.",
    limits: "What is said of glibc need not be true of other C libraries. A library that is meant to be \
             opened, such as a plugin, cannot have the flag: a policy excepts it by path.",
    cannot_tell: NEVER,
};

pub(in crate::verify) static INTERPRETER: Page = Page {
    why: "The kernel starts the interpreter that the file names before any line of the program, with the \
          program's rights.",
    how: "The path must be absolute, free of `.` and `..`, in or below the system's library directories \
          (`/lib`, `/lib32`, `/lib64`, `/libx32` and their like below `/usr`), and its name must be that \
          of glibc's or musl's loader. A file without an interpreter is out of place.",
    limits: "The interpreter's own file is not read; it is judged like any other when it is among the \
             inputs.",
    cannot_tell: "The path is in the system's directories and the name is not one known here. The package \
                  that owns the file tells what it is.",
};

pub(in crate::verify) static LOADER_TAGS: Page = Page {
    why: "Some entries of the dynamic table make the loader load or ask other files than the needed \
          libraries, out of sight of whoever looks at `DT_NEEDED` only.",
    how: "`DT_AUDIT`, `DT_DEPAUDIT`, `DT_FILTER`, `DT_AUXILIARY` and `DT_CONFIG` fail, with the name they \
          hold. So does `DT_PREINIT_ARRAY` in a library, which the loader ignores.",
    limits: "`LD_PRELOAD`, `LD_AUDIT` and `/etc/ld.so.preload` are not properties of the file.",
    cannot_tell: NEVER,
};

pub(in crate::verify) static HEADERS: Page = Page {
    why: "The kernel and the loader read program headers and the dynamic table; many tools read section \
          headers. Where they say different things, a tool vouches for something that is never loaded.",
    how: "These fail: a doubled `PT_DYNAMIC`, `PT_INTERP`, `PT_GNU_RELRO` or `PT_GNU_STACK`; segments that \
          share a page, out of order, longer than the file or smaller in memory than in the file; an entry \
          point outside of executable memory; a header whose offset is not the one its address is mapped \
          from; sections that lie in no segment, or with rights their segment does not have; and tables \
          that cannot be read. Every other rule follows the kernel and the loader, so a contradiction \
          deceives none of them.",
    limits: "Pages are taken to have 4 KiB; with larger ones, more may be shared. No section headers at \
             all is no fault: nothing needs them at run time.",
    cannot_tell: NEVER,
};

/// For rules whose headers always tell.
const NEVER: &str =
    "This rule always knows: the headers it reads are there, or the file could not be loaded.";

//! Pages of the rules that read code, compilation units or every byte. Pure data.

use super::Page;

pub(in crate::verify) static STACK_PROTECTOR: Page = Page {
    why: "An overflow of a local variable that reaches the return address must pass the canary first; a \
          function that compares it before it returns stops the program instead of returning to an \
          attacker's address.",
    how: "Functions come from `.eh_frame`, which `strip` leaves, and from the symbol table. The rule \
          counts functions that load the canary and check it, and others that take the address of a local \
          variable and do not. Locals are told from parameters, which `-fstack-protector-strong` leaves \
          out. It holds when at most 2 % of those that should check do not (assembly, variables that GCC \
          splits late); more makes it partial, and none at all fails. A compilation unit that says it was \
          not told `-fstack-protector-strong` makes what holds partial. Code in no known function counts \
          by what it could do: more than a tenth of x86-64 code outside of functions, with places that may \
          take the address of a local, makes it partial. The canary is `fs:[0x28]` on x86-64; on AArch64 \
          it is the variable `__stack_chk_guard`, found through the GOT, a symbol, or, in stripped static \
          programs, by how functions use it.",
    limits: "Code of x86-64 and AArch64 is read. In a static program the C library's functions are left \
             out. Code that Go's compiler made is out of place: it checks bounds and moves its stacks.",
    cannot_tell: "Less than half of the code lies in known functions, more than 4 KiB lies outside, and it \
                  may take addresses of locals; or the machine's code is not read; or the program is \
                  static and `main` cannot be found. Keep `.eh_frame` or the symbol table, or give the \
                  debug file with `--debug`.",
};

pub(in crate::verify) static STACK_CLASH: Page = Page {
    why: "Below each stack lies a guard that no access may touch. A frame that grows past the guard in one \
          step lands in other memory, which a guest or a file that decides about sizes can choose.",
    how: "The rule searches for the violation and not for the compilers' idioms, so that GCC, clang and \
          rustc are judged alike. Each function is followed in the order of its bytes; two touched \
          addresses of the stack must never lie further apart than the guard: a page (4 KiB) on x86-64, 64 \
          KiB on AArch64, where GCC and glibc agree on that. A frame of a size known only at run time must \
          be touched in a loop. No violation holds; some beside functions that do touch is partial.",
    limits: "What follows an unconditional jump is read anew, and several small steps that add up to a \
             page are not searched for. On AArch64 data beside code is not asked what it could do. A unit \
             that was not told `-fstack-clash-protection` changes nothing here: what has no large frame \
             needs no option.",
    cannot_tell: "Less than half of the code lies in known functions, more than 4 KiB lies outside, and it \
                  could grow a frame by a page; or the machine's code is not read. Keep `.eh_frame` or the \
                  symbol table.",
};

pub(in crate::verify) static BRANCH_TARGETS: Page = Page {
    why: "With IBT (x86) or BTI (AArch64) the processor refuses an indirect call or jump that does not \
          land on a marked instruction, so a pointer that an attacker changed leads to whole functions \
          only.",
    how: "Two things must agree: the property note, by which kernel and loader turn the check on for the \
          file, and the code. Targets are exported functions, addresses in relocations and in data of \
          programs at fixed addresses, addresses that code takes, and `_start`, `_init` and `_fini`; each \
          must begin with `endbr64`, or `bti` or its like. A note without landing pads fails, because the \
          promise is false. Landing pads at most targets without a note are partial, and so is a note \
          where only start files of the C library lack them; those are named.",
    limits: "Labels inside of functions (jump tables, computed gotos) are not asked for. An object with \
             the note is believed. Whether kernel and processor turn the check on is not a property of the \
             file. On AArch64 a note that is not in `PT_GNU_PROPERTY` counts for nothing. RISC-V's landing pads \
             (Zicfilp) are believed by the note. Other machines have no landing pads: not applicable.",
    cannot_tell: "There is a note, and the code that would have to keep its promise could not be read.",
};

pub(in crate::verify) static RETURN_ADDRESSES: Page = Page {
    why: "A return address on the stack can be overwritten. A shadow stack holds a second copy that \
          ordinary writes cannot reach; a signed address no longer authenticates after a change.",
    how: "x86-64: the property note must have SHSTK, by which kernel and loader turn the shadow stack on. \
          AArch64: every function that returns, or jumps to another function, with an address that came \
          from the stack must have authenticated it in between; some that do not make it partial, none \
          that does fails.",
    limits: "x86-64's code is not searched for what a shadow stack breaks. Functions of AArch64 that keep \
             the address in a register need no signature. Start files are left out. Other machines have \
             neither: not applicable.",
    cannot_tell: "On AArch64 too little of the code lies in known functions; keep `.eh_frame` or the \
                  symbol table.",
};

pub(in crate::verify) static ZEROED_REGISTERS: Page = Page {
    why: "Registers that a function leaves filled give an attacker values to work with, and may carry \
          secrets out of the function.",
    how: "The rule counts returns right behind an instruction that zeroes a call-used register (other than \
          the one with the result). A quarter of all returns or more holds, 5 to 24 % is partial, less \
          fails: `-fzero-call-used-regs=used-gpr` zeroes nothing in functions that used no such register \
          (QEMU built with it has 63 %).",
    limits: "It is a statistic and not a proof: a function that returns after clearing a register for its \
             own reasons looks the same. Only x86-64 code is looked at.",
    cannot_tell: "The file is for another machine than x86-64, or too little of its code lies in known \
                  functions.",
};

pub(in crate::verify) static CFI: Page = Page {
    why: "A pointer to a function that was overwritten can call any function. clang's control-flow \
          integrity compares the type of the target before each indirect call and stops the program where \
          they differ.",
    how: "The rule looks for the trap that a failed check runs into (`ud1` with the number of CFI's \
          check), function by function, and for calls of `__cfi_slowpath`, the check across libraries. One \
          of either holds. The evidence also counts entries of jump tables. The names of clang's runtime \
          alone prove nothing.",
    limits: "How many of the indirect calls are checked is not counted, so a file with a single check \
             holds. clang builds that report instead of trapping (`-fno-sanitize-trap=cfi`) are not \
             recognised, unless they check across libraries. Only x86-64 code is looked at.",
    cannot_tell: "The file is for another machine than x86-64, or too little of its code lies in known \
                  functions.",
};

pub(in crate::verify) static SAFE_STACK: Page = Page {
    why: "When variables whose address is taken live on a stack of their own, an overflow of one cannot \
          reach a return address.",
    how: "The rule looks for functions that load a thread-local pointer, store it back lowered, and store \
          the first value again at the end. One such function holds; the names of clang's runtime prove \
          nothing.",
    limits: "Which of the functions that ought to use the second stack do so is not counted. Only x86-64 \
             code is looked at.",
    cannot_tell: "The file is for another machine than x86-64, or too little of its code lies in known \
                  functions.",
};

pub(in crate::verify) static EVIDENCE: Page = Page {
    why: "A compiler option, the code and a note can each be right alone. Where they contradict each \
          other, one of them is false, and what was promised is not what runs.",
    how: "Each compilation unit says in its debug information (`DW_AT_producer`; the last option wins), or \
          in annobin's notes, how it was compiled. It fails when the property note promises landing pads \
          or protected returns and a unit was compiled without, and when a unit says \
          `-fstack-protector-strong` and none of its more than two functions with locals checks a canary.",
    limits: "Only options the compiler recorded are known. Debug information is read from the file, or \
             from the debug file with the same build-id: in the debug package among the inputs, in \
             `--debug DIR`, or below /usr/lib/debug.",
    cannot_tell: "This rule never says so: without units, or without options in them, it does not apply. \
                  Options are recorded by `-grecord-gcc-switches` (GCC's default with `-g`) and clang's \
                  `-grecord-command-line`.",
};

pub(in crate::verify) static FORTIFY: Page = Page {
    why: "The checked variants of string, memory and format functions are told the size of the object and \
          stop the program before they write past its end; those for formats refuse `%n` in writable \
          memory.",
    how: "Imported names and the calls of each are counted. A name counts as checked when it is \
          `__NAME_chk` and the target's own C library (`--libc`, `--sysroot`, or the one below a judged \
          directory) exports it; where that library is not known, the built-in list of glibc's names \
          counts. The evidence says which. Only plain calls fails. Checked and plain calls mixed hold, \
          because the compiler calls the plain one where it can prove the size, unless a plain one is of \
          those that are always checked from level 2 on because they check a format and no size (`printf`, \
          `fprintf`, `dprintf`, `asprintf`, `syslog` and their `v` forms): then it is partial. Plain \
          functions whose names begin with `mem` or `w` never count against a file. Where no call is \
          checked and all of them could only check a size, units that tell a level of 1 or more decide.",
    limits: "musl has no checked functions: not applicable. Android's C library has others than glibc, and no \
             checked formats. Of static programs the levels of the units count, else the names in `.symtab` \
             that the C library does not bring itself. Functions whose address is only taken are not called; \
             where the code is not read, relocations tell (a slot of the PLT is a call). Names of other \
             formats of `long double` (`__printf_chkieee128`) count as the plain ones. Units compiled with `-O0`, \
             which undoes FORTIFY, are named in the evidence.",
    cannot_tell: "No call is checked, and none need be: where the compiler proves that the object is large \
                  enough, and where it does not know its size, `read` or `strcpy` stay plain at level 3, too. \
                  Debug information with macros (`-g3`), that of GCC 16, annobin's notes or clang's \
                  `-grecord-command-line` tell the level. A static program without `.symtab` and debug \
                  information names no function.",
};

pub(in crate::verify) static FORTIFY_LEVEL: Page = Page {
    why: "Level 2 checks objects whose size the compiler knows as a constant. Level 3 also computes sizes \
          at run time, and so covers most memory from `malloc`.",
    how: "Where `fortify` fails, this fails, too: level 0. Else the level comes from evidence only: macros \
          in the debug information, annobin's notes, or the recorded command line; a unit compiled without \
          optimisation has level 0. It holds when the lowest level is 3, is partial when only some units \
          have it, and fails below.",
    limits: "Computed sizes in the code are shown as a hint and are no proof: 26 of 834 files of Debian \
             12, all built with level 2, have some. GCC before 16 does not record `-D` options, so a file \
             compiled without `-g3` or annobin has no evidence.",
    cannot_tell: "Nothing in the file tells the level. Compile with `-g3`, or with annobin's plugin, or \
                  with clang and `-grecord-command-line`, and keep the debug package beside the file.",
};

pub(in crate::verify) static BUILD_PATH: Page = Page {
    why: "A path of the machine that built a file makes two builds differ, and tells names of users and \
          directories.",
    how: "The whole file is searched for a text that is an absolute path below `/home`, `/build`, `/tmp`, \
          `/root`, `/var/tmp` or `/work` and ends like a source file (`.c`, `.h`, `.cc`, `.rs`). Patterns \
          with `%`, which name temporary files, are left out.",
    limits: "Paths below other directories are not recognised, nor paths in the middle of a longer text, \
             nor anything that is compressed, such as compressed debug sections.",
    cannot_tell: "This rule always knows: every byte is searched.",
};

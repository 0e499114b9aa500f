//! Pages of the rules about files as entries of a package or directory. Pure data.

use super::Page;

pub(in crate::verify) static READABLE: Page = Page {
    why: "A loader may start what a checker cannot read. So a file that begins like an ELF file and cannot \
          be judged must never look as if it passed.",
    how: "The verdict appears only where something is wrong: the headers cannot be read.",
    limits: "What does not begin with ELF's magic number is no ELF file for this rule, nor for the kernel.",
    cannot_tell: "This is the only verdict of the rule: the message says what could not be read. A damaged \
                  file must be replaced; a file that the system loads all the same is a fault of Quench to \
                  be reported.",
};

pub(in crate::verify) static OPENED: Page = Page {
    why: "What is not opened is not judged; a package in a package would be a place to hide.",
    how: "tar, cpio, zip, ar, `.deb`, `.ipk` and `.rpm` are opened, whether plain or compressed with gzip, xz, \
          lzma, lzip, zstd, lz4 or bzip2, one in another up to six levels, one cpio behind the other as in an \
          initrd, and behind scripts and ELF files that unpack themselves. The verdict appears for archives of \
          kinds that are known and not opened: file system and disk images (squashfs, ISO 9660, ext4 …), 7z, \
          rar, lzop, `.Z`, apk of version 3, thin archives; for zip archives of more than 256 MiB; for members \
          of a kind that is not understood, such as sparse ones of tar and encrypted ones of zip; and for bytes \
          of no known kind behind an ELF file or a script.",
    limits: "An archive of a format that is not recognised counts as another file, and what is in a section of an \
             ELF file or in the text of a script is not looked for. With `--no-archives` a finding says how many \
             were left closed.",
    cannot_tell: "This is the only verdict of the rule. Unpack the archive and judge what was in it; or let it pass \
                  with `--allow-unopened`: then it is a warning, and the verdict says what was not opened.",
};

pub(in crate::verify) static SET_ID: Page = Page {
    why: "A set-id program runs with the rights of its owner or group, whoever starts it.",
    how: "The set-user-id and set-group-id bits of the entry, or of the file on disk, decide. Directories \
          may have the set-group-id bit: they hand their group to new files.",
    limits: "Bits that a maintainer script sets when the package is installed are a finding of their own \
             (`verify::script-privilege`).",
    cannot_tell: NEVER,
};

pub(in crate::verify) static CAPABILITIES: Page = Page {
    why: "File capabilities are rights of the administrator, given to whoever starts the program.",
    how: "tar members tell them in pax headers (`SCHILY.xattr.security.capability`), rpm in its header, \
          files on disk in their extended attribute; any fails, shown in the words of `setcap`.",
    limits: "Capabilities that a maintainer script sets are a finding of their own \
             (`verify::script-privilege`).",
    cannot_tell: NEVER,
};

pub(in crate::verify) static WORLD_WRITABLE: Page = Page {
    why: "What everybody may write, everybody may replace; in a directory without the sticky bit, \
          everybody may rename and delete what is others'.",
    how: "A file with the write bit for others fails; so does a directory that has it without the sticky \
          bit.",
    limits: "Access control lists are not read.",
    cannot_tell: NEVER,
};

pub(in crate::verify) static DEVICE: Page = Page {
    why: "A package has no business bringing device nodes, fifos or sockets: a device node in a file \
          system gives access to hardware or memory by its rights alone.",
    how: "Any such entry fails.",
    limits: "Nodes that a maintainer script makes are not seen.",
    cannot_tell: NEVER,
};

pub(in crate::verify) static LINK: Page = Page {
    why: "A symbolic link that leads out of the package, or into a directory where anybody may place a \
          file, lets somebody else decide what is read there.",
    how: "The target is followed from the place of the link: more `..` than there are directories above \
          fails, and so does a target below `/tmp`, `/var/tmp`, `/dev/shm` or `/run/lock`.",
    limits: "Absolute targets elsewhere are accepted, whether or not the file they name is in the package.",
    cannot_tell: NEVER,
};

/// For rules that the entry itself answers.
const NEVER: &str = "This rule always knows: the entry itself says it.";

//! `security.capability`: the extended attribute that gives a program rights, in setcap's words. Pure.

use super::entry::words;

/// Bits in their order. Source: kernel include/uapi/linux/capability.h.
const NAMES: &[&str] = &[
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// `VFS_CAP_REVISION_2`, without and `VFS_CAP_REVISION_3`, with the user id of a namespace's root.
const REVISION_2: u32 = 0x0200_0000;
const REVISION_3: u32 = 0x0300_0000;

/// Says what a `vfs_cap_data` value grants, in the words of setcap(8); a value that cannot be read is said to be one. Two
/// values that grant different things have different words.
pub fn capabilities(value: &[u8]) -> String {
    read(value).unwrap_or_else(|| format!("unreadable {}", words(value)))
}

fn read(value: &[u8]) -> Option<String> {
    let word = |at: usize| {
        let bytes = value.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u32::from_le_bytes)
    };
    let root = match (word(0)? & 0xff00_0000, value.len()) {
        (REVISION_2, 20) => None,
        (REVISION_3, 24) => Some(word(20)?),
        _ => return None,
    };
    let set = |at: usize| Some(u64::from(word(at)?) | u64::from(word(at + 8)?) << 32);
    let (permitted, inheritable) = (set(4)?, set(8)?);
    // The lowest bit makes the permitted set effective.
    let effective = match word(0)? & 0x00ff_ffff {
        0 => "",
        1 => "e",
        _ => return None,
    };
    let groups = [
        ("ip", permitted & inheritable),
        ("p", permitted & !inheritable),
        ("i", inheritable & !permitted),
    ];
    let words = groups.iter().filter(|(_, bits)| *bits != 0);
    let mut words: Vec<String> =
        words.map(|(flags, bits)| format!("{}={effective}{flags}", names(*bits))).collect();
    if words.is_empty() {
        words.push(format!("={effective}"));
    }
    words.extend(root.map(|root| format!("[rootid={root}]")));
    Some(words.join(" "))
}

fn names(bits: u64) -> String {
    let set = (0..64).filter(|bit| bits >> bit & 1 == 1);
    let names = set.map(|bit| match NAMES.get(bit) {
        Some(name) => format!("cap_{name}"),
        None => format!("cap_{bit}"),
    });
    names.collect::<Vec<String>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::capabilities;

    #[test]
    fn values_read_as_getcap_prints_them() {
        // As `setcap cap_net_raw+ep` stores it.
        let raw = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(capabilities(&raw), "cap_net_raw=ep");
        let high = [0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(capabilities(&high), "cap_bpf=p");
        let both = [1, 0, 0, 2, 3, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let wanted = "cap_chown=eip cap_dac_override=ep cap_dac_read_search=ei";
        assert_eq!(capabilities(&both), wanted);
        let inside = [&[1, 0, 0, 3], &raw[4..], &[0xe8, 3, 0, 0]].concat();
        assert_eq!(capabilities(&inside), "cap_net_raw=ep [rootid=1000]");
        assert_eq!(capabilities(&raw[..7]), "unreadable 0x01000002002000");
    }
}

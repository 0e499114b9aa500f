//! `security.capability`: the extended attribute that gives a program rights, in setcap's words. Pure.

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

/// Says what a `vfs_cap_data` value grants; a value that cannot be read is said to be one.
pub fn capabilities(value: &[u8]) -> String {
    let word = |at: usize| {
        let bytes = value.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u32::from_le_bytes)
    };
    let (Some(magic), Some(permitted), Some(inheritable)) = (word(0), word(4), word(8)) else {
        return "unreadable".to_owned();
    };
    let high = |at: usize| u64::from(word(at).unwrap_or(0)) << 32;
    let permitted = u64::from(permitted) | high(12);
    let inheritable = u64::from(inheritable) | high(16);
    let names: Vec<String> = (0..64)
        .filter(|bit| (permitted | inheritable) >> bit & 1 == 1)
        .map(|bit| match NAMES.get(bit) {
            Some(name) => format!("cap_{name}"),
            None => format!("cap_{bit}"),
        })
        .collect();
    // The lowest bit of the first word makes the permitted set effective.
    let effective = if magic & 1 == 1 { "e" } else { "" };
    let permitted = if permitted == 0 { "" } else { "p" };
    let inheritable = if inheritable == 0 { "" } else { "i" };
    format!("{}={effective}{permitted}{inheritable}", names.join(","))
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
        assert_eq!(capabilities(&raw[..7]), "unreadable");
    }
}

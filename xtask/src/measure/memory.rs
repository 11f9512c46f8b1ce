//! What of a guest's memory the host had to give, from its VMM's /proc. Parsers of proc(5); the one
//! function that reads is `of_process`.

use anyhow::{Context, Result};

/// Memory of a VMM, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Given {
    /// The resident part of the guest's RAM.
    pub(super) guest: u64,
    /// The resident part of the whole process.
    pub(super) process: u64,
}

/// The name of the mapping that is the guest's RAM: QEMU calls its memfd after the kind of object
/// (backends/hostmem-memfd.c).
const GUEST_RAM: &str = "/memfd:memory-backend-memfd";

/// # Errors
/// If the process is gone, or the guest's RAM is none of its mappings.
pub(super) fn of_process(pid: u32) -> Result<Given> {
    let path = format!("/proc/{pid}/smaps");
    let smaps = std::fs::read_to_string(&path).with_context(|| format!("failed to read {path}"))?;
    let (guest, process) = resident(&smaps);
    let guest = guest.with_context(|| format!("{path} has no mapping {GUEST_RAM}"))?;
    Ok(Given { guest, process })
}

/// The resident part of the mappings of the guest's RAM, if there are any, and that of all.
fn resident(smaps: &str) -> (Option<u64>, u64) {
    let (mut guest, mut all, mut is_guest) = (None, 0, false);
    for line in smaps.lines() {
        match line.strip_prefix("Rss:").and_then(kilobytes) {
            Some(bytes) => {
                all += bytes;
                if is_guest {
                    guest = Some(guest.unwrap_or(0) + bytes);
                }
            }
            // A mapping's first line: its addresses, and the file it maps.
            None if !line.split(' ').next().is_some_and(|word| word.ends_with(':')) => {
                is_guest = line.contains(GUEST_RAM);
            }
            None => {}
        }
    }
    (guest, all)
}

/// "     29488 kB" in bytes.
fn kilobytes(text: &str) -> Option<u64> {
    text.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Whether huge pages make more of the guest's RAM resident than it touched.
pub(super) fn huge_pages() -> bool {
    let enabled = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
    let text = std::fs::read_to_string(enabled).unwrap_or_default();
    ["[always]", "[within_size]", "[force]"].iter().any(|setting| text.contains(setting))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guests_ram_is_told_from_the_rest() {
        let smaps = include_str!("../../tests/data/measure/smaps");
        assert_eq!(resident(smaps), (Some(29_488 << 10), (29_488 + 64 + 3772) << 10));
        assert_eq!(resident("").0, None);
        let without = smaps.replace("memory-backend-memfd", "other");
        assert_eq!(resident(&without).0, None);
    }

    #[test]
    fn this_very_process_has_memory_and_is_no_vmm() {
        let error = of_process(std::process::id()).unwrap_err();
        assert!(error.to_string().contains("has no mapping"), "{error:#}");
    }
}

//! Why a kernel did not mount the disk that it was given as its root: by the options it was given and
//! by what it printed (the tree's init/do_mounts.c and block/early-lookup.c, whose words are those of
//! 5.10 to 7.3 alike). Pure.

use vmm_kernel::Bus;

/// What a kernel was given as its root.
#[derive(Debug, Clone)]
pub(super) struct Given {
    /// Without `/dev/`.
    device: String,
    /// `rootfstype=`
    file_system: Option<String>,
    bus: Bus,
}

/// Drivers of disks, by how their names begin; whether the disk is behind the machine's virtio bus.
const DRIVERS: &[(&str, &str, bool)] = &[
    ("vd", "VIRTIO_BLK", true),
    ("pmem", "VIRTIO_PMEM and BLK_DEV_PMEM", true),
    ("sd", "BLK_DEV_SD and the driver of its controller, such as SCSI_VIRTIO", true),
    ("nvme", "BLK_DEV_NVME", false),
];

const FILE_SYSTEMS: &[(&str, &str)] = &[
    ("btrfs", "BTRFS_FS"),
    ("erofs", "EROFS_FS"),
    ("ext2", "EXT4_USE_FOR_EXT2"),
    ("ext3", "EXT4_FS"),
    ("ext4", "EXT4_FS"),
    ("f2fs", "F2FS_FS"),
    ("squashfs", "SQUASHFS"),
    ("xfs", "XFS_FS"),
];

const OPENED: &str = "VFS: Cannot open root device ";
const TRIED: &str = "List of all partitions:";
const WAITS: &str = "Waiting for root device ";

/// Whether the kernel begins to tell of its root with this line.
pub(super) fn begins(line: &str) -> bool {
    [OPENED, TRIED, WAITS].iter().any(|sign| line.contains(sign))
}

impl Given {
    /// Of several `root=` the kernel takes the last.
    pub(super) fn parse<'a>(options: impl IntoIterator<Item = &'a str>, bus: Bus) -> Option<Self> {
        let (mut root, mut file_system) = (None, None);
        for option in options.into_iter().flat_map(str::split_whitespace) {
            root = option.strip_prefix("root=").or(root);
            file_system = option.strip_prefix("rootfstype=").or(file_system);
        }
        let root = root?;
        let device = root.strip_prefix("/dev/").unwrap_or(root).to_owned();
        Some(Given { device, file_system: file_system.map(str::to_owned), bus })
    }

    /// What is behind a root that was not mounted; `told` is what the kernel printed of it.
    pub(super) fn why_not_mounted(&self, told: &[String]) -> String {
        let Given { device, .. } = self;
        let listed: Vec<&str> = told.iter().filter_map(|line| disk(line)).collect();
        if listed.contains(&device.as_str()) {
            let tried = told.iter().any(|line| line.contains(TRIED));
            return if tried { self.other_file_system() } else { self.no_file_system() };
        }
        let (whole, partition) = parts(device);
        if let (Some(partition), true) = (partition, listed.contains(&whole)) {
            return format!(
                "the kernel has {whole} and sees no partition {partition} on it: what reads its \
                 table has to be built in (=y), EFI_PARTITION for GPT, MSDOS_PARTITION for MBR"
            );
        }
        let has = match listed.as_slice() {
            [] => "no disk at all".to_owned(),
            listed => listed.join(", "),
        };
        let driver = DRIVERS.iter().find(|(name, ..)| whole.starts_with(name));
        let works =
            driver.is_some_and(|(name, ..)| listed.iter().any(|disk| disk.starts_with(name)));
        let why = if works {
            "its driver works, and the machine has no such disk".to_owned()
        } else {
            self.driver(driver)
        };
        format!("the kernel has no {whole} (it has {has}): {why}")
    }

    /// What is behind an init on that root that was not started.
    pub(super) fn why_no_init(&self) -> String {
        let device = &self.device;
        format!("the kernel mounted {device} but could not start its init: it needs BINFMT_ELF")
    }

    fn driver(&self, known: Option<&(&str, &str, bool)>) -> String {
        let Some((_, driver, virtio)) = known else {
            return "its driver has to be built in (=y)".to_owned();
        };
        let bus = match (virtio, self.bus) {
            (true, Bus::Mmio) => {
                " and, for the bus, VIRTIO_MMIO (on x86_64 with VIRTIO_MMIO_CMDLINE_DEVICES)"
            }
            (true, Bus::Pci) => " and, for the bus, PCI and VIRTIO_PCI",
            (false, _) => "",
        };
        format!(
            "{driver}{bus} have to be built in (=y), since a module would have to come from that \
             very root"
        )
    }

    fn no_file_system(&self) -> String {
        let Given { device, file_system, .. } = self;
        let Some(name) = file_system else {
            return format!(
                "the kernel has {device} and no file system for it: its driver has to be built in (=y)"
            );
        };
        let symbol = FILE_SYSTEMS.iter().find(|(known, _)| known == name);
        let driver = symbol.map_or("its driver", |(_, symbol)| symbol);
        format!("the kernel has {device} and no {name}: {driver} has to be built in (=y)")
    }

    fn other_file_system(&self) -> String {
        let Given { device, file_system, .. } = self;
        let what = file_system.as_deref().unwrap_or("file system that the kernel has");
        format!(
            "the kernel has {device}, and what is on it is no {what}, or one with features that \
             this kernel lacks"
        )
    }
}

/// The disk or partition of a line of the kernel's list: number, size in KiB, name.
fn disk(line: &str) -> Option<&str> {
    let line = line.split_once("] ").map_or(line, |(_, rest)| rest);
    let mut words = line.split_whitespace();
    let (number, size, name) = (words.next()?, words.next()?, words.next()?);
    let is_number = number.len() >= 4 && number.chars().all(|c| c.is_ascii_hexdigit() || c == ':');
    (is_number && size.chars().all(|c| c.is_ascii_digit())).then_some(name)
}

/// A disk and the number of a partition of it. Where a disk's name ends in a digit, a `p` stands before
/// that of a partition (block/genhd.c, `disk_name`).
fn parts(device: &str) -> (&str, Option<&str>) {
    let stem = device.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = &device[stem.len()..];
    if number.is_empty() {
        return (device, None);
    }
    let numbered = |disk: &&str| disk.ends_with(|c: char| c.is_ascii_digit());
    match stem.strip_suffix('p').filter(numbered) {
        Some(disk) => (disk, Some(number)),
        None if stem.starts_with("vd") || stem.starts_with("sd") => (stem, Some(number)),
        None => (device, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(options: &str, bus: Bus, told: &str) -> String {
        let told: Vec<String> = told.lines().map(str::to_owned).collect();
        Given::parse([options], bus).unwrap().why_not_mounted(&told)
    }

    const OPEN: &str = "VFS: Cannot open root device \"x\" or unknown-block(0,0): error -19\n";

    #[test]
    fn the_hint_follows_the_root_and_what_the_kernel_has() {
        let (vda, pmem) = ("root=/dev/vda ro rootfstype=ext4", "root=/dev/pmem0p1 rootfstype=ext4");
        let list = |lines: &str| format!("{OPEN}{lines}");
        let cases = [
            (vda, Bus::Mmio, list(""), "has no vda (it has no disk at all): VIRTIO_BLK and, for"),
            (vda, Bus::Mmio, list(""), "VIRTIO_MMIO_CMDLINE_DEVICES"),
            (vda, Bus::Pci, list(""), "VIRTIO_PCI have to be built in"),
            (pmem, Bus::Pci, list(""), "has no pmem0 (it has no disk at all): VIRTIO_PMEM"),
            (
                pmem,
                Bus::Pci,
                list("[    1.2] 10300   32768 pmem0 \n driver: nd_pmem"),
                "no partition 1 on it: what reads its table has to be built in (=y), EFI_PARTITION",
            ),
            (vda, Bus::Mmio, list("fe00    4096 vda \n"), "has vda and no ext4: EXT4_FS has to be"),
            (
                "root=/dev/vda root=/dev/vdb",
                Bus::Mmio,
                list("fe00    4096 vda \n"),
                "has no vdb (it has vda): its driver works",
            ),
            (
                pmem,
                Bus::Pci,
                list("fe00    4096 vda \n"),
                "has no pmem0 (it has vda): VIRTIO_PMEM and BLK_DEV_PMEM and, for the bus, PCI",
            ),
            ("root=/dev/vda1", Bus::Mmio, list("fe00    4096 vda \n"), "no partition 1"),
            (vda, Bus::Mmio, format!("{TRIED}\nfe00    4096 vda \n"), "what is on it is no ext4"),
            ("root=/dev/nvme0n1p2", Bus::Pci, list(""), "has no nvme0n1 (it has no disk at all)"),
            ("root=PARTUUID=0-1", Bus::Pci, list(""), "its driver has to be built in"),
        ];
        for (options, bus, told, expected) in cases {
            let hint = why(options, bus, &told);
            assert!(hint.contains(expected), "{options}: {hint}");
            assert!(!hint.contains("BLK_DEV_INITRD"), "{options}: {hint}");
        }
        assert!(Given::parse(["console=ttyS0"], Bus::Pci).is_none());
    }
}

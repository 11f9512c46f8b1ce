use std::time::{Duration, SystemTime};

use super::super::{state, verify};
use super::*;

#[test]
fn unpacks_a_tree() {
    let place = Place::new();
    let tar = Tar::linux("6.12.8")
        .program("linux/scripts/run.sh", "#!/bin/sh\n")
        .symlink("linux/arch/link", "../scripts/kconfig/conf.c");
    place.pin_file("linux-6.12.8.tar.xz", &tar.xz());
    let tree = place.fetch(false).unwrap();

    assert_eq!(tree.dir, place.cache.join("p-6.12.8"));
    assert_eq!(tree.version.to_string(), "6.12.8");
    assert!(tree.pinned);
    let record = &tree.record;
    assert_eq!((record.name.as_str(), record.version.as_str()), ("p", "6.12.8"));
    assert_eq!(place.cached(), ["p-6.12.8", "p-6.12.8.files", "p-6.12.8.json"]);

    let file = tree.dir.join("Makefile");
    let made = SystemTime::UNIX_EPOCH + Duration::from_secs(MADE);
    assert_eq!(file.metadata().unwrap().modified().unwrap(), made);
    assert_eq!(Place::mode(&file), 0o444);
    assert_eq!(Place::mode(&tree.dir.join("scripts/run.sh")), 0o555);
    let linked = std::fs::read_to_string(tree.dir.join("arch/link")).unwrap();
    assert_eq!(linked, "int main;\n");
}

#[test]
fn unpacks_gzip_and_a_header_of_git() {
    let place = Place::new();
    let tar = Tar::new().entry(tar::EntryType::XGlobalHeader, "pax_global_header", 0o664, "", "");
    let inner = Tar::linux("6.1.5").0.into_inner().unwrap();
    let mut bytes = tar.0.into_inner().unwrap();
    bytes.truncate(512);
    bytes.extend(inner);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&bytes).unwrap();
    place.pin_file("snapshot.tar.gz", &encoder.finish().unwrap());
    assert_eq!(place.fetch(false).unwrap().version.to_string(), "6.1.5");
}

#[test]
fn a_second_fetch_only_looks() {
    let place = Place::new();
    let archive = Tar::linux("6.12.8").xz();
    place.pin_file("linux-6.12.8.tar.xz", &archive);
    let first = place.fetch(false).unwrap();
    assert!(place.conf.join("linux-6.12.8.tar.xz").exists(), "a user's file is his");
    std::fs::remove_file(place.conf.join("linux-6.12.8.tar.xz")).unwrap();
    assert_eq!(place.fetch(true).unwrap().record, first.record);
    // A lost lock does not cost the tree.
    std::fs::remove_file(place.conf.join("sources.lock")).unwrap();
    assert_eq!(place.fetch(false).unwrap().record, first.record);
    assert!(place.conf.join("sources.lock").exists());
}

#[test]
fn an_archive_stays_in_its_folder() {
    let cases = [
        (Tar::linux("6.1.5").file("linux/../../evil", "x"), "leads out of the folder"),
        (Tar::linux("6.1.5").file("../evil", "x"), "leads out of the folder"),
        (Tar::linux("6.1.5").file("/evil", "x"), "leads out of the folder"),
        (Tar::linux("6.1.5").symlink("linux/evil", "../evil"), "leads out of the folder"),
        (Tar::linux("6.1.5").symlink("linux/a/evil", "b/../../../evil"), "leads out of the folder"),
        (Tar::linux("6.1.5").symlink("linux/evil", "/etc"), "leads out of the folder"),
        (
            Tar::linux("6.1.5").symlink("linux/x/y/a", "../..").symlink("linux/x/y/evil", "a/.."),
            "symlink `x/y/evil` leads through another one, `x/y/a`",
        ),
        (Tar::linux("6.1.5").file("other/evil", "x"), "two top-level folders"),
        (Tar::linux("6.1.5").file("linux/Makefile", "x"), "failed to create"),
        (Tar::linux("6.1.5").file("linux/Makefile/evil", "x"), "failed to create"),
        (Tar::new().file("evil", "x"), "not in a top-level folder"),
        (
            Tar::linux("6.1.5").entry(
                tar::EntryType::Link,
                "linux/evil",
                0o644,
                "linux/Makefile",
                "",
            ),
            "neither a file, a folder nor a symlink",
        ),
        (
            Tar::linux("6.1.5").entry(tar::EntryType::Fifo, "linux/evil", 0o644, "", ""),
            "neither a file, a folder nor a symlink",
        ),
    ];
    for (tar, expected) in cases {
        let place = Place::new();
        place.pin_file("linux-6.1.5.tar.gz", &tar.gz());
        let error = place.refusal();
        assert!(error.contains(expected), "{error}");
        assert!(!place.cache.join("evil").exists() && !place.cache.join("../evil").exists());
    }
}

#[test]
fn nothing_is_written_through_a_symlink() {
    let place = Place::new();
    let tar = Tar::linux("6.1.5").symlink("linux/link", "scripts").file("linux/link/evil", "x");
    place.pin_file("linux-6.1.5.tar.gz", &tar.gz());
    assert!(place.refusal().contains("failed to create symlink"));
}

#[test]
fn a_symlink_may_end_at_another_one() {
    let place = Place::new();
    let tar = Tar::linux("6.1.5").symlink("linux/a", "scripts").symlink("linux/arch/b", "../a");
    place.pin_file("linux-6.1.5.tar.gz", &tar.gz());
    assert!(place.fetch(false).unwrap().dir.join("arch/b/kconfig/conf.c").exists());
}

#[test]
fn a_time_that_no_clock_shows_is_refused() {
    let place = Place::new();
    let mut header = tar::Header::new_ustar();
    header.set_path("linux/late").unwrap();
    header.set_mode(0o664);
    header.set_size(0);
    // As tar writes a time before 1970.
    header.as_mut_bytes()[136] = 0x80;
    header.as_mut_bytes()[137..148].fill(0xff);
    header.set_cksum();
    let mut tar = Tar::linux("6.1.5");
    tar.0.append(&header, &b""[..]).unwrap();
    place.pin_file("linux-6.1.5.tar.gz", &tar.gz());
    assert!(place.refusal().contains("`late` has no possible time"));
}

#[test]
fn half_an_archive_is_no_tree() {
    let whole = Tar::linux("6.12.8").file("linux/big", &"0123456789abcdef\n".repeat(50_000)).xz();
    for archive in [&whole[..whole.len() / 2], &whole[..whole.len() - 1], &whole[..0], b"hello"] {
        let place = Place::new();
        place.pin_file("linux-6.12.8.tar.xz", archive);
        let error = place.refusal();
        assert!(error.contains("failed to unpack"), "{error}");
    }
}

#[test]
fn what_is_no_linux_tree_is_not_published() {
    let place = Place::new();
    place.pin_file("x.tar.gz", &Tar::new().file("x/README", "hello").gz());
    assert!(place.refusal().contains("no Linux source tree"));
    place.pin_file("x.tar.gz", &Tar::linux("5.4.280").gz());
    assert!(place.refusal().contains("is Linux 5.4.280: needs 5.10 or newer"));
}

#[test]
fn names_both_hashes() {
    let place = Place::new();
    let archive = Tar::linux("6.12.8").gz();
    std::fs::write(place.conf.join("linux-6.12.8.tar.gz"), &archive).unwrap();
    place.pin_tarball("linux-6.12.8.tar.gz", &"0".repeat(64));
    let error = place.refusal();
    assert!(
        error.contains(&hash::of_bytes(&archive)) && error.contains(&"0".repeat(64)),
        "{error}"
    );
    assert!(place.conf.join("linux-6.12.8.tar.gz").exists());
}

#[test]
fn leftovers_of_a_killed_run_go() {
    let place = Place::new();
    put(&place.cache, ".tmp-abc/tree/Makefile", "VERSION");
    put(&place.cache, "p-6.12.8/Makefile", "half");
    put(&place.conf, ".tmp-sources.lock-abc", "half");
    put(&place.conf, ".tmp-mine", "");
    place.pin_file("linux-6.12.8.tar.gz", &Tar::linux("6.12.8").gz());
    let tree = place.fetch(false).unwrap();
    assert!(std::fs::read_to_string(tree.dir.join("Makefile")).unwrap().starts_with("VERSION = 6"));
    assert!(!place.conf.join(".tmp-sources.lock-abc").exists());
    assert!(place.conf.join(".tmp-mine").exists(), "a user's file is his");
    assert_eq!(place.cached(), ["p-6.12.8", "p-6.12.8.files", "p-6.12.8.json"]);
}

#[test]
fn verify_tells_what_has_changed() {
    let place = Place::new();
    place.pin_file("linux-6.12.8.tar.gz", &Tar::linux("6.12.8").gz());
    let tree = place.fetch(false).unwrap();
    let sources = place.sources();
    let pin = sources.pin(None).unwrap();
    let verify = || verify(&place.shell, Progress::Silent, &sources, pin, &place.cache);
    assert!(verify().unwrap().is_empty());

    std::fs::remove_file(tree.dir.join("Kconfig")).unwrap();
    std::fs::remove_file(tree.dir.join("arch/x86/Kconfig")).unwrap();
    put(&tree.dir, "arch/x86/Kconfig", "config EVIL\n");
    put(&tree.dir, ".config", "");
    let found = verify().unwrap();
    assert_eq!((found.changed.len(), found.missing.len(), found.added.len()), (1, 1, 1));
    assert_eq!(found.changed[0], "arch/x86/Kconfig");

    put(&place.cache, "p-6.12.8.files", "");
    assert!(verify().unwrap_err().to_string().contains("is not the one that was written"));
}

const PATCH: &str = "\
--- a/Kconfig
+++ b/Kconfig
@@ -1 +1,2 @@
 mainmenu \"Linux\"
+config NEW
";

#[test]
fn patches_are_part_of_a_tree() {
    let place = Place::new();
    place.pin_file("linux-6.12.8.tar.gz", &Tar::linux("6.12.8").gz());
    let plain = place.fetch(false).unwrap();
    let pinned = std::fs::read_to_string(place.conf.join("sources.toml")).unwrap();
    put(&place.conf, "sources.toml", &format!("{pinned}patches = \"patches\"\n"));
    put(&place.conf, "patches/0001-new.patch", PATCH);
    put(&place.conf, "patches/README", "not a patch");

    let demanded = format!("{:#}", place.fetch(true).unwrap_err());
    assert!(demanded.contains("patches of kernel source `p` are not those"), "{demanded}");
    let patched = place.fetch(false).unwrap();
    assert_ne!(patched.dir, plain.dir);
    assert_eq!(patched.record.patches.len(), 1);
    assert!(patched.record.patches[0].starts_with("0001-new.patch@"));
    let text = std::fs::read_to_string(patched.dir.join("Kconfig")).unwrap();
    assert_eq!(text, "mainmenu \"Linux\"\nconfig NEW\n");
    assert_eq!(Place::mode(&patched.dir.join("Kconfig")), 0o444);
    let sources = place.sources();
    let pin = sources.pin(None).unwrap();
    let difference = verify(&place.shell, Progress::Silent, &sources, pin, &place.cache);
    assert!(difference.unwrap().is_empty());
    assert_eq!(place.fetch(true).unwrap().dir, patched.dir);

    put(&place.conf, "patches/0001-new.patch", &PATCH.replace("NEW", "NEWER"));
    assert_ne!(place.fetch(false).unwrap().dir, patched.dir);
}

#[test]
fn a_patch_can_be_left_out() {
    let place = Place::new();
    place.pin_file("linux-6.12.8.tar.gz", &Tar::linux("6.12.8").gz());
    let pinned = std::fs::read_to_string(place.conf.join("sources.toml")).unwrap();
    put(&place.conf, "sources.toml", &format!("{pinned}patches = \"patches\"\n"));
    put(&place.conf, "patches/0001-new.patch", PATCH);
    put(
        &place.conf,
        "patches/0002-arch.patch",
        "--- /dev/null\n+++ b/arch/new\n@@ -0,0 +1 @@\n+x\n",
    );
    let sources = place.sources();
    let without = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        sources.pin(None).unwrap().without(&names)
    };
    assert_eq!(without(&[]).unwrap().patch_names().unwrap(), ["new", "arch"]);
    let unknown = without(&["naw"]).unwrap_err();
    assert_eq!(unknown.to_string(), "kernel source `p` has no patch `naw`");
    assert_eq!(crate::diag::Failure::new(&unknown).hints, ["did you mean `new`?"]);

    let fetch = |names: &[&str], locked| {
        let pin = without(names).unwrap();
        let wanted = Wanted::locked_if(locked);
        fetch(&place.shell, Progress::Silent, &sources, &pin, &place.cache, wanted)
    };
    let kconfig = |tree: &Tree| std::fs::read_to_string(tree.dir.join("Kconfig")).unwrap();
    let patched = fetch(&["arch"], false).unwrap();
    assert!(kconfig(&patched).contains("NEW"));
    let lock = std::fs::read_to_string(place.conf.join("sources.lock")).unwrap();
    // What one run leaves out is not recorded, and not against the record.
    let plain = fetch(&["arch", "new"], true).unwrap();
    assert!(!kconfig(&plain).contains("NEW") && plain.record.patches.is_empty());
    assert_ne!(plain.dir, patched.dir);
    assert_eq!(fetch(&["arch"], true).unwrap().dir, patched.dir);
    assert_eq!(std::fs::read_to_string(place.conf.join("sources.lock")).unwrap(), lock);
}

#[test]
fn a_patch_that_does_not_apply_is_named() {
    let place = Place::new();
    place.pin_file("linux-6.12.8.tar.gz", &Tar::linux("6.12.8").gz());
    let pinned = std::fs::read_to_string(place.conf.join("sources.toml")).unwrap();
    put(&place.conf, "sources.toml", &format!("{pinned}patches = \"patches\"\n"));
    put(&place.conf, "patches/0001-good.patch", PATCH);
    put(&place.conf, "patches/0002-bad.patch", &PATCH.replace("Linux", "Minix"));
    let error = place.refusal();
    assert!(error.contains("failed to apply patch") && error.contains("0002-bad.patch"), "{error}");
    std::fs::remove_file(place.conf.join("patches/0001-good.patch")).unwrap();
    std::fs::remove_file(place.conf.join("patches/0002-bad.patch")).unwrap();
    let error = format!("{:#}", place.fetch(false).unwrap_err());
    assert!(error.contains("has no *.patch file"), "{error}");
}

#[test]
fn a_lock_is_demanded_or_written() {
    let place = Place::new();
    place.pin_file("linux-6.12.8.tar.gz", &Tar::linux("6.12.8").gz());
    let error = format!("{:#}", place.fetch(true).unwrap_err());
    assert!(error.contains("has no entry for kernel source `p`"), "{error}");
    place.fetch(false).unwrap();
    let lock = std::fs::read_to_string(place.conf.join("sources.lock")).unwrap();
    assert!(lock.contains("[source.p]") && lock.contains("version = \"6.12.8\""), "{lock}");
    place.fetch(true).unwrap();

    // Another tarball under the same name: its entry is out of date.
    place.pin_file("linux-6.12.8.tar.gz", &Tar::linux("6.12.8").file("linux/x", "").gz());
    assert!(place.fetch(true).is_err());
    assert!(place.fetch(false).unwrap().dir.join("x").exists());
    assert_ne!(std::fs::read_to_string(place.conf.join("sources.lock")).unwrap(), lock);

    put(&place.conf, "sources.lock", "[source.p]\nfrom = 3\n");
    let error = format!("{:#}", place.fetch(false).unwrap_err());
    assert!(error.contains("sources.lock:2: invalid type"), "{error}");
}

#[test]
fn a_conf_dir_that_is_not_there_has_no_pins() {
    let place = Place::new();
    let error = Sources::read(&place.conf.join("typo")).unwrap_err().to_string();
    assert!(error.contains("conf/typo: no such folder"), "{error}");
}

#[test]
fn the_built_in_pins_leave_a_conf_dir_alone() {
    let place = Place::new();
    let sources = place.sources();
    let state = state(&sources, sources.pin(Some("6.1")).unwrap(), &place.cache).unwrap();
    assert!(state.locked.is_none() && state.tree.is_none());
    assert_eq!(place.conf.read_dir_utf8().unwrap().count(), 0);
}

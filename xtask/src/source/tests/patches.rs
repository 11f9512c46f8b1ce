//! What patches must not do.

use super::super::patches::Patches;
use super::*;

/// A tree and one patch for it.
fn patched(patch: &str) -> Place {
    let place = Place::new();
    let tar = Tar::linux("6.12.8").symlink("linux/arch/link", "../scripts");
    place.pin_file("linux-6.12.8.tar.gz", &tar.gz());
    let pins = std::fs::read_to_string(place.conf.join("sources.toml")).unwrap();
    put(&place.conf, "sources.toml", &format!("{pins}patches = \"patches\"\n"));
    put(&place.conf, "patches/0001-evil.patch", patch);
    place
}

fn new_file(path: &str, mode: &str, text: &str) -> String {
    format!(
        "diff --git a/{path} b/{path}\nnew file mode {mode}\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n\
         +{text}\n\\ No newline at end of file\n"
    )
}

#[test]
fn a_patch_stays_in_the_tree() {
    let cases = [
        (new_file("../evil", "100644", "x"), "invalid path '../evil'"),
        (new_file("arch/../../evil", "100644", "x"), "invalid path 'arch/../../evil'"),
        (new_file("/evil", "100644", "x"), "invalid path '/evil'"),
        ("--- /dev/null\n+++ b//evil\n@@ -0,0 +1 @@\n+x\n".to_owned(), "invalid path '/evil'"),
        (new_file("arch/link/evil", "100644", "x"), "'arch/link/evil' is beyond a symbolic link"),
        (
            new_file("out", "120000", "..") + &new_file("out/evil", "100644", "x"),
            "'out/evil' is beyond a symbolic link",
        ),
        (new_file("out", "120000", ".."), "symlink `out` leads out of the folder"),
        (new_file("out", "120000", "/etc"), "symlink `out` leads out of the folder"),
        (new_file("out", "120000", "arch/link/.."), "leads through another one, `arch/link`"),
        (new_file(".git/config", "100644", "x"), "invalid path '.git/config'"),
    ];
    for (patch, expected) in cases {
        let place = patched(&patch);
        let error = place.refusal();
        assert!(error.contains(expected), "{error}");
        for outside in ["evil", "../evil", "../conf/evil"] {
            assert!(!place.cache.join(outside).exists());
        }
    }
}

#[test]
fn nothing_is_guessed() {
    let hunk =
        "--- a/Makefile\n+++ b/Makefile\n@@ -1,3 +1,4 @@\n VERSION = 6\n PATCHLEVEL = 12\n+X = 1\n";
    let place = patched(&format!("{hunk} SUBLEVEL = 8\n"));
    let tree = place.fetch(false).unwrap();
    assert!(std::fs::read_to_string(tree.dir.join("Makefile")).unwrap().contains("X = 1"));
    for line in [" SUBLEVEL = 9\n", " SUBLEVEL =  8\n"] {
        let error = patched(&format!("{hunk}{line}")).refusal();
        assert!(
            error.contains("0001-evil.patch") && error.contains("patch failed: Makefile:1"),
            "{error}"
        );
    }
}

#[test]
fn a_patch_is_for_this_tree_and_not_for_a_repository_around_it() {
    let place = patched(&new_file("arch/new", "100755", "x"));
    let init = xshell::cmd!(place.shell.sh, "git init --quiet").arg(place.conf.join(".."));
    assert!(place.shell.run(init, std::time::Duration::from_secs(60)).unwrap().success());
    let tree = place.fetch(false).unwrap();
    assert_eq!(Place::mode(&tree.dir.join("arch/new")), 0o555);
}

#[test]
fn a_patch_is_for_the_releases_that_it_names_and_in_its_newest_form() {
    let (_guard, folder) = temp();
    for (name, since) in [
        ("0001-reuse.patch", "Since: 6.13, 6.12.9, 6.1.124\n"),
        ("0002-slub.patch", ""),
        ("0002-slub@10.patch", "Since: 10.0\n"),
        ("0002-top.patch", "Since: 99.0\n"),
        ("0003-slub@7.patch", "Since: 7.1\n"),
    ] {
        put(&folder, name, &format!("Subject: x\n{since}\n--- a/x\n+++ b/x\n Since: 1.0\n"));
    }
    let patches = Patches::read(Some(&folder)).unwrap();
    assert_eq!(patches.names(), ["reuse", "slub", "top"]);
    assert_eq!(patches.without(&["slub".to_owned()]).names(), ["reuse", "top"]);
    let records = |patches: Patches| {
        let name = |record: String| record.split_once(".patch@").unwrap().0.to_owned();
        patches.records().into_iter().map(name).collect::<Vec<_>>()
    };
    for (version, expected) in [
        ("5.10.262", &["0002-slub"][..]),
        ("6.12.8", &["0002-slub"]),
        ("6.12.117-1~deb12u1", &["0001-reuse", "0002-slub"]),
        ("6.1.123", &["0002-slub"]),
        ("7.3.4", &["0001-reuse", "0003-slub@7"]),
        ("10.1", &["0001-reuse", "0002-slub@10"]),
    ] {
        assert_eq!(records(patches.of_release(version)), expected, "{version}");
    }
    // A commit does not say its version.
    assert_eq!(patches.of_release("6074f37d2a1b"), patches);
    put(&folder, "0003-bad.patch", "Subject: x\nSince: 6.9, 6.8\n");
    let error = format!("{:#}", Patches::read(Some(&folder)).unwrap_err());
    assert!(error.contains("0003-bad.patch:2: 6.8.0 is not of a stable series"), "{error}");
}

#[test]
fn a_tree_is_patched_by_what_its_makefile_says() {
    let place = patched(&new_file("arch/old", "100644", "x"));
    let newer = |since: &str| format!("Since: {since}\n{}", new_file("arch/new", "100644", "x"));
    put(&place.conf, "patches/0001-evil@6.12.8.patch", &newer("6.12.8"));
    put(&place.conf, "patches/0002-later.patch", &newer("6.12.9"));
    let tree = place.fetch(false).unwrap();
    let there = |name: &str| tree.dir.join("arch").join(name).exists();
    assert!(there("new") && !there("old"));
    assert_eq!(tree.record.patches.len(), 1, "{:?}", tree.record.patches);
}

//! What patches must not do.

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

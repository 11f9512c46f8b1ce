//! What becomes of files as people write them.

use super::*;

fn files(texts: &[(&str, &str)]) -> Files {
    texts.iter().map(|(path, text)| ((*path).into(), Content::text(*text))).collect()
}

const OURS: &str = "[workspace]\nmembers = [\"xtask\", \"xtask/kconfig\", \"vmm/kernel\", \"docs\"]\n\n\
                    [workspace.dependencies]\na = \"1\" # not 2\n\n# Fast.\n[profile.xtask]\n\
                    opt-level = 1\n\n[profile.dev]\ndebug = 0\n";
const ALIAS: &str = "[alias]\nxtask = \"run\"\n";
const RULE: &str = "bin/vmlinux.bin:\n\t@cp vmm/scripts/kernel/x/y $@\n";
const OUR_RULE: &str =
    "bin/vmlinux.bin:\n\t@cargo xtask kernel --hypervisor ${HYPERVISOR} --arch ${ARCH}\n";

/// The edited files, after a second look that finds nothing to do.
fn adopted(manifest: &str, config: &str, makefile: &str) -> Vec<String> {
    let home = files(&[(MANIFEST, OURS), (CONFIG, ALIAS), ("fragments/net.conf", "")]);
    let mut checkout = files(&[(MANIFEST, manifest), (CONFIG, config), (MAKEFILE, makefile)]);
    let adoption = plan(&home, &checkout).unwrap();
    checkout.extend(adoption.files);
    assert!(plan(&home, &checkout).unwrap().is_nothing());
    let text = |path: &str| text(&checkout, path).unwrap().to_owned();
    [MANIFEST, CONFIG, MAKEFILE].map(text).into()
}

#[test]
fn lists_grow_as_they_are_written() {
    let tables = "\n[workspace.dependencies]\na = \"1\" # not 2\n";
    let profile = "\n# Fast.\n[profile.xtask]\nopt-level = 1\n";
    for (before, after) in [
        ("[\"a\"]", "[\"a\", \"xtask\", \"xtask/kconfig\", \"vmm/kernel\"]"),
        ("[\n  \"a\",\n]", "[\n  \"a\",\n  \"xtask\",\n  \"xtask/kconfig\",\n  \"vmm/kernel\",\n]"),
        ("[\n  \"a\"\n]", "[\n  \"a\",\n  \"xtask\",\n  \"xtask/kconfig\",\n  \"vmm/kernel\"\n]"),
        (
            "[\n  # one\n  \"a\", # first\n  # more\n]",
            "[\n  # one\n  \"a\", # first\n  # more\n  \"xtask\",\n  \"xtask/kconfig\",\n  \
             \"vmm/kernel\",\n]",
        ),
        (
            "[\n  \"a\" # first\n]",
            "[\n  \"a\", # first\n  \"xtask\",\n  \"xtask/kconfig\",\n  \"vmm/kernel\"\n]",
        ),
        ("[ \"xtask/kconfig\" ]", "[ \"xtask/kconfig\", \"xtask\", \"vmm/kernel\" ]"),
    ] {
        let theirs = |list: &str| format!("# ours\n[workspace]\nmembers = {list} # all\n");
        let manifest = &adopted(&theirs(before), "", RULE)[0];
        assert_eq!(manifest, &format!("{}{tables}{profile}", theirs(after)));
    }
}

#[test]
fn what_is_there_stays_where_it_is() {
    let manifest = "[profile.xtask]\nopt-level = 1\n\n[workspace]\nmembers = []\n\n\
                    [workspace.dependencies]\nb = \"1\" # why\n\n[profile.dev]\ndebug = 1\n";
    let [manifest, config, _] = &adopted(manifest, "[net]\nretry = 1\n", RULE)[..] else {
        panic!()
    };
    let expected = "[profile.xtask]\nopt-level = 1\n\n[workspace]\n\
                    members = [\"xtask\", \"xtask/kconfig\", \"vmm/kernel\"]\n\n\
                    [workspace.dependencies]\nb = \"1\" # why\na = \"1\" # not 2\n\n\
                    [profile.dev]\ndebug = 1\n";
    assert_eq!(manifest, expected);
    assert_eq!(config, "[net]\nretry = 1\n\n[alias]\nxtask = \"run\"\n");
}

#[test]
fn a_recipe_is_replaced_and_its_surroundings_stay() {
    let around = |rule: &str| format!("a:\n\t@b\n\n{rule}\nc: a");
    let workspace = "[workspace]\nmembers = []\n";
    assert_eq!(adopted(workspace, "", &around(RULE))[2], around(OUR_RULE) + "\n");
    let own = around(&OUR_RULE.replace("@cargo", "@sudo cargo"));
    assert_eq!(adopted(workspace, "", &own)[2], own);
}

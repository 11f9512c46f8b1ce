//! Commits of repositories made here.

use super::super::{state, verify};
use super::*;
use crate::diag::Failure;
use xshell::cmd;

/// A repository with a tree of Linux's in it, and its commit's name.
fn repository(place: &Place) -> (Utf8PathBuf, String) {
    let dir = place.conf.join("../repository");
    put_tree(&dir, "6.12.8");
    put(&dir, "scripts/run.sh", "#!/bin/sh\n");
    std::fs::set_permissions(dir.join("scripts/run.sh"), PermissionsExt::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("../scripts/run.sh", dir.join("arch/link")).unwrap();
    git(place, &["init", "--quiet", "--initial-branch=main"]);
    let commit = commit(place);
    (dir, commit)
}

fn git(place: &Place, arguments: &[&str]) -> String {
    let dir = place.conf.join("../repository");
    let who =
        ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgSign=false"];
    let git = cmd!(place.shell.sh, "git -C {dir} {who...} {arguments...}");
    let done = place.shell.run(git, std::time::Duration::from_secs(60)).unwrap();
    assert!(done.success(), "{}", done.stderr);
    done.stdout.trim().to_owned()
}

fn commit(place: &Place) -> String {
    git(place, &["add", "--all"]);
    git(place, &["commit", "--quiet", "--message=x"]);
    git(place, &["rev-parse", "HEAD"])
}

fn pin(place: &Place, commit: &str) {
    let url = format!("file://{}", place.conf.join("../repository"));
    place.pin(&format!("provider = \"git\"\nurl = \"{url}\"\ncommit = \"{commit}\""));
}

#[test]
fn takes_a_commit_without_its_history() {
    let place = Place::new();
    let (dir, commit) = repository(&place);
    pin(&place, &commit);
    let error = format!("{:#}", place.fetch(true).unwrap_err());
    assert!(error.contains("has no entry for kernel source `p`"), "{error}");
    let tree = place.fetch(false).unwrap();
    let head = &commit[..12];
    assert_eq!((tree.record.version.as_str(), tree.version.to_string().as_str()), (head, "6.12.8"));
    let name = format!("p-{head}");
    assert_eq!(place.cached(), [name.clone(), format!("{name}.files"), format!("{name}.json")]);
    assert!(!tree.dir.join(".git").exists());
    assert_eq!(Place::mode(&tree.dir.join("Makefile")), 0o444);
    assert_eq!(Place::mode(&tree.dir.join("scripts/run.sh")), 0o555);
    assert_eq!(std::fs::read_to_string(tree.dir.join("arch/link")).unwrap(), "#!/bin/sh\n");
    let lock = std::fs::read_to_string(place.conf.join("sources.lock")).unwrap();
    assert!(lock.contains(&format!("from = \"git+file:repository#{commit}\"")), "{lock}");

    let sources = place.sources();
    let pin = sources.pin(None).unwrap();
    assert!(
        verify(&place.shell, Progress::Silent, &sources, pin, &place.cache).unwrap().is_empty()
    );
    let state = state(&sources, pin, &place.cache).unwrap();
    assert_eq!(state.tree.unwrap().dir, tree.dir);
    // Nobody is asked again.
    std::fs::remove_dir_all(dir).unwrap();
    assert_eq!(place.fetch(true).unwrap().record, tree.record);
    assert_eq!(place.fetch_wanted(Wanted::Newest).unwrap().record, tree.record);
}

#[test]
fn an_older_commit_is_no_less_a_commit() {
    let place = Place::new();
    let (dir, first) = repository(&place);
    put(&dir, "later", "x");
    commit(&place);
    for protocol in ["2", "0"] {
        // The older protocol gives only what has a name: all is fetched then.
        place.shell.sh.set_var("GIT_CONFIG_COUNT", "1");
        place.shell.sh.set_var("GIT_CONFIG_KEY_0", "protocol.version");
        place.shell.sh.set_var("GIT_CONFIG_VALUE_0", protocol);
        let _ = std::fs::remove_dir_all(&place.cache);
        pin(&place, &first);
        let tree = place.fetch(false).unwrap();
        assert!(!tree.dir.join("later").exists() && tree.dir.join("Makefile").exists());
    }
}

#[test]
fn the_files_are_those_of_the_commit() {
    let place = Place::new();
    let (dir, _) = repository(&place);
    put(
        &dir,
        ".gitattributes",
        "hidden export-ignore\nsubst export-subst\n*.txt text eol=crlf\nid ident\n",
    );
    for (name, text) in
        [("hidden", "x\n"), ("subst", "$Format:%H$\n"), ("a.txt", "a\n"), ("id", "$Id$\n")]
    {
        put(&dir, name, text);
    }
    pin(&place, &commit(&place));
    let tree = place.fetch(false).unwrap();
    let read = |name: &str| std::fs::read_to_string(tree.dir.join(name)).unwrap();
    assert_eq!(
        ["hidden", "subst", "a.txt", "id"].map(read),
        ["x\n", "$Format:%H$\n", "a\n", "$Id$\n"]
    );
}

#[test]
fn patches_go_on_top() {
    let place = Place::new();
    let (_, commit) = repository(&place);
    pin(&place, &commit);
    let plain = place.fetch(false).unwrap();
    put(&place.conf, "patches/new.patch", "--- /dev/null\n+++ b/arch/new\n@@ -0,0 +1 @@\n+x\n");
    let pins = std::fs::read_to_string(place.conf.join("sources.toml")).unwrap();
    put(&place.conf, "sources.toml", &format!("{pins}patches = \"patches\"\n"));
    let patched = place.fetch(false).unwrap();
    assert!(patched.dir.join("arch/new").exists() && patched.dir != plain.dir);
    // What is patched is the same commit.
    assert_eq!(patched.record.sha256, plain.record.sha256);
}

#[test]
fn patches_for_other_versions_than_the_commits_are_not_recorded() {
    let place = Place::new();
    let (_, commit) = repository(&place);
    pin(&place, &commit);
    let new = |name: &str| format!("--- /dev/null\n+++ b/arch/{name}\n@@ -0,0 +1 @@\n+x\n");
    put(&place.conf, "patches/1-new.patch", &new("old"));
    put(&place.conf, "patches/1-new@7.1.patch", &format!("Since: 7.1\n{}", new("new")));
    put(&place.conf, "patches/2-later.patch", &format!("Since: 6.13\n{}", new("later")));
    let pins = std::fs::read_to_string(place.conf.join("sources.toml")).unwrap();
    put(&place.conf, "sources.toml", &format!("{pins}patches = \"patches\"\n"));
    let tree = place.fetch(false).unwrap();
    let [patch] = &tree.record.patches[..] else { panic!("{:?}", tree.record.patches) };
    assert!(patch.starts_with("1-new.patch@"), "{patch}");
    // The tree is found again, and is what the lock says.
    std::fs::remove_dir_all(place.conf.join("../repository")).unwrap();
    assert_eq!(place.fetch(true).unwrap().record, tree.record);
    let sources = place.sources();
    let state = state(&sources, sources.pin(None).unwrap(), &place.cache).unwrap();
    assert_eq!((state.record.unwrap(), state.patches), (tree.record, vec!["new".to_owned()]));
}

#[test]
fn what_is_no_commit_there_is_refused() {
    let place = Place::new();
    let (dir, commit) = repository(&place);
    pin(&place, &"0123456789".repeat(4));
    let error = place.fetch(false).unwrap_err();
    assert!(format!("{error:#}").contains("has commit 0123456789"), "{error:#}");
    assert!(Failure::new(&error).hints[0].starts_with("look the commit up"), "{error:#}");
    assert!(place.cached().is_empty());

    git(&place, &["tag", "--annotate", "--message=x", "v1"]);
    pin(&place, &git(&place, &["rev-parse", "v1"]));
    let error = place.refusal();
    assert!(error.contains("is a tag, not a commit"), "{error}");

    std::fs::remove_dir_all(dir).unwrap();
    pin(&place, &commit);
    let error = place.refusal();
    assert!(error.contains("failed to fetch commit") && error.contains("repository"), "{error}");
}

#[test]
fn a_commit_stays_in_its_folder() {
    let place = Place::new();
    let (dir, _) = repository(&place);
    std::os::unix::fs::symlink("../../evil", dir.join("arch/evil")).unwrap();
    pin(&place, &commit(&place));
    let error = place.refusal();
    assert!(error.contains("symlink `arch/evil` leads out of the folder"), "{error}");
}

#[test]
fn a_lock_holds_for_a_commit_too() {
    let place = Place::new();
    let (_, commit) = repository(&place);
    pin(&place, &commit);
    let sha256 = place.fetch(false).unwrap().record.sha256;
    std::fs::remove_dir_all(&place.cache).unwrap();
    let lock = std::fs::read_to_string(place.conf.join("sources.lock")).unwrap();
    place.fetch(true).unwrap();
    std::fs::remove_dir_all(&place.cache).unwrap();
    put(&place.conf, "sources.lock", &lock.replace(&sha256, &"0".repeat(64)));
    let error = place.refusal();
    assert!(error.contains(&format!("has sha256 {sha256}, expected 000")), "{error}");
}

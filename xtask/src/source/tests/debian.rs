//! The Debian provider against programs that answer as apt and dpkg do.

use super::*;

/// A distribution with one package, of which it has `versions`, newest first.
fn distribution(place: &Place, versions: &[&str]) {
    let bin = place.conf.join("../bin");
    let mirror = place.conf.join("../mirror");
    for version in versions {
        let number = version.split('-').next().unwrap();
        let archive = Tar::linux(number).xz();
        std::fs::create_dir_all(&mirror).unwrap();
        std::fs::write(mirror.join(format!("{version}.tar.xz")), archive).unwrap();
    }
    let newest = versions.first().unwrap_or(&"(none)");
    let table: String = versions
        .iter()
        .map(|version| {
            format!("echo 'linux | {version} | http://h/ bookworm/main amd64 Packages'\n")
        })
        .collect();
    script(
        &bin,
        "apt-cache",
        &format!(
            "case $1 in policy) echo 'linux:'; echo '  Installed: (none)'; echo '  Candidate: {newest}';; \
             madison) {table};; esac"
        ),
    );
    script(
        &bin,
        "apt-get",
        &format!(
            "for word; do :; done; v=${{word#linux=}}\n\
        [ -f {mirror}/$v.tar.xz ] || {{ echo \"E: Failed to fetch $v  404  Not Found\" >&2; exit 100; }}\n\
        echo $v > linux_$v.deb"
        ),
    );
    script(
        &bin,
        "dpkg-deb",
        &format!("mkdir -p $3/usr/src && cp {mirror}/$(cat $2).tar.xz $3/usr/src/linux.tar.xz"),
    );
    let path = std::env::var("PATH").unwrap();
    place.shell.sh.set_var("PATH", format!("{bin}:{path}"));
    place.pin("provider = \"debian\"\npackage = \"linux\"");
}

pub(super) fn script(bin: &Utf8Path, name: &str, text: &str) {
    put(bin, name, &format!("#!/bin/sh\n{text}\n"));
    std::fs::set_permissions(bin.join(name), PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn takes_the_candidate_and_records_it() {
    let place = Place::new();
    distribution(&place, &["6.12.8-1~deb12u1", "6.12.7-1"]);
    let tree = place.fetch(false).unwrap();
    assert_eq!(tree.record.version, "6.12.8-1~deb12u1");
    assert_eq!(tree.dir, place.cache.join("p-6.12.8-1~deb12u1"));
    let lock = std::fs::read_to_string(place.conf.join("sources.lock")).unwrap();
    assert!(
        lock.contains("from = \"debian:linux\"") && lock.contains(&tree.record.sha256),
        "{lock}"
    );
}

#[test]
fn the_lock_outlives_a_newer_version() {
    let place = Place::new();
    distribution(&place, &["6.12.7-1"]);
    let before = place.fetch(false).unwrap();
    distribution(&place, &["6.12.8-1", "6.12.7-1"]);
    assert_eq!(place.fetch(false).unwrap().record, before.record);
    std::fs::remove_dir_all(&place.cache).unwrap();
    assert_eq!(place.fetch(true).unwrap().record, before.record);
}

#[test]
fn an_update_takes_the_newest_and_records_it() {
    let place = Place::new();
    distribution(&place, &["6.12.7-1"]);
    place.fetch(false).unwrap();
    distribution(&place, &["6.12.8-1", "6.12.7-1"]);
    assert_eq!(place.fetch_wanted(Wanted::Newest).unwrap().record.version, "6.12.8-1");
    assert_eq!(place.fetch(true).unwrap().record.version, "6.12.8-1");
    // There is nothing newer now.
    assert_eq!(place.fetch_wanted(Wanted::Newest).unwrap().record.version, "6.12.8-1");
}

#[test]
fn a_version_that_is_gone_is_replaced_unless_locked() {
    let place = Place::new();
    distribution(&place, &["6.12.7-1"]);
    place.fetch(false).unwrap();
    distribution(&place, &["6.12.8-1"]);
    // Unpacked, so nothing has to be had.
    assert_eq!(place.fetch(true).unwrap().record.version, "6.12.7-1");
    std::fs::remove_dir_all(&place.cache).unwrap();
    let error = format!("{:#}", place.fetch(true).unwrap_err());
    assert!(
        error.contains("failed to download http://127.0.0.1:1/mr/binary/linux/6.12.7-1/"),
        "{error}"
    );
    assert_eq!(place.fetch(false).unwrap().record.version, "6.12.8-1");
    assert_eq!(place.fetch(true).unwrap().record.version, "6.12.8-1");
}

#[test]
fn other_content_under_a_locked_version_is_refused() {
    let place = Place::new();
    distribution(&place, &["6.12.7-1"]);
    let record = place.fetch(false).unwrap().record;
    std::fs::remove_dir_all(&place.cache).unwrap();
    let other = Tar::linux("6.12.7").file("linux/x", "").xz();
    std::fs::write(place.conf.join("../mirror/6.12.7-1.tar.xz"), &other).unwrap();
    let error = place.refusal();
    assert!(error.contains(&record.sha256) && error.contains(&hash::of_bytes(&other)), "{error}");
}

#[test]
fn says_what_apt_said() {
    let place = Place::new();
    distribution(&place, &["6.12.7-1"]);
    std::fs::remove_dir_all(place.conf.join("../mirror")).unwrap();
    let error = place.refusal();
    assert!(error.contains("failed to download package linux=6.12.7-1"), "{error}");
    assert!(error.contains("404  Not Found"), "{error}");
    distribution(&place, &[]);
    assert!(place.refusal().contains("apt knows no version of package linux"));
}

#[test]
fn needs_a_kin_of_debian() {
    let place = Place::new();
    place.pin("provider = \"debian\"\npackage = \"linux\"");
    place.shell.sh.set_var("PATH", "/nowhere");
    assert!(place.refusal().contains("failed to start `apt-cache`"));
}

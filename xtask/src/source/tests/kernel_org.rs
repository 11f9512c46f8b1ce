//! A mirror of kernel.org's with what `tests/data/kernel.org/make.sh` has made.

use super::server::{Answer, Server};
use super::*;
use crate::diag::Failure;

pub(super) fn data(name: &str) -> Vec<u8> {
    let dir = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/kernel.org");
    std::fs::read(dir.join(name)).unwrap()
}

pub(super) fn fingerprint(of: &str) -> String {
    let all = String::from_utf8(data("fingerprints")).unwrap();
    let line = all.lines().find(|line| line.contains(of)).unwrap();
    line.split_whitespace().next().unwrap().to_owned()
}

/// A mirror that has this list and the tarball of 6.12.8, under the name of 6.12.9 too.
fn mirror(list: Vec<u8>, answers: Vec<Answer>) -> Server {
    let tarball = data("linux-6.12.8.tar.xz");
    let files = [
        ("sha256sums.asc", list),
        ("linux-6.12.8.tar.xz", tarball.clone()),
        ("linux-6.12.9.tar.xz", tarball),
    ];
    Server::of_files(files.map(|(name, content)| (name.to_owned(), content)).into(), answers)
}

/// A place where `version` is pinned to that mirror, with `signer` trusted.
fn pinned(server: &Server, version: &str, signer: &str) -> Place {
    pinned_to(server, version, signer, &fingerprint(signer))
}

fn pinned_to(server: &Server, version: &str, key: &str, fingerprint: &str) -> Place {
    let place = Place::new();
    std::fs::write(place.conf.join("key.asc"), data(&format!("{key}-key.asc"))).unwrap();
    place.pin(&format!(
        "provider = \"kernel.org\"\nversion = \"{version}\"\nkey = \"key.asc\"\n\
         fingerprint = \"{fingerprint}\"\nmirror = \"{}\"",
        server.url
    ));
    place
}

/// The error of a fetch of which nothing stays, and its last hint.
fn refusal(place: &Place) -> (String, String) {
    let error = place.fetch(false).unwrap_err();
    assert!(place.cached().is_empty(), "{error:#}: {:?}", place.cached());
    assert!(!place.conf.join("sources.lock").exists());
    let hint = Failure::new(&error).hints.last().cloned();
    (format!("{error:#}"), hint.unwrap_or_default())
}

fn lock(place: &Place, tarball: &[u8]) {
    let entry = format!(
        "[source.p]\nfrom = \"kernel.org:6.12.8\"\nversion = \"6.12.8\"\nsha256 = \"{}\"\n",
        hash::of_bytes(tarball)
    );
    put(&place.conf, "sources.lock", &entry);
}

#[test]
fn takes_what_the_signed_list_says() {
    let server = mirror(data("sha256sums.asc"), vec![]);
    let place = pinned(&server, "6.12.8", "signer");
    let error = format!("{:#}", place.fetch(true).unwrap_err());
    assert!(error.contains("has no entry for kernel source `p`"), "{error}");
    let tree = place.fetch(false).unwrap();
    assert_eq!(
        (tree.version.to_string().as_str(), tree.record.version.as_str()),
        ("6.12.8", "6.12.8")
    );
    assert_eq!(tree.record.sha256, hash::of_bytes(data("linux-6.12.8.tar.xz")));
    assert_eq!(place.cached(), ["p-6.12.8", "p-6.12.8.files", "p-6.12.8.json"]);
    let text = std::fs::read_to_string(place.conf.join("sources.lock")).unwrap();
    assert!(text.contains("from = \"kernel.org:6.12.8\""), "{text}");
    assert_eq!(server.paths(), ["/v6.x/sha256sums.asc", "/v6.x/linux-6.12.8.tar.xz"]);
}

#[test]
fn what_is_locked_needs_neither_list_nor_key() {
    let server = mirror(b"gone".to_vec(), vec![]);
    let place = pinned(&server, "6.12.8", "signer");
    std::fs::remove_file(place.conf.join("key.asc")).unwrap();
    lock(&place, &data("linux-6.12.8.tar.xz"));
    place.fetch(true).unwrap();
    assert_eq!(server.paths(), ["/v6.x/linux-6.12.8.tar.xz"]);
    // Another version is another pin.
    let pins = std::fs::read_to_string(place.conf.join("sources.toml")).unwrap();
    put(&place.conf, "sources.toml", &pins.replace("6.12.8", "6.12.9"));
    assert!(place.fetch(true).is_err());
}

#[test]
fn what_is_locked_is_demanded() {
    let server = mirror(data("sha256sums.asc"), vec![]);
    let place = pinned(&server, "6.12.8", "signer");
    lock(&place, b"another file");
    let error = place.refusal();
    assert!(error.contains(&hash::of_bytes(b"another file")), "{error}");
    assert!(error.contains("sources.lock"), "{error}");
}

#[test]
fn a_signature_that_proves_nothing_is_refused() {
    let good = data("sha256sums.asc");
    let changed = String::from_utf8(good.clone()).unwrap().replace("0009 ", "0008 ");
    let cut = changed.split("-----BEGIN PGP SIGNATURE").next().unwrap();
    let two = [&good[..], changed.as_bytes()].concat();
    let cases: [(&[u8], &str, &str, &str); 6] = [
        (changed.as_bytes(), "signer", "the text is not the one that was signed", "another mirror"),
        (&data("by-other.asc"), "signer", "another key signed it", "if its owner has a new key"),
        (&data("by-expired.asc"), "expired", "the key has expired", "export it anew"),
        (cut.as_bytes(), "signer", "it is not signed", "look at it"),
        (b"<html>moved</html>", "signer", "it is not signed", "look at it"),
        (&two, "signer", "gpgv: exit status 2", ""),
    ];
    for (list, signer, expected, hint) in cases {
        let server = mirror(list.to_vec(), vec![]);
        let (error, hints) = refusal(&pinned(&server, "6.12.8", signer));
        assert!(error.contains("failed to trust http://") && error.contains(expected), "{error}");
        assert!(hints.contains(hint), "{hints}");
        assert_eq!(server.paths().len(), 1, "nothing is fetched that nobody vouches for");
    }
}

#[test]
fn a_key_is_known_by_its_fingerprint() {
    let server = mirror(data("sha256sums.asc"), vec![]);
    let place = pinned_to(&server, "6.12.8", "signer", &fingerprint("other"));
    let (error, hint) = refusal(&place);
    let expected =
        format!("{} signed it, expected {}", fingerprint("signer"), fingerprint("other"));
    assert!(error.contains(&expected), "{error}");
    assert!(hint.contains("fingerprint in sources.toml"), "{hint}");

    for (key, expected) in [(None, "failed to read key"), (Some("x"), "failed to verify")] {
        match key {
            Some(text) => put(&place.conf, "key.asc", text),
            None => std::fs::remove_file(place.conf.join("key.asc")).unwrap(),
        }
        let (error, _) = refusal(&place);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_tarball_that_the_list_does_not_mean_is_refused() {
    let server = mirror(data("sha256sums.asc"), vec![]);
    let (error, hint) = refusal(&pinned(&server, "6.12.9", "signer"));
    let found = hash::of_bytes(data("linux-6.12.8.tar.xz"));
    assert!(error.contains(&format!("has sha256 {found}, expected 0000")), "{error}");
    assert!(
        error.contains("sha256sums.asc") && hint.contains("doubt the server"),
        "{error}: {hint}"
    );

    let (error, hint) = refusal(&pinned(&server, "6.12.10", "signer"));
    assert!(error.contains("does not list linux-6.12.10.tar.xz"), "{error}");
    assert_eq!(hint, "the newest of its kind there is 6.12.9");
    let (_, hint) = refusal(&pinned(&server, "6.6.1", "signer"));
    assert!(hint.contains("www.kernel.org"), "{hint}");
}

#[test]
fn the_newest_of_a_series_is_taken_and_recorded() {
    let server = mirror(data("newest.asc"), vec![]);
    let place = pinned(&server, "6.12.8", "signer");
    let pins = std::fs::read_to_string(place.conf.join("sources.toml")).unwrap();
    put(&place.conf, "sources.toml", &pins.replace("version = \"6.12.8\"", "series = \"6.12\""));
    assert!(place.fetch(true).is_err());
    let tree = place.fetch(false).unwrap();
    assert_eq!(tree.record.version, "6.12.8");
    let text = std::fs::read_to_string(place.conf.join("sources.lock")).unwrap();
    assert!(text.contains("from = \"kernel.org:6.12.x\"\nversion = \"6.12.8\""), "{text}");
    // What is recorded is not asked for again; --update asks.
    std::fs::remove_dir_all(&place.cache).unwrap();
    place.fetch(true).unwrap();
    assert_eq!(server.paths().len(), 3);
    place.fetch_wanted(Wanted::Newest).unwrap();
    assert_eq!(server.paths().len(), 4);
    put(&place.conf, "sources.toml", &pins.replace("version = \"6.12.8\"", "series = \"6.6\""));
    let (error, hint) = {
        let error = place.fetch(false).unwrap_err();
        (format!("{error:#}"), Failure::new(&error).hints.last().cloned().unwrap_or_default())
    };
    assert!(
        error.contains("lists no release of 6.6") && hint.contains("www.kernel.org"),
        "{error}"
    );
}

#[test]
fn goes_on_after_a_cut_and_where_it_is_sent() {
    let answers = vec![Answer::Moved, Answer::Well, Answer::Cut(100), Answer::Moved];
    let server = mirror(data("sha256sums.asc"), answers);
    pinned(&server, "6.12.8", "signer").fetch(false).unwrap();
    let expected = [
        ("/v6.x/sha256sums.asc", None),
        ("/moved/v6.x/sha256sums.asc", None),
        ("/v6.x/linux-6.12.8.tar.xz", None),
        ("/v6.x/linux-6.12.8.tar.xz", Some(100)),
        ("/moved/v6.x/linux-6.12.8.tar.xz", Some(100)),
    ];
    assert_eq!(server.paths(), expected.map(|(path, _)| path));
    assert_eq!(server.asked(), expected.map(|(_, start)| start));
}

#[test]
fn a_list_that_always_breaks_off_leaves_nothing() {
    let server = mirror(data("sha256sums.asc"), vec![Answer::Cut(0); 50]);
    let (error, _) = refusal(&pinned(&server, "6.12.8", "signer"));
    assert!(error.contains("sha256sums.asc") && error.contains("failed to download"), "{error}");
    let server = mirror(data("sha256sums.asc"), vec![Answer::Status(404)]);
    let (error, hint) = refusal(&pinned(&server, "6.12.8", "signer"));
    assert!(
        error.contains("the server answered 404") && hint.contains("browser"),
        "{error}: {hint}"
    );
}

#[test]
fn a_tarball_stays_in_its_folder() {
    let cases = [
        (Tar::linux("6.12.8").file("linux/../../evil", "x"), "leads out of the folder"),
        (Tar::linux("6.12.8").file("/evil", "x"), "leads out of the folder"),
        (
            Tar::linux("6.12.8").symlink("linux/up", "../..").file("linux/up/evil", "x"),
            "leads out of the folder",
        ),
        (
            Tar::linux("6.12.8").symlink("linux/in", "arch").file("linux/in/evil", "x"),
            "failed to create symlink",
        ),
    ];
    for (tar, expected) in cases {
        let tarball = tar.xz();
        let files = vec![("linux-6.12.8.tar.xz".to_owned(), tarball.clone())];
        let place = pinned(&Server::of_files(files, vec![]), "6.12.8", "signer");
        lock(&place, &tarball);
        let error = place.refusal();
        assert!(error.contains("failed to unpack") && error.contains(expected), "{error}");
        assert!(!place.conf.join("../evil").exists());
    }
}

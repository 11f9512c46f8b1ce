//! What takes over when the distribution does not carry a source, or no longer does.

use super::kernel_org::{data, fingerprint};
use super::server::{Answer, Server};
use super::*;

const SHA1: &str = "0123456789abcdef0123456789abcdef01234567";

/// A package of Debian's with that file, whose archive is packed as `ending` says.
fn deb(path: &str, content: &[u8], ending: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, path, content).unwrap();
    let tar = Tar(tar);
    let data = match ending {
        ".xz" => tar.xz(),
        ".gz" => tar.gz(),
        _ => tar.0.into_inner().unwrap(),
    };
    let mut bytes = b"!<arch>\n".to_vec();
    let name = format!("data.tar{ending}");
    for (name, content) in
        [("debian-binary", &b"2.0\n"[..]), ("control.tar", b"odd"), (&name, &data)]
    {
        let (time, id, mode, size) = (0, 0, "100644", content.len());
        bytes.extend(format!("{name:16}{time:<12}{id:<6}{id:<6}{mode:8}{size:<10}`\n").bytes());
        bytes.extend(content);
        bytes.extend(b"\n".iter().take(content.len() % 2));
    }
    bytes
}

/// Debian's archive with one package.
fn archive(deb: Vec<u8>, answers: Vec<Answer>) -> Server {
    let binfiles = format!(
        r#"{{"binary": "linux-source-6.12", "result": [{{"architecture": "all", "hash": "{SHA1}"}}],
            "fileinfo": {{"{SHA1}": [{{"name": "x.deb", "archive_name": "debian"}}]}}}}"#
    );
    let files = [("binfiles?fileinfo=1", binfiles.into_bytes()), (SHA1, deb)];
    Server::of_files(files.map(|(name, file)| (name.to_owned(), file)).into(), answers)
}

/// A host without apt, where a version is locked.
fn locked(server: &Server, tarball: &[u8]) -> Place {
    let place = Place::new();
    place.shell.sh.set_var("PATH", "/nowhere");
    let rest = "provider = \"debian\"\npackage = \"linux-source-6.12\"";
    place.pin_with(&format!("snapshot = \"{}/\"", server.url), rest);
    let sha256 = hash::of_bytes(tarball);
    let entry = format!(
        "[source.p]\nfrom = \"debian:linux-source-6.12\"\nversion = \"6.12.7-1~deb12u1+x\"\nsha256 = \"{sha256}\"\n"
    );
    put(&place.conf, "sources.lock", &entry);
    place
}

#[test]
fn a_locked_version_comes_from_the_archive_of_all_versions() {
    let tarball = Tar::linux("6.12.7").xz();
    for ending in [".xz", ".gz", ""] {
        let deb = deb("./usr/src/linux-source-6.12.tar.xz", &tarball, ending);
        let server = archive(deb, vec![Answer::Well, Answer::Cut(100)]);
        let place = locked(&server, &tarball);
        let tree = place.fetch(true).unwrap();
        assert_eq!(tree.record.version, "6.12.7-1~deb12u1+x");
        assert_eq!(place.cached().len(), 3, "{:?}", place.cached());
        let of_package = "/mr/binary/linux-source-6.12/6.12.7-1~deb12u1%2Bx/binfiles?fileinfo=1";
        let file = format!("/file/{SHA1}");
        assert_eq!(server.paths(), [of_package, &file, &file]);
        assert_eq!(server.asked(), [None, None, Some(100)]);
    }
}

#[test]
fn a_locked_version_that_lists_still_name_comes_from_there_too() {
    let tarball = Tar::linux("6.12.7").xz();
    let server = archive(deb("./usr/src/linux-source-6.12.tar.xz", &tarball, ".xz"), vec![]);
    for is_locked in [true, false] {
        let place = locked(&server, &tarball);
        let bin = place.conf.join("../bin");
        let lists = "case \" $* \" in *' madison '*) echo 'linux-source-6.12 | 6.12.7-1~deb12u1+x | http://h/ x/main amd64 Packages';; esac";
        let mirror =
            "case \" $* \" in *' download '*) echo 'E: 404  Not Found' >&2; exit 100;; esac";
        for (program, text) in [("apt-cache", lists), ("apt-get", mirror), ("dpkg-deb", "")] {
            super::debian::script(&bin, program, text);
        }
        place.shell.sh.set_var("PATH", &bin);
        assert_eq!(place.fetch(is_locked).unwrap().record.version, "6.12.7-1~deb12u1+x");
    }
}

#[test]
fn a_download_from_it_is_taken_up_by_the_next_run() {
    let tarball = Tar::linux("6.12.7").xz();
    let deb = deb("./usr/src/linux-source-6.12.tar.xz", &tarball, ".xz");
    let server = archive(deb.clone(), vec![]);
    let place = locked(&server, &tarball);
    std::fs::create_dir_all(&place.cache).unwrap();
    let part = format!("{}.part.deb", &hash::of_bytes(&tarball)[..16]);
    std::fs::write(place.cache.join(part), &deb[..77]).unwrap();
    place.fetch(true).unwrap();
    assert_eq!(server.asked(), [None, Some(77)]);
}

#[test]
fn what_the_lock_does_not_mean_is_refused() {
    let (meant, other) = (Tar::linux("6.12.7").xz(), Tar::linux("6.12.6").xz());
    let cases = [
        (deb("./usr/src/linux-source-6.12.tar.xz", &other, ".xz"), "has sha256"),
        (deb("./usr/src/linux.tar.xz", &meant, ".xz"), "has no /usr/src/linux-source-6.12.tar.xz"),
        (deb("./x", &meant, ".lzma"), "is packed as .lzma"),
        (b"<html>moved</html>".to_vec(), "is no package of Debian's"),
    ];
    for (deb, expected) in cases {
        let place = locked(&archive(deb, vec![]), &meant);
        let error = format!("{:#}", place.fetch(true).unwrap_err());
        assert!(error.contains(expected), "{error}");
        assert!(place.cached().is_empty(), "{:?}", place.cached());
    }
}

/// A host without apt but with gpgv, a pinned package, and a mirror of kernel.org's.
fn without_apt() -> (Place, Server) {
    let files = ["newest.asc", "linux-6.12.8.tar.xz"].map(data);
    let [list, tarball] = files;
    let files = [("sha256sums.asc", list), ("linux-6.12.8.tar.xz", tarball)];
    let files = files.map(|(name, content)| (name.to_owned(), content)).into();
    let (server, place) = (Server::of_files(files, vec![]), Place::new());
    std::fs::write(place.conf.join("key.asc"), data("signer-key.asc")).unwrap();
    let (url, fingerprint) = (&server.url, fingerprint("signer"));
    let mirror = format!(
        "[kernel-org]\nmirror = \"{url}\"\nkey = \"key.asc\"\nfingerprint = \"{fingerprint}\""
    );
    let rest = format!("provider = \"debian\"\npackage = \"linux-source-6.12\"\n{mirror}");
    place.pin(&rest);
    let bin = place.conf.join("../bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(which::which("gpgv").unwrap(), bin.join("gpgv")).unwrap();
    place.shell.sh.set_var("PATH", &bin);
    (place, server)
}

#[test]
fn without_apt_the_newest_release_of_the_series_is_taken() {
    let (place, server) = without_apt();
    let tree = place.fetch(false).unwrap();
    assert_eq!(
        (tree.record.name.as_str(), tree.record.version.as_str()),
        ("p+kernel.org", "6.12.8")
    );
    assert_eq!(server.paths(), ["/v6.x/sha256sums.asc", "/v6.x/linux-6.12.8.tar.xz"]);
    let lock = std::fs::read_to_string(place.conf.join("sources.lock")).unwrap();
    assert!(lock.contains("[source.\"p+kernel.org\"]\nfrom = \"kernel.org:6.12.x\""), "{lock}");
    std::fs::remove_dir_all(&place.cache).unwrap();
    assert_eq!(place.fetch(true).unwrap().record, tree.record);
    assert_eq!(server.paths().len(), 3, "the list is not asked again");
}

#[test]
fn what_is_locked_is_taken_whatever_the_host_has() {
    let tarball = Tar::linux("6.12.7").xz();
    let (place, _server) = without_apt();
    let other = locked(&archive(vec![], vec![]), &tarball);
    std::fs::copy(other.conf.join("sources.lock"), place.conf.join("sources.lock")).unwrap();
    let error = format!("{:#}", place.fetch(true).unwrap_err());
    assert!(error.contains("http://127.0.0.1:1/mr/binary/linux-source-6.12/"), "{error}");
    assert_eq!(place.fetch(false).unwrap().record.name, "p+kernel.org");
    let lock = std::fs::read_to_string(place.conf.join("sources.lock")).unwrap();
    assert!(lock.contains("[source.p]") && lock.contains("[source.\"p+kernel.org\"]"), "{lock}");
}

#[test]
fn without_such_a_package_the_release_is_taken() {
    let (place, _server) = without_apt();
    let bin = place.conf.join("../bin");
    for program in ["apt-get", "apt-cache", "dpkg-deb"] {
        super::debian::script(&bin, program, "");
    }
    assert_eq!(place.fetch(false).unwrap().record.name, "p+kernel.org");
    let text = std::fs::read_to_string(place.conf.join("sources.toml")).unwrap();
    put(&place.conf, "sources.toml", &text.replace("linux-source-6.12", "linux-source"));
    let error = format!("{:#}", place.fetch(false).unwrap_err());
    assert!(error.contains("apt knows no version of package linux-source"), "{error}");
}

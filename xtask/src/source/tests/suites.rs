//! Suites of Debian's against programs that answer as apt does, by the list that they are pointed to.

use super::debian::script;
use super::*;
use crate::diag::Failure;

/// How each of apt's programs finds out which suite of which mirror it is asked about.
const SUITE: &str = "list=; for word; do case $word in Dir::Etc::SourceList=*) list=${word#*=};; esac; done\n\
    suite=; [ -z \"$list\" ] || { set -- \"$*\" $(sed 's/\\[.*\\] //' $list); suite=$4 mirror=$3; set -- $1; }\n";

/// A host whose mirrors have these packages: by suite, name and version.
fn host(packages: &[(&str, &str, &str)]) -> Place {
    let place = Place::new();
    let (bin, mirror) = (place.conf.join("../bin"), place.conf.join("../mirror"));
    for (suite, name, version) in packages {
        put(&mirror, &format!("{suite}/{name}"), version);
        let number = version.split('-').next().unwrap();
        std::fs::write(mirror.join(format!("{version}.tar.xz")), Tar::linux(number).xz()).unwrap();
    }
    let apt_get = format!(
        "{SUITE}case \" $* \" in\n\
         *' indextargets '*) echo 'http://m/|bookworm|main|Debian'; echo 'http://s/|bookworm-security|main|Debian';;\n\
         *' update '*) echo \"$mirror $suite\" >> {mirror}/asked\n\
           [ ! -f {mirror}/away ] || {{ echo \"W: Failed to fetch $mirror\" >&2\n\
             case \" $* \" in *' APT::Update::Error-Mode=any '*) echo \"E: Failed to fetch $mirror\" >&2; exit 100;; *) exit;; esac; }}\n\
           [ -d {mirror}/$suite ] || {{ echo \"E: The repository '$mirror $suite Release' does not have a Release file.\" >&2; exit 100; }};;\n\
         *' download '*) echo ${{word#*=}} > ${{word%%=*}}.deb;;\n\
         esac"
    );
    script(&bin, "apt-get", &apt_get);
    let apt_cache = format!(
        "{SUITE}case \" $* \" in\n\
         *' policy '*) echo '  Installed: (none)'; echo '  Candidate: (none)';;\n\
         *' madison '*) [ -z \"$suite\" ] || [ ! -f {mirror}/$suite/$word ] || echo \"$word | $(cat {mirror}/$suite/$word) | http://m $suite/main amd64 Packages\";;\n\
         esac"
    );
    script(&bin, "apt-cache", &apt_cache);
    let unpack = "tarball=$3/usr/src/$(basename $2 .deb).tar.xz; mkdir -p $3/usr/src";
    script(&bin, "dpkg-deb", &format!("{unpack}; cp {mirror}/$(cat $2).tar.xz $tarball"));
    let path = std::env::var("PATH").unwrap();
    place.shell.sh.set_var("PATH", format!("{bin}:{path}"));
    place
}

fn pin(place: &Place, package: &str, suite: &str) {
    place.pin(&format!("provider = \"debian\"\npackage = \"{package}\"\nsuite = \"{suite}\""));
}

/// The error of a fetch, and its hints.
fn refusal(place: &Place) -> (String, String) {
    let error = place.fetch(false).unwrap_err();
    (format!("{error:#}"), Failure::new(&error).hints.join("\n"))
}

#[test]
fn a_package_comes_from_its_suite_on_the_hosts_mirror() {
    let packages = [
        ("trixie-backports", "linux-source-7.3", "7.3.4-1"),
        ("bullseye-security", "linux-source-5.10", "5.10.262-1"),
    ];
    for (suite, package, version) in packages {
        let place = host(&packages);
        pin(&place, package, suite);
        assert_eq!(place.fetch(false).unwrap().record.version, version);
        let lock = std::fs::read_to_string(place.conf.join("sources.lock")).unwrap();
        assert!(lock.contains(&format!("from = \"debian:{package}\"")), "{lock}");
        let asked = std::fs::read_to_string(place.conf.join("../mirror/asked")).unwrap();
        let mirror = if suite.ends_with("-security") { "http://s" } else { "http://m" };
        assert_eq!(asked, format!("{mirror} {suite}\n"));
        assert_eq!(place.cached().len(), 3, "{:?}", place.cached());
        // Another suite of the same package is no news to the lock.
        pin(&place, package, "sid");
        place.fetch(true).unwrap();
    }
}

#[test]
fn what_a_mirror_does_not_carry_is_said_plainly() {
    let place = host(&[("trixie-backports", "linux-source-7.3", "7.3.4-1")]);
    pin(&place, "linux-source-7.3", "trixe");
    let (error, hint) = refusal(&place);
    let expected = "failed to read the package list of suite trixe at http://m";
    assert!(error.contains(expected), "{error}");
    assert!(error.contains("http://m has no suite trixe"), "{error}");
    assert!(hint.contains("as trixie-backports is") && hint.contains("p+kernel.org"), "{hint}");
    let error = place.fetch(false).unwrap_err();
    assert!(super::super::NotCarried::is_cause_of(&error));
    pin(&place, "linux-source-7.9", "trixie-backports");
    let (error, hint) = refusal(&place);
    let expected = "suite trixie-backports at http://m carries no package linux-source-7.9";
    assert!(error.contains(expected), "{error}");
    assert!(hint.contains("--source p+kernel.org takes kernel.org:7.9.x; or"), "{hint}");
    assert!(place.cached().is_empty());
}

#[test]
fn a_mirror_that_is_away_does_not_count_as_one_that_lacks_the_package() {
    let place = host(&[("trixie-backports", "linux-source-7.3", "7.3.4-1")]);
    put(&place.conf, "../mirror/away", "");
    pin(&place, "linux-source-7.3", "trixie-backports");
    let error = place.fetch(false).unwrap_err();
    assert!(!super::super::NotCarried::is_cause_of(&error));
    let error = format!("{error:#}");
    assert!(error.contains("failed to read the package list of suite trixie-backports"), "{error}");
    assert!(error.contains("Failed to fetch http://m"), "{error}");
}

//! Where a source is had, in the terms of others.

use super::debian::Package;
use super::git::Revision;
use super::pins::{Location, Pin, Provider};

/// Where the source of an image is had. Nothing of it is known for a folder of somebody's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    /// A URL, as SPDX writes a download location.
    pub(crate) location: Option<String>,
    /// A package URL.
    pub(crate) purl: Option<String>,
    /// Name of the git commit.
    pub(crate) commit: Option<String>,
    /// The source's sha256 is that of the one file that was fetched.
    pub(crate) is_archive: bool,
}

impl Pin {
    /// Of that version of it. A file's path says nothing elsewhere, and stays out.
    pub(crate) fn origin(&self, version: &str) -> Origin {
        let archive = Origin { is_archive: true, ..Origin::default() };
        let linux = |location: String| Origin {
            purl: Some(format!("pkg:generic/linux@{}", encoded(version))),
            location: Some(location),
            ..archive.clone()
        };
        match &self.provider {
            Provider::Debian(Package { name, .. }) => Origin {
                purl: Some(format!("pkg:deb/debian/{name}@{}?arch=all", encoded(version))),
                ..archive
            },
            Provider::KernelOrg { mirror, .. } => linux(mirror.tarball(version)),
            Provider::Tarball { from: Location::Url(url), .. } => linux(url.clone()),
            Provider::Tarball { from: Location::File(_), .. } => archive,
            Provider::Git(Revision { url, commit }) => Origin {
                location: (!url.starts_with("file:")).then(|| git_location(url, commit)),
                commit: Some(commit.clone()),
                ..Origin::default()
            },
        }
    }
}

/// SPDX writes `git+https://…`, and also `git+ssh` and `git+git`; the last alone is `git`.
fn git_location(url: &str, commit: &str) -> String {
    let scheme = if url.starts_with("git:") { "" } else { "git+" };
    format!("{scheme}{url}@{commit}")
}

/// What a package URL allows in a version, and any URL; all else by its bytes.
pub(super) fn encoded(version: &str) -> String {
    let encode = |byte: u8| match byte {
        b'.' | b'-' | b'_' | b'~' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    version.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_provider_says_where_its_source_is_had() {
        let pin =
            |provider| Pin { name: "a".to_owned(), provider, patches: None, left_out: vec![] };
        let debian =
            pin(Provider::Debian(Package { name: "linux-source-6.12".to_owned(), suite: None }));
        let purl = debian.origin("6.12.8-1+b1~deb12u1").purl;
        let expected = "pkg:deb/debian/linux-source-6.12@6.12.8-1%2Bb1~deb12u1?arch=all";
        assert_eq!(purl.as_deref(), Some(expected));
        let git = |url: &str| {
            pin(Provider::Git(Revision { url: url.to_owned(), commit: "0123".to_owned() }))
                .origin("01")
        };
        let location = git("https://example.org/linux.git").location;
        assert_eq!(location.as_deref(), Some("git+https://example.org/linux.git@0123"));
        assert_eq!(git("file:///srv/linux").location, None);
        let file = Location::File("/srv/linux.tar.xz".into());
        let file = pin(Provider::Tarball { from: file, sha256: String::new() }).origin("6.12");
        assert_eq!(file, Origin { is_archive: true, ..Origin::default() });
    }
}

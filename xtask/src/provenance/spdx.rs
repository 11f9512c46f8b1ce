//! SPDX 2.3 (ISO/IEC 5962 is its 2.2.1), as JSON. All parts are packages: a file of SPDX's needs a SHA1.

use anyhow::{Context, Result};
use serde::Serialize;
use vmm_kernel::Manifest;

use super::{Materials, Tool};
use crate::hash;
use crate::source::patches;

/// What COPYING of every tree says, in today's identifiers.
const KERNEL_LICENSE: &str = "GPL-2.0-only WITH Linux-syscall-note";
const UNKNOWN: &str = "NOASSERTION";

/// As fixed as all times in a kernel of ours: a document says what it is about, not when.
const CREATED: &str = "1970-01-01T00:00:00Z";

const IMAGE: &str = "SPDXRef-Image";
const SOURCE: &str = "SPDXRef-Source";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    spdx_version: &'static str,
    data_license: &'static str,
    #[serde(rename = "SPDXID")]
    id: &'static str,
    name: String,
    document_namespace: String,
    creation_info: CreationInfo,
    packages: Vec<Package>,
    relationships: Vec<Relationship>,
}

#[derive(Debug, Serialize)]
struct CreationInfo {
    created: &'static str,
    creators: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Package {
    #[serde(rename = "SPDXID")]
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_info: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    package_file_name: Option<String>,
    primary_package_purpose: &'static str,
    download_location: String,
    files_analyzed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checksums: Vec<Checksum>,
    license_concluded: &'static str,
    license_declared: &'static str,
    copyright_text: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_refs: Vec<ExternalRef>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Checksum {
    algorithm: &'static str,
    checksum_value: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ExternalRef {
    reference_category: &'static str,
    reference_type: &'static str,
    reference_locator: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Relationship {
    spdx_element_id: String,
    relationship_type: &'static str,
    related_spdx_element: String,
}

pub(super) fn document(materials: Materials<'_>) -> Result<Document> {
    let Materials { image, manifest, .. } = materials;
    let manifest_json = serde_json::to_vec(manifest).context("failed to write a manifest")?;
    let mut packages = vec![image_package(image, manifest), source_package(materials)];
    let mut relationships = vec![
        relationship("SPDXRef-DOCUMENT", "DESCRIBES", IMAGE),
        relationship(IMAGE, "GENERATED_FROM", SOURCE),
    ];
    for (number, record) in manifest.source.patches.iter().enumerate() {
        let (name, sha256) = patches::parts(record);
        let id = format!("SPDXRef-Patch-{}", number + 1);
        relationships.push(relationship(&id, "PATCH_APPLIED", SOURCE));
        packages.push(file(id, name, sha256, KERNEL_LICENSE));
    }
    for (number, input) in manifest.inputs.iter().enumerate() {
        let id = format!("SPDXRef-Fragment-{}", number + 1);
        relationships.push(relationship(IMAGE, "GENERATED_FROM", &id));
        packages.push(file(id, input.path.as_str(), &input.sha256, UNKNOWN));
    }
    let tools = Tool::all(&manifest.toolchain, manifest.packer.as_deref());
    for (number, tool) in tools.iter().enumerate() {
        let id = format!("SPDXRef-Tool-{}", number + 1);
        relationships.push(relationship(&id, "BUILD_TOOL_OF", IMAGE));
        packages.push(Package {
            version_info: Some(tool.version.clone()),
            comment: Some(tool.line.to_owned()),
            ..package(id, &tool.name, "APPLICATION")
        });
    }
    Ok(Document {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        id: "SPDXRef-DOCUMENT",
        name: image.to_owned(),
        document_namespace: format!(
            "https://spdx.org/spdxdocs/{image}-{}",
            hash::of_bytes(manifest_json)
        ),
        creation_info: CreationInfo {
            created: CREATED,
            creators: vec![format!("Tool: kuasar-xtask-{}", manifest.tool_version)],
        },
        packages,
        relationships,
    })
}

fn package(id: String, name: &str, purpose: &'static str) -> Package {
    Package {
        id,
        name: name.to_owned(),
        version_info: None,
        package_file_name: None,
        primary_package_purpose: purpose,
        download_location: UNKNOWN.to_owned(),
        files_analyzed: false,
        checksums: vec![],
        license_concluded: UNKNOWN,
        license_declared: UNKNOWN,
        copyright_text: UNKNOWN,
        comment: None,
        external_refs: vec![],
    }
}

fn file(id: String, name: &str, sha256: &str, license: &'static str) -> Package {
    Package {
        package_file_name: Some(name.to_owned()),
        checksums: vec![checksum(sha256)],
        license_concluded: license,
        license_declared: license,
        ..package(id, name, "FILE")
    }
}

fn image_package(image: &str, manifest: &Manifest) -> Package {
    let Manifest { arch, kernel_type, hypervisor, format, kernel_release, .. } = manifest;
    Package {
        version_info: Some(kernel_release.clone()),
        package_file_name: Some(image.to_owned()),
        checksums: vec![checksum(&manifest.sha256)],
        license_concluded: KERNEL_LICENSE,
        license_declared: KERNEL_LICENSE,
        comment: Some(format!(
            "{format} of a {kernel_type} guest kernel for {hypervisor} on {arch}; .config sha256 {}",
            manifest.config_sha256
        )),
        external_refs: vec![cpe(kernel_release)],
        ..package(IMAGE.to_owned(), image, "OPERATING-SYSTEM")
    }
}

fn source_package(Materials { manifest, origin, .. }: Materials<'_>) -> Package {
    let source = &manifest.source;
    let by_archive = origin.is_archive.then(|| checksum(&source.sha256));
    let purl = origin.purl.iter().map(|purl| ExternalRef {
        reference_category: "PACKAGE-MANAGER",
        reference_type: "purl",
        reference_locator: purl.clone(),
    });
    let (had, other) = match &origin.location {
        Some(location) if is_download_location(location) => (location.as_str(), None),
        Some(other) => (UNKNOWN, Some(format!("downloaded from {other}"))),
        None => (UNKNOWN, None),
    };
    let by_listing = || format!("sha256 of its files by name: {}", source.sha256);
    let comments = [other, (!origin.is_archive).then(by_listing)];
    let comments: Vec<String> = comments.into_iter().flatten().collect();
    Package {
        version_info: Some(source.version.clone()),
        download_location: had.to_owned(),
        checksums: by_archive.into_iter().collect(),
        license_concluded: KERNEL_LICENSE,
        license_declared: KERNEL_LICENSE,
        comment: (!comments.is_empty()).then(|| comments.join("; ")),
        external_refs: purl.chain([cpe(&manifest.kernel_release)]).collect(),
        ..package(SOURCE.to_owned(), "linux", "SOURCE")
    }
}

/// What SPDX's own validator takes for one (tools-python 0.8.5, spdx/validation/uri_validators.py): the host ends
/// in a domain of letters. It refuses a host's bare name, an address in numbers, and a file.
fn is_download_location(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let scheme = scheme.strip_prefix("git+").unwrap_or(scheme);
    let authority = rest.split('/').next().unwrap_or(rest);
    let (_, place) = authority.rsplit_once('@').unwrap_or(("", authority));
    let host = place.split(':').next().unwrap_or(place);
    let is_label = |label: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric();
        label.split('-').all(|part| !part.is_empty() && part.chars().all(plain))
    };
    let is_domain = |end: &str| end.len() > 1 && end.chars().all(|c| c.is_ascii_alphabetic());
    ["http", "https", "ssh", "git", "ftp", "sftp"].contains(&scheme)
        && host.split('.').all(is_label)
        && host.rsplit_once('.').is_some_and(|(_, end)| is_domain(end))
}

fn checksum(sha256: &str) -> Checksum {
    Checksum { algorithm: "SHA256", checksum_value: sha256.to_owned() }
}

/// By which scanners look up what is known to be wrong in a kernel.
fn cpe(release: &str) -> ExternalRef {
    let version = release.split(['-', '+']).next().unwrap_or(release);
    ExternalRef {
        reference_category: "SECURITY",
        reference_type: "cpe23Type",
        reference_locator: format!("cpe:2.3:o:linux:linux_kernel:{version}:*:*:*:*:*:*:*"),
    }
}

fn relationship(from: &str, kind: &'static str, to: &str) -> Relationship {
    Relationship {
        spdx_element_id: from.to_owned(),
        relationship_type: kind,
        related_spdx_element: to.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_location_has_a_public_host() {
        let taken = [
            "https://cdn.example.org/linux-6.12.8.tar.xz",
            "git+https://example.org/linux.git@0123",
            "git+ssh://git@example.org:2222/linux.git@0123",
            "http://my-mirror.Example.com:8080/linux.tar.xz",
            "https://mirror.internal/linux.tar.xz",
        ];
        let refused = [
            "https://mirror/linux-6.12.8.tar.xz",
            "http://127.0.0.1:8000/linux-6.12.8.tar.xz",
            "http://[::1]/linux-6.12.8.tar.xz",
            "https://mirror:8080/linux-6.12.8.tar.xz",
            "file:///srv/linux-6.12.8.tar.xz",
            "/srv/linux-6.12.8.tar.xz",
        ];
        assert_eq!(taken.map(is_download_location), [true; 5]);
        assert_eq!(refused.map(is_download_location), [false; 6]);
    }
}

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
    Package {
        version_info: Some(source.version.clone()),
        download_location: origin.location.clone().unwrap_or_else(|| UNKNOWN.to_owned()),
        checksums: by_archive.into_iter().collect(),
        license_concluded: KERNEL_LICENSE,
        license_declared: KERNEL_LICENSE,
        comment: (!origin.is_archive)
            .then(|| format!("sha256 of its files by name: {}", source.sha256)),
        external_refs: purl.chain([cpe(&manifest.kernel_release)]).collect(),
        ..package(SOURCE.to_owned(), "linux", "SOURCE")
    }
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

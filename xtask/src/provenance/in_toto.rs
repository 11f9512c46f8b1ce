//! An in-toto statement (its specification's `v1`) about an image, with the provenance of SLSA 1.0.

use std::collections::BTreeMap;

use serde::Serialize;
use vmm_kernel::{Arch, Bus, ImageFormat, KernelType, Manifest};

use super::{Materials, Tool};
use crate::source::patches;

/// What the parameters mean: those of `cargo xtask kernel`.
const BUILD_TYPE: &str = "https://github.com/kuasar-io/kuasar/guest-kernel/v1";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Statement<'a> {
    #[serde(rename = "_type")]
    kind: &'static str,
    subject: [Resource; 1],
    predicate_type: &'static str,
    predicate: Provenance<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Provenance<'a> {
    build_definition: BuildDefinition<'a>,
    run_details: RunDetails,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BuildDefinition<'a> {
    build_type: &'static str,
    external_parameters: External<'a>,
    internal_parameters: Internal<'a>,
    resolved_dependencies: Vec<Resource>,
}

/// What a person asks for.
#[derive(Debug, Serialize)]
struct External<'a> {
    arch: Arch,
    #[serde(rename = "type")]
    kernel_type: KernelType,
    hypervisor: &'a str,
    source: &'a str,
    /// Requested symbols and capabilities that the image does without.
    missing: &'a [String],
    breaches: &'a [String],
}

/// What follows from it.
#[derive(Debug, Serialize)]
struct Internal<'a> {
    key: &'a str,
    machine: Option<&'a str>,
    bus: Bus,
    format: ImageFormat,
    config_sha256: &'a str,
}

#[derive(Debug, Serialize)]
struct RunDetails {
    builder: Builder,
}

#[derive(Debug, Serialize)]
struct Builder {
    id: String,
    version: BTreeMap<&'static str, String>,
}

#[derive(Debug, Default, Serialize)]
struct Resource {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    #[serde(rename = "downloadLocation", skip_serializing_if = "Option::is_none")]
    download_location: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    digest: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'static str, String>,
}

pub(super) fn statement(materials: Materials<'_>) -> Statement<'_> {
    let Materials { image, manifest, .. } = materials;
    let tool_version = &manifest.tool_version;
    Statement {
        kind: "https://in-toto.io/Statement/v1",
        subject: [resource(image, &manifest.sha256)],
        predicate_type: "https://slsa.dev/provenance/v1",
        predicate: Provenance {
            build_definition: BuildDefinition {
                build_type: BUILD_TYPE,
                external_parameters: External {
                    arch: manifest.arch,
                    kernel_type: manifest.kernel_type,
                    hypervisor: &manifest.hypervisor,
                    source: &manifest.source.name,
                    missing: &manifest.missing,
                    breaches: &manifest.breaches,
                },
                internal_parameters: Internal {
                    key: &manifest.key,
                    machine: manifest.machine.as_deref(),
                    bus: manifest.bus,
                    format: manifest.format,
                    config_sha256: &manifest.config_sha256,
                },
                resolved_dependencies: dependencies(materials),
            },
            run_details: RunDetails {
                builder: Builder {
                    id: format!("{BUILD_TYPE}/xtask"),
                    version: BTreeMap::from([("xtask", tool_version.clone())]),
                },
            },
        },
    }
}

fn dependencies(materials: Materials<'_>) -> Vec<Resource> {
    let Manifest { source, inputs, toolchain, packer, .. } = materials.manifest;
    let mut all = vec![kernel_source(materials)];
    all.extend(source.patches.iter().map(|record| {
        let (name, sha256) = patches::parts(record);
        resource(name, sha256)
    }));
    all.extend(inputs.iter().map(|input| resource(input.path.as_str(), &input.sha256)));
    all.extend(Tool::all(toolchain, packer.as_deref()).into_iter().map(|tool| Resource {
        uri: Some(format!("pkg:generic/{}@{}", tool.name, tool.version)),
        annotations: BTreeMap::from([("version", tool.line.to_owned())]),
        name: tool.name,
        ..Resource::default()
    }));
    all
}

fn kernel_source(Materials { manifest, origin, .. }: Materials<'_>) -> Resource {
    let sha256 = manifest.source.sha256.clone();
    let (digest, annotations) = match (origin.is_archive, &origin.commit) {
        (true, _) => (BTreeMap::from([("sha256", sha256)]), BTreeMap::new()),
        (false, Some(commit)) => {
            (BTreeMap::from([("gitCommit", commit.clone())]), BTreeMap::from([("files", sha256)]))
        }
        (false, None) => {
            let of = "the sha256 and name of each file that the build read".to_owned();
            (BTreeMap::from([("sha256", sha256)]), BTreeMap::from([("digestOf", of)]))
        }
    };
    Resource {
        name: "linux".to_owned(),
        uri: origin.purl.clone().or(origin.location.clone()),
        download_location: origin.location.clone(),
        digest,
        annotations,
    }
}

fn resource(name: &str, sha256: &str) -> Resource {
    let digest = BTreeMap::from([("sha256", sha256.to_owned())]);
    Resource { name: name.to_owned(), digest, ..Resource::default() }
}

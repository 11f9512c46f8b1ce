//! What a resolved configuration does without of what is recommended for hardening, and why.

use serde::Serialize;

use super::values;
use crate::contract::{Hardening, Reason, Values};
use crate::fragment::Place;
use crate::plan::Target;
use crate::source::KernelVersion;

/// A resolved configuration, and whose it is.
#[derive(Clone, Copy)]
pub(crate) struct Hardened<'a> {
    pub kernel: &'a str,
    pub version: &'a KernelVersion,
    pub targets: &'a [&'a Target],
    pub dot_config: &'a str,
}

/// A recommendation that a kernel does not follow.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Deviation {
    pub kernel: String,
    pub linux: String,
    /// Those of the kernel's hypervisors that this is so for.
    pub hypervisors: Vec<String>,
    pub recommendation: String,
    /// What a kernel that follows it has.
    pub gives: String,
    pub source: String,
    pub needs: String,
    pub at_fault: Vec<Is>,
    /// Nothing where nobody gave one: that is a finding.
    pub reason: Option<String>,
    /// Where the reason is given.
    pub place: Option<Place>,
}

/// A symbol in the newest kernel's words, and its value; `n` also where the tree has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Is {
    pub symbol: String,
    pub value: String,
}

/// A reason for what is not so any more.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Stale {
    pub recommendation: String,
    pub place: Place,
    /// The kernels of these trees follow the recommendation.
    pub linux: Vec<String>,
}

/// All that a kernel deviates in, in the order of the file.
pub(crate) fn deviations(hardening: &Hardening, of: Hardened<'_>) -> Vec<Deviation> {
    let set = values(of.dot_config);
    let mut found: Vec<Deviation> = vec![];
    for target in of.targets {
        let values = Values { arch: target.arch, set: &set };
        for broken in hardening.not_followed(target, of.version, values) {
            let id = &broken.capability.id;
            let holds =
                |reason: &&Reason| reason.recommendation == *id && reason.holds(target, of.version);
            let reason = hardening.reasons.iter().find(holds);
            let place = reason.map(|reason| reason.place.clone());
            let same = |known: &&mut Deviation| known.recommendation == *id && known.place == place;
            if let Some(known) = found.iter_mut().find(same) {
                known.hypervisors.push(target.hypervisor.clone());
                continue;
            }
            let is = |(symbol, value): (&str, String)| Is { symbol: symbol.to_owned(), value };
            found.push(Deviation {
                kernel: of.kernel.to_owned(),
                linux: of.version.to_string(),
                hypervisors: vec![target.hypervisor.clone()],
                recommendation: id.clone(),
                gives: broken.capability.reason.clone(),
                source: broken.capability.source.clone(),
                needs: broken.needs.iter().map(|needs| needs.text.as_str()).collect(),
                at_fault: hardening.at_fault(&broken, values).into_iter().map(is).collect(),
                reason: reason.map(|reason| reason.text.clone()),
                place,
            });
        }
    }
    found
}

/// Reasons that no kernel has a use for, tree by tree. A reason counts as stale on a tree only where
/// all kernels that it could be for were looked at; `all` are those that there are.
pub(crate) fn stale(
    hardening: &Hardening,
    looked_at: &[Hardened<'_>],
    deviations: &[Deviation],
    all: &[Target],
) -> Vec<Stale> {
    let mut versions: Vec<&KernelVersion> = looked_at.iter().map(|one| one.version).collect();
    versions.dedup();
    let was_looked_at = |target: &Target, version: &KernelVersion| {
        let same = |other: &&&Target| {
            other.variant() == target.variant() && other.hypervisor == target.hypervisor
        };
        let of_version = looked_at.iter().filter(|one| one.version == version);
        of_version.flat_map(|one| one.targets).any(|other| same(&other))
    };
    let is_stale = |reason: &Reason, version: &KernelVersion| {
        let id = &reason.recommendation;
        let concerns =
            |target: &&Target| reason.holds(target, version) && hardening.asks(id, target, version);
        let mut concerned = all.iter().filter(concerns).peekable();
        let used = |one: &Deviation| {
            one.recommendation == *id
                && one.place.as_ref() == Some(&reason.place)
                && one.linux == version.to_string()
        };
        concerned.peek().is_some()
            && concerned.all(|target| was_looked_at(target, version))
            && !deviations.iter().any(used)
    };
    let of = |reason: &Reason| {
        let linux = versions.iter().filter(|version| is_stale(reason, version));
        let linux: Vec<String> = linux.map(ToString::to_string).collect();
        let (recommendation, place) = (reason.recommendation.clone(), reason.place.clone());
        (!linux.is_empty()).then_some(Stale { recommendation, place, linux })
    };
    hardening.reasons.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;
    use vmm_kernel::{Arch, Bus, ImageFormat, KernelType};

    use super::*;
    use crate::history::History;

    const TEXT: &str = r#"
source = "made up"

[[recommendation]]
id = "lists"
gives = "checked lists"
since = "6.6"
needs = "LIST_HARDENED"

[[recommendation]]
id = "calls"
gives = "checked calls"
needs = "CFI && !CFI_PERMISSIVE"

[[recommendation]]
id = "low-pages"
gives = "no low pages"
when = { arch = ["x86_64"] }
needs = "MIN_ADDR>=65536"

[[recommendation]]
id = "no-modules"
gives = "no new code"
needs = "!MODULES"

[[deviation]]
from = ["calls", "lists"]
when = { type = ["micro"] }
reason = "too slow"

[[deviation]]
from = ["no-modules"]
when = { hypervisor = ["qemu"] }
reason = "qemu's drivers"

[[deviation]]
from = ["no-modules"]
before = "6.6"
reason = "older trees cannot do without"
"#;

    fn hardening() -> Hardening {
        let history = "[[symbol]]\nname = \"CFI\"\nwas = [\"CFI_CLANG\"]\nevidence = \"made up\"\n";
        let history: History = toml::from_str(history).unwrap();
        let path = Utf8Path::new("hardening.toml");
        Hardening::parse(path, TEXT, &["qemu", "stratovirt"], history).unwrap()
    }

    fn target(kernel_type: KernelType, hypervisor: &str, arch: Arch) -> Target {
        Target {
            arch,
            kernel_type,
            hypervisor: hypervisor.to_owned(),
            sandboxer: true,
            machine: None,
            bus: Bus::Pci,
            format: ImageFormat::Image,
            list: "some.list".into(),
            overlay: None,
            stage: "bin".into(),
            install: "bin".into(),
            config: None,
            choices: vec![],
        }
    }

    fn line(one: &Deviation) -> String {
        let Deviation { kernel, linux, recommendation, .. } = one;
        let hypervisors = one.hypervisors.join(", ");
        let is = one.at_fault.iter().map(|Is { symbol, value }| format!("{symbol}={value}"));
        let is = is.collect::<Vec<_>>().join(" ");
        let reason = one.reason.as_deref().unwrap_or("no reason");
        format!("{kernel} {linux} for {hypervisors}: {recommendation}: {is}: {reason}\n")
    }

    /// What each of three kernels on each of two trees does without, and which reasons are stale
    /// where all of them were looked at, and where the last was not.
    #[test]
    fn every_kernel_is_held_against_what_it_is_asked_for() {
        let all = [
            target(KernelType::Micro, "stratovirt", Arch::X86_64),
            target(KernelType::Mini, "stratovirt", Arch::Aarch64),
            target(KernelType::Mini, "qemu", Arch::Aarch64),
        ];
        let (micro, mini): (Vec<_>, Vec<_>) = (vec![&all[0]], all[1..].iter().collect());
        let versions = ["6.1", "6.12"].map(|version| version.parse().unwrap());
        let kernels = [
            ("micro", &micro, "CONFIG_CFI_CLANG=y\nCONFIG_MIN_ADDR=4096\n"),
            ("mini", &mini, "CONFIG_CFI=y\nCONFIG_CFI_PERMISSIVE=y\nCONFIG_MODULES=y\n"),
        ];
        let looked_at: Vec<Hardened<'_>> = versions
            .iter()
            .flat_map(|version| {
                let of = move |(kernel, targets, dot_config)| {
                    let targets: &Vec<&Target> = targets;
                    Hardened { kernel, version, targets, dot_config }
                };
                kernels.into_iter().map(of)
            })
            .collect();
        let hardening = hardening();
        let found: Vec<Deviation> =
            looked_at.iter().flat_map(|one| deviations(&hardening, *one)).collect();
        let micro_only: Vec<_> =
            looked_at.iter().copied().filter(|one| one.kernel == "micro").collect();
        let mut text: String = found.iter().map(line).collect();
        for (looked_at, what) in [(looked_at, "all"), (micro_only, "only micro")] {
            text += &format!("stale, where {what} were looked at\n");
            for Stale { recommendation, place, linux } in
                stale(&hardening, &looked_at, &found, &all)
            {
                text += &format!("  {place} {recommendation} on {}\n", linux.join(", "));
            }
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn all_that_is_wrong_with_the_file_is_told_at_once() {
        let text = TEXT
            .replace("id = \"lists\"", "id = \"calls\"")
            .replace("\"qemu\"", "\"qmeu\"")
            .replace("needs = \"!MODULES\"", "needs = \"!\"")
            .replace("before = \"6.6\"", "before = \"six\"")
            .replace("\"too slow\"", "\" \"");
        let path = Utf8Path::new("hardening.toml");
        let error = Hardening::parse(path, &text, &["qemu"], History::default()).unwrap_err();
        insta::assert_snapshot!(error);
    }
}

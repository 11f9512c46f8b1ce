//! What a word on the command line names, where it may be a target, a list, a tree or a `.config`.

use anyhow::{Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use vmm_kernel::{Arch, KernelType};

use crate::diag::{Hint, did_you_mean};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operand {
    /// Words of type, arch and hypervisor, in any order.
    Target(Words),
    List {
        path: Utf8PathBuf,
        /// As the name of the file says.
        arch: Option<Arch>,
    },
    /// The name of a pinned source.
    Pinned(String),
    Tree(Utf8PathBuf),
    DotConfig(Utf8PathBuf),
}

/// What is named of a target; the rest is chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Words {
    pub arch: Option<Arch>,
    pub kernel_type: Option<KernelType>,
    pub hypervisor: Option<String>,
}

/// What a workspace has names for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names<'a> {
    pub hypervisors: Vec<&'a str>,
    pub sources: Vec<&'a str>,
}

/// What there is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Folder,
    /// Or a pipe, or whatever else can be read.
    File,
}

impl Operand {
    /// Names come first: `./NAME` is a path, whatever the name.
    ///
    /// # Errors
    /// If the word names nothing, or one thing twice.
    pub(crate) fn parse(
        word: &str,
        names: &Names<'_>,
        look: impl Fn(&Utf8Path) -> Option<Found>,
    ) -> Result<Self> {
        if let Some(words) = Words::parse(word, names)? {
            return Ok(Operand::Target(words));
        }
        if names.sources.contains(&word) {
            return Ok(Operand::Pinned(word.to_owned()));
        }
        let path = Utf8PathBuf::from(word);
        match look(&path) {
            Some(Found::Folder) => Ok(Operand::Tree(path)),
            Some(Found::File) if path.extension() == Some("list") => {
                Ok(Operand::List { arch: arch_of_list(&path), path })
            }
            Some(Found::File) => Ok(Operand::DotConfig(path)),
            None => refuse(word, names),
        }
    }
}

/// What two operands are called beside each other: by the end of a path, where that is enough.
pub(crate) fn labels<'a>(a: (&'a str, &Operand), b: (&'a str, &Operand)) -> [&'a str; 2] {
    let label = |(word, operand): (&'a str, &Operand)| match operand {
        Operand::Target(_) | Operand::Pinned(_) => word,
        _ => Utf8Path::new(word).file_name().unwrap_or(word),
    };
    if label(a) == label(b) { [a.0, b.0] } else { [label(a), label(b)] }
}

impl Words {
    /// `None` if one of its words is none.
    fn parse(text: &str, names: &Names<'_>) -> Result<Option<Self>> {
        let mut words = Words::default();
        for word in text.split('/') {
            let twice = if let Ok(arch) = word.parse() {
                words.arch.replace(arch).is_some().then_some("arches")
            } else if let Ok(kernel_type) = word.parse() {
                words.kernel_type.replace(kernel_type).is_some().then_some("types")
            } else if names.hypervisors.contains(&word) {
                words.hypervisor.replace(word.to_owned()).is_some().then_some("hypervisors")
            } else {
                return Ok(None);
            };
            if let Some(what) = twice {
                return Err(anyhow!("`{text}` names two {what}"))
                    .hint(|| "a target has one type, one arch and one hypervisor");
            }
        }
        Ok(Some(words))
    }
}

/// `micro-kernel-aarch64.list` is for aarch64.
fn arch_of_list(path: &Utf8Path) -> Option<Arch> {
    let (_, arch) = path.file_stem()?.rsplit_once('-')?;
    arch.parse().ok()
}

fn refuse<T>(word: &str, names: &Names<'_>) -> Result<T> {
    let mut known = [KernelType::NAMES, Arch::NAMES, &names.hypervisors].concat();
    let parts: Vec<&str> = word.split('/').collect();
    let wrong: Vec<&str> = parts.iter().copied().filter(|part| !known.contains(part)).collect();
    if parts.len() > 1 && wrong.len() == parts.len() {
        return Err(anyhow!("failed to open {word}: no such file or folder"));
    }
    known.extend(&names.sources);
    Err(anyhow!("nothing has the name `{word}`: no target, no source, no file")).hint(|| {
        let near = did_you_mean(wrong.first().unwrap_or(&word), &known);
        format!("{near} (or name the path of a list, a tree or a .config)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 2] = ["qemu", "cloud_hypervisor"];

    fn parse(word: &str) -> Result<Operand> {
        let names = Names { hypervisors: NAMES.to_vec(), sources: vec!["6.12"] };
        Operand::parse(word, &names, |path| match path.as_str() {
            "./micro" | "linux" | "micro" => Some(Found::Folder),
            "conf/mini-kernel-aarch64.list" | "my.list" | "6.12" | "x/.config" => Some(Found::File),
            _ => None,
        })
    }

    #[test]
    fn each_word_is_what_it_names() {
        let target = |arch, kernel_type, hypervisor: Option<&str>| {
            Operand::Target(Words { arch, kernel_type, hypervisor: hypervisor.map(str::to_owned) })
        };
        let (micro, arm) = (Some(KernelType::Micro), Some(Arch::Aarch64));
        let list = |path: &str, arch| Operand::List { path: path.into(), arch };
        let cases = [
            ("micro", target(None, micro, None)),
            ("micro/aarch64", target(arm, micro, None)),
            ("aarch64/micro", target(arm, micro, None)),
            ("qemu", target(None, None, Some("qemu"))),
            ("cloud_hypervisor/aarch64/micro", target(arm, micro, Some("cloud_hypervisor"))),
            ("6.12", Operand::Pinned("6.12".to_owned())),
            ("./micro", Operand::Tree("./micro".into())),
            ("linux", Operand::Tree("linux".into())),
            ("conf/mini-kernel-aarch64.list", list("conf/mini-kernel-aarch64.list", arm)),
            ("my.list", list("my.list", None)),
            ("x/.config", Operand::DotConfig("x/.config".into())),
        ];
        for (word, expected) in cases {
            assert_eq!(parse(word).unwrap(), expected, "{word}");
        }
    }

    #[test]
    fn a_path_is_called_by_its_end_where_that_is_enough() {
        let labels = |a: &'static str, b: &'static str| {
            super::labels((a, &parse(a).unwrap()), (b, &parse(b).unwrap()))
        };
        assert_eq!(labels("micro/aarch64", "x/.config"), ["micro/aarch64", ".config"]);
        assert_eq!(labels("micro", "./micro"), ["micro", "./micro"]);
    }

    #[test]
    fn what_names_nothing_is_refused_with_what_is_near() {
        let cases = [
            ("micro/mini", "`micro/mini` names two types", "a target has one type"),
            ("qemu/qemu", "`qemu/qemu` names two hypervisors", "one hypervisor"),
            ("micor", "nothing has the name `micor`", "did you mean `micro`?"),
            ("micro/aarch46", "the name `micro/aarch46`", "did you mean `aarch64`?"),
            ("6.11", "the name `6.11`", "did you mean `6.12`?"),
            ("a/b", "failed to open a/b: no such file or folder", ""),
            ("", "the name ``", "take one of: micro, mini, x86_64, aarch64, qemu"),
        ];
        for (word, message, hint) in cases {
            let failure = crate::diag::Failure::new(&parse(word).unwrap_err());
            let told = format!("{} {}", failure.error, failure.causes.join(" "));
            assert!(told.contains(message), "{word}: {told}");
            assert!(failure.hints.join(" ").contains(hint), "{word}: {:?}", failure.hints);
        }
    }
}

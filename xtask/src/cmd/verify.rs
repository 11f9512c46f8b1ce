//! `cargo xtask verify IMAGE`: builds it again from the manifest beside it, and compares.

mod bench;

use anyhow::Result;
use camino::Utf8PathBuf;
use clap::Args;
use serde::Serialize;

use self::bench::{Bench, Rebuilt};
use crate::cmd::args::JobsArgs;
use crate::cmd::{Answer, Context};
use crate::diag;
use crate::hash;
use crate::lock::Lock;
use crate::rebuild::{Differences, Obstacle};
use crate::stage;
use crate::workspace::Workspace;

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The image; its manifest is the file beside it with .json behind its name
    image: Utf8PathBuf,
    /// The tree that it was made of, if that was a folder of your own
    #[arg(long, value_name = "DIR")]
    kernel_dir: Option<Utf8PathBuf>,
    /// Folder with the lists and fragments [default: the workspace's]
    #[arg(long, value_name = "DIR")]
    kernel_conf_dir: Option<Utf8PathBuf>,
    /// Prefix of the cross tools, such as aarch64-linux-gnu-
    #[arg(long, value_name = "PREFIX")]
    cross_compile: Option<String>,
    #[command(flatten)]
    jobs: JobsArgs,
    /// Build in this new folder, and keep it [default: one that is gone afterwards]
    #[arg(long, value_name = "DIR")]
    keep: Option<Utf8PathBuf>,
}

/// What became of an image. All hashes are sha256.
#[derive(Debug, Serialize)]
struct Verified {
    image: Utf8PathBuf,
    verdict: Verdict,
    /// What the manifest says, what the file is, and what was built.
    recorded: String,
    given: String,
    rebuilt: Option<String>,
    obstacles: Vec<Obstacle>,
    differences: Option<Differences>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Same,
    Differs,
    CannotBeRebuilt,
}

impl VerifyArgs {
    pub(crate) fn run(self, ctx: &Context) -> Result<Answer> {
        let workspace = Workspace::read(&ctx.shell)?;
        let manifest = stage::demand_manifest(&self.image)?;
        let given = hash::of_file(&self.image)?;
        let _lock = Lock::take(&ctx.shell, ctx.progress, &bench::folder(&workspace))?;
        let bench = Bench::new(ctx, &self, &workspace, &manifest)?;
        let mut verified = Verified {
            image: self.image.clone(),
            verdict: Verdict::CannotBeRebuilt,
            recorded: manifest.sha256.clone(),
            given,
            rebuilt: None,
            obstacles: vec![],
            differences: None,
        };
        match bench.rebuild()? {
            Rebuilt::Not(obstacles) => verified.obstacles = obstacles,
            Rebuilt::In(scratch) => {
                let rebuilt = hash::of_file(&scratch.image())?;
                verified.verdict = Verdict::Same;
                if rebuilt != verified.given {
                    verified.verdict = Verdict::Differs;
                    verified.differences = Some(bench.differences(&verified.given, &scratch)?);
                }
                verified.rebuilt = Some(rebuilt);
            }
        }
        diag::tell_obstacles(ctx.progress, &self.image, &verified.obstacles);
        ctx.print(&verified, Verified::text)?;
        Ok(match verified.verdict {
            Verdict::Same => Answer::Yes,
            Verdict::Differs => Answer::No,
            Verdict::CannotBeRebuilt => Answer::Failed,
        })
    }
}

impl Verified {
    fn text(&self) -> String {
        let Verified { image, recorded, given, .. } = self;
        let Some(rebuilt) = &self.rebuilt else { return String::new() };
        let mut text = match self.verdict {
            Verdict::Same => format!("{image}: built again bit for bit, sha256 {given}\n"),
            _ => format!(
                "{image}: not what its manifest comes to\n  it is    {given}\n  rebuilt  {rebuilt}\n"
            ),
        };
        if recorded != given {
            text += &format!("  manifest {recorded}\n");
        }
        text + &self.differences.as_ref().map(diag::differences_text).unwrap_or_default()
    }
}

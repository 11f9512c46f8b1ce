//! `cargo xtask man`: manual pages, made of the same texts as `--help`.

use anyhow::{Context as _, Result};
use camino::Utf8PathBuf;
use clap::{Args, CommandFactory};
use clap_mangen::Man;

use crate::cmd::{Answer, Cli, Context};
use crate::diag;

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Write a page for each subcommand, too, to this folder [default: the first page to stdout]
    #[arg(value_name = "DIR")]
    folder: Option<Utf8PathBuf>,
}

impl ManArgs {
    pub(crate) fn run(self, ctx: &Context) -> Result<Answer> {
        let command = Cli::command().name("cargo-xtask").disable_help_subcommand(true);
        match &self.folder {
            Some(folder) => {
                std::fs::create_dir_all(folder)
                    .with_context(|| format!("failed to create folder {folder}"))?;
                clap_mangen::generate_to(command, folder)
                    .with_context(|| format!("failed to write manual pages to {folder}"))?;
                ctx.progress.say(format!("`man -l {folder}/cargo-xtask.1` shows the first page"));
            }
            None => {
                let mut page = vec![];
                Man::new(command).render(&mut page).context("failed to write a manual page")?;
                let page = String::from_utf8(page).context("failed to write a manual page")?;
                diag::print_result(&page)?;
            }
        }
        Ok(Answer::Yes)
    }
}

//! `cargo xtask completions`: what makes a shell complete `xtask …`, and `cargo xtask …` where cargo's
//! own completion lets it.

use anyhow::{Context as _, Result};
use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::aot::generate;

use crate::cmd::{Answer, Cli, Context};
use crate::diag;

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell that is to read it
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Shell {
    /// Its name there, and how `cargo xtask` comes to complete as `xtask` does.
    fn parts(self) -> (clap_complete::Shell, &'static str) {
        match self {
            Shell::Bash => (clap_complete::Shell::Bash, include_str!("completions/cargo.bash")),
            Shell::Zsh => (clap_complete::Shell::Zsh, include_str!("completions/cargo.zsh")),
            Shell::Fish => (clap_complete::Shell::Fish, include_str!("completions/cargo.fish")),
        }
    }
}

impl CompletionsArgs {
    pub(crate) fn run(self, _: &Context) -> Result<Answer> {
        let (shell, cargo) = self.shell.parts();
        let mut script = vec![];
        generate(shell, &mut Cli::command().name("xtask"), "xtask", &mut script);
        let script = String::from_utf8(script).context("failed to write a completion script")?;
        diag::print_result(&format!("{script}\n{cargo}"))?;
        Ok(Answer::Yes)
    }
}

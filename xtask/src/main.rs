//! `cargo xtask`: tailors, builds, checks, stages and boots Kuasar's guest kernels.

mod cmd;
mod diag;
mod progress;
mod shell;

fn main() {}

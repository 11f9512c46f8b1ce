//! The command line, as a person types it: `cmd/*` are consoles, whose answers are snapshots; the
//! rest is what a console cannot show: signals, locks, a full disk.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cli {
    mod adopt;
    mod boot;
    mod build;
    mod completions;
    mod configs;
    mod consoles;
    mod contract;
    mod edit;
    mod faults;
    mod fixture;
    mod heirs;
    mod kept;
    mod launcher;
    mod llvm;
    mod measure;
    mod mend;
    mod minimize;
    mod newer;
    mod own_vmm;
    mod packages;
    mod real_boot;
    mod real_tree;
    mod refresh;
    mod size;
    mod together;
    mod verify;
}

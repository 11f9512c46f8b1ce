//! The command line, as a person types it: `cmd/*` are consoles, whose answers are snapshots; the
//! rest is what a console cannot show: signals, locks, a full disk.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cli {
    mod adopt;
    mod boot;
    mod build;
    mod completions;
    mod configs;
    mod consent;
    mod consoles;
    mod contract;
    mod edit;
    mod faults;
    mod fixture;
    mod heirs;
    mod help;
    mod history;
    mod interrupt;
    mod kept;
    mod launcher;
    mod llvm;
    mod measure;
    mod mend;
    mod merged;
    mod minimize;
    mod newer;
    mod overlays;
    mod own_vmm;
    mod packages;
    mod real_boot;
    mod real_tree;
    mod refresh;
    mod size;
    mod stage;
    mod supply;
    mod together;
    mod verify;
}

//! The command line, as a person types it: `cmd/*` are consoles, whose answers are snapshots; the
//! rest is what a console cannot show: signals, locks, a full disk.

mod cli {
    pub mod build;
    pub mod consoles;
    pub mod fixture;
}

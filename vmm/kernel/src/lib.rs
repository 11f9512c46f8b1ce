//! What Kuasar's sandboxer and its guest kernel have to agree on: the words for an architecture, a
//! kernel type, a bus and an image format, which of them a hypervisor takes, how an image is told
//! by its first bytes, and what a manifest says beside it.
//!
//! The facts about each hypervisor are data: `[package.metadata.guest-kernel]` in this crate's own
//! `Cargo.toml`, read with `cargo metadata` from a workspace that has this crate.

mod facts;
mod image;
mod manifest;
mod terms;

pub use facts::{GuestKernel, Hypervisor, Machine};
pub use image::{ImageFormat, Sniffed, sniff};
pub use manifest::{Choice, FileRecord, Manifest, ResolvedBy, SourceRecord, ToolchainRecord};
pub use terms::{Arch, Bus, KernelType, UnknownTerm};

/// This crate's `Cargo.toml`: the facts for a workspace that does not have this crate yet.
pub const MANIFEST: &str = include_str!("../Cargo.toml");

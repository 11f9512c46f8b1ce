//! An image that is made again from its manifest: what keeps it from being made again, and where the
//! two differ.

mod compare;
mod kernel;
mod memory;
mod obstacle;
#[cfg(test)]
mod tests;

pub(crate) use compare::{Differences, Part, Section, Symbol, differences};
pub(crate) use obstacle::{Change, Here, Obstacle, left_out, obstacles};

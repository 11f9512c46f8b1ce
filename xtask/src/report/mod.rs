//! Measurements to what people read: a table for a terminal, Markdown, a picture. Pure.

mod changes;
mod grid;
mod grown;
mod markdown;
mod page;
mod picture;
mod refreshed;
mod size;
#[cfg(test)]
mod size_tests;
mod squarified;
mod table;
#[cfg(test)]
mod tests;
mod treemap;

pub(crate) use changes::changes;
pub(crate) use grid::grouped;
pub(crate) use markdown::markdown;
pub(crate) use page::page;
pub(crate) use picture::{initcalls_picture, picture};
pub(crate) use refreshed::{refreshed, refreshed_picture};
pub(crate) use size::{growth, sizes};
pub(crate) use table::table;
pub(crate) use treemap::treemap;

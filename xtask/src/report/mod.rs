//! Measurements to what people read: a table for a terminal, Markdown, a picture. Pure.

mod changes;
mod grid;
mod markdown;
mod picture;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use changes::changes;
pub(crate) use grid::grouped;
pub(crate) use markdown::markdown;
pub(crate) use picture::{initcalls_picture, picture};
pub(crate) use table::table;

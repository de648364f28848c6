//! Pictures, tables and files of a capture.
//!
//! Every format is a file here; [`format::Format`] knows them by their extensions.

pub mod ansi;
pub mod csv;
pub mod figure;
pub mod font;
pub mod format;
pub mod html;
pub mod json;
pub mod labels;
pub mod npz;
pub mod png;
pub mod scene;
pub mod select;
pub mod svg;
pub mod table;
pub mod text;
pub mod tour;

mod canvas;
mod shaping;

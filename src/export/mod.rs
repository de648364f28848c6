//! Exports of a capture: pictures, tables and data files.
//!
//! Each format has a file of its own; [`format::Format`] selects one by file extension.

pub mod ansi;
pub mod compared;
pub mod csv;
pub mod drawing;
pub mod figure;
pub mod font;
pub mod format;
pub mod hocr;
pub mod html;
mod installed_fonts;
pub mod json;
pub mod labels;
pub mod npz;
pub mod options;
pub mod patching;
pub mod png;
pub mod prepared;
pub mod safetensors;
pub mod scene;
pub mod select;
pub mod spoken;
pub mod svg;
pub mod table;
pub mod tables;
pub mod text;
pub mod tour;
pub mod transcript;

mod canvas;
mod shaping;

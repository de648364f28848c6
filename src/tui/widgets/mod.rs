//! Widgets shared by several views.

pub mod axis;
pub mod bar;
pub mod cells;
pub mod context;
pub mod editor;
pub mod heat;
pub mod list;
pub mod panel;
pub mod passage;
pub mod picture;
pub mod prose;
pub mod rule;
pub mod strokes;
pub mod thumbnail;
pub mod timeline;

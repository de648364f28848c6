//! Turns weights into colours and characters: colour maps, scales, pooling, glyphs. Shared by the screen and
//! the exporters.
//!
//! A map is pooled into as many cells as there is room for, a [`Scale`] brings each weight into `0..=1`, and
//! a [`Colormap`] or a [`Ramp`] turns that into a colour or a character.

mod bands;
mod colormap;
mod glyph;
mod overlay;
mod pool;
mod scale;
pub mod xterm;

pub use bands::Bands;
pub use colormap::{Colormap, ink};
pub use glyph::Ramp;
pub use overlay::overlay;
pub use pool::{Pool, Region, pool};
pub use scale::{Curve, GAMMAS, Range, Scale, keys_seen, row_floor};

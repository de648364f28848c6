//! From weights to something to look at: colour maps, scales, pooling, glyphs. Shared by screen and
//! exporters; knows neither.

mod bands;
mod colormap;
mod glyph;
mod pool;
mod scale;

pub use bands::Bands;
pub use colormap::{Colormap, ink};
pub use glyph::Ramp;
pub use pool::{Pool, Window, cell_of, pool, span_of};
pub use scale::{Curve, GAMMAS, Range, Scale};

//! Fields of config.json that encoders of pictures share.

use crate::checkpoint::ModelConfig;
use crate::error::{Error, Result};
use crate::model::spec::{PatchesSpec, StackSpec};

/// An encoder with its front end.
pub(super) type VisionEncoder = (StackSpec, PatchesSpec);

/// Largest side of a picture or a patch in pixels.
const MAX_SIDE: u64 = 8192;

/// Most patches of a picture; Donut has 307 200.
const MAX_PATCHES: usize = 1 << 20;

/// Reads height and width: two numbers, or one for both.
pub(super) fn sides(config: &ModelConfig, key: &str, default: u64) -> Result<[usize; 2]> {
    let side =
        |side: Option<u64>| side.filter(|side| (1..=MAX_SIDE).contains(side)).map(|side| side as usize);
    let both = match config.get(key) {
        None => side(Some(default)).map(|side| [side; 2]),
        Some(value) => match value.as_array().map(Vec::as_slice) {
            Some([height, width]) => side(height.as_u64()).zip(side(width.as_u64())).map(|(h, w)| [h, w]),
            Some(_) => None,
            None => side(value.as_u64()).map(|side| [side; 2]),
        },
    };
    both.ok_or_else(|| Error::Config(format!("{key} is no size of 1 to {MAX_SIDE} pixels")))
}

/// Checks that the encoder reads three colours.
pub(super) fn check_channels(config: &ModelConfig) -> Result<()> {
    match config.count_or("num_channels", 3)? {
        3 => Ok(()),
        channels => Err(Error::Config(format!("num_channels is {channels}: pictures have 3"))),
    }
}

/// Checks that a picture has at least one patch, and no more than memory is planned for.
pub(super) fn check_grid(patches: &PatchesSpec) -> Result<()> {
    let [[height, width], [high, wide]] = [patches.picture, patches.patch];
    let [rows, columns] = patches.grid();
    let why = match rows * columns {
        0 => format!("a picture of {width} x {height} pixels has no patch of {wide} x {high}"),
        count if count > MAX_PATCHES => {
            format!("a picture of {width} x {height} pixels has {count} patches, more than {MAX_PATCHES}")
        }
        _ => return Ok(()),
    };
    Err(Error::Config(why))
}

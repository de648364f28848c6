//! Parsers of option values.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::axis::PixelBox;
use crate::capture::MapWeights;
use crate::device::Device;
use crate::engine::Masking;
use crate::paint::{Colormap, Curve, Range};
use crate::site::{Head, Kind};

/// Creates a parser of named values, whose names the help lists.
pub fn named<T>(names: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err = String> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| name.parse::<T>())
}

/// Creates the parser of `--kind`.
pub fn kinds() -> impl TypedValueParser<Value = Kind> {
    named(Kind::ALL.map(Kind::name))
}

pub(super) fn devices() -> impl TypedValueParser<Value = Device> {
    named(Device::ALL.map(Device::name))
}

pub(super) fn weights() -> impl TypedValueParser<Value = MapWeights> {
    named(MapWeights::ALL.map(MapWeights::name))
}

pub(super) fn maskings() -> impl TypedValueParser<Value = Masking> {
    named(Masking::ALL.map(Masking::name))
}

pub(super) fn colormaps() -> impl TypedValueParser<Value = Colormap> {
    named(Colormap::ALL.map(Colormap::name))
}

pub(super) fn curves() -> impl TypedValueParser<Value = Curve> {
    named(Curve::ALL.iter().map(|curve| curve.name()))
}

pub(super) fn ranges() -> impl TypedValueParser<Value = Range> {
    named(Range::ALL.iter().map(|range| range.name()))
}

/// Parses a whole number that is not negative: an index, or a number of lines.
pub fn whole<T: FromStr>(text: &str) -> std::result::Result<T, String> {
    text.parse().map_err(|_| match text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        true => "is too large".into(),
        false => "must be a whole number, 0 or more".into(),
    })
}

/// Parses a whole number from 1 to 65536.
pub fn count(text: &str) -> std::result::Result<usize, String> {
    within(text, 1..=65_536)
}

/// Parses a whole number of a range.
pub fn within<T>(text: &str, range: RangeInclusive<T>) -> std::result::Result<T, String>
where
    T: FromStr + PartialOrd + Display,
{
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("must be a whole number from {} to {}", range.start(), range.end()))
}

/// Parses a rectangle of a picture: left and upper edge, width and height, in pixels.
pub fn rectangle(text: &str) -> std::result::Result<PixelBox, String> {
    let sides: Option<Vec<f64>> = text.split(',').map(|side| side.trim().parse().ok()).collect();
    match sides.as_deref() {
        Some(&[x, y, w, h])
            if x >= 0.0 && y >= 0.0 && w > 0.0 && h > 0.0 && [x, y, w, h].iter().all(|side| *side <= 1e6) =>
        {
            Ok(PixelBox { x, y, w, h })
        }
        _ => Err("must be a rectangle of the picture such as 40,0,16,32: left, top, width, height in pixels"
            .into()),
    }
}

/// Parses a number of points of an integration.
pub fn steps(text: &str) -> std::result::Result<usize, String> {
    within(text, 1..=1000)
}

/// Parses two decoder rows, the first and the last of a span.
pub fn span(text: &str) -> std::result::Result<std::ops::Range<usize>, String> {
    let ends = text.split_once('-').and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    match ends {
        Some((first, last)) if first <= last && last < usize::MAX => Ok(first..last + 1),
        _ => Err("must be the first and the last row, such as 2-5".into()),
    }
}

/// Parses the layer and the number of a cross-attention head.
pub fn cross_head(text: &str) -> std::result::Result<Head, String> {
    let parts = text.trim().split_once('.');
    let head = parts.and_then(|(layer, head)| Some((layer.parse().ok()?, head.parse().ok()?)));
    let head = head.map(|(layer, head)| Head::new(Kind::Cross, layer, head));
    head.ok_or_else(|| "must be a layer and a head, such as 2.4".into())
}

/// Parses a finite number that is not negative.
pub fn non_negative(text: &str) -> std::result::Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("must be a number, 0 or more".into()),
    }
}

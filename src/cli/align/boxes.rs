//! `attn-tui align` of a picture: words with their places.

use std::path::Path;

use super::AlignArgs;
use super::word_times::{HeadChoice, WordFormat};
use crate::analysis::align::Convention;
use crate::analysis::regions::{BoxedWord, PictureRegion, locality, region};
use crate::analysis::word_times::spoken_words;
use crate::axis::{AxisItem, PixelBox};
use crate::capture::Capture;
use crate::cli::context::Context;
use crate::cli::options::RunExtras;
use crate::cli::{input, output};
use crate::error::{Error, Result};
use crate::export::figure::boxes::{self, BoxesDrawing};
use crate::export::figure::{FigureStyle, FigureTheme};
use crate::export::font::Fonts;
use crate::export::format::Format;
use crate::export::prepared::PreparedExport;
use crate::export::table::{Cell, Table};
use crate::export::{hocr, png, svg};
use crate::files::ModelFile;
use crate::matrix::Matrix;
use crate::paint::{Colormap, Scale};
use crate::site::{Head, Kind};
use crate::terminal::printable;
use crate::text::spelt;

/// Number of heads that `--heads auto` takes.
const MOST_LOCAL: usize = 4;

/// Returns true if the source of a capture is a picture.
pub fn is_seen(capture: &Capture) -> bool {
    capture.source.items.iter().any(|item| item.place().is_some())
}

/// Runs the model on the picture and prints the places of its words.
///
/// # Errors
/// Those of the engine and of [`print`].
pub fn run(args: &AlignArgs, context: &Context) -> Result<()> {
    let extras = RunExtras { predictions: true, ..RunExtras::default() };
    print(args, &input::capture(&args.input, extras, context)?, context)
}

/// Prints the places of words of a capture, or with --per-head how well each head finds them.
///
/// # Errors
/// [`Error::NoSuchHead`] for heads that the capture lacks; [`Error::Text`] if the target has no words; those
/// of the file of gold boxes.
pub fn print(args: &AlignArgs, capture: &Capture, context: &Context) -> Result<()> {
    let gold = args.gold.as_deref().map(gold).transpose()?;
    let ranked = ranked(capture, args.convention)?;
    if args.per_head {
        return args.output.print(&per_head(args, capture, &ranked, gold.as_deref())?, &context.terminal);
    }
    let heads = match &args.times.heads {
        HeadChoice::Listed(heads) => heads.clone(),
        HeadChoice::All => ranked.iter().map(|(head, _)| *head).collect(),
        HeadChoice::Config => {
            let why =
                "no settings of a vision model name heads that align: --heads auto takes the most local";
            return Err(Error::NoSuchHead(why.into()));
        }
        HeadChoice::Auto => ranked.iter().take(MOST_LOCAL).map(|(head, _)| *head).collect(),
    };
    let words = boxed(capture, &heads, args.convention, args.tokens)?;
    match args.times.format {
        Some(WordFormat::Hocr) => {
            let media = capture.media.as_ref();
            let file = media.map_or(capture.source.text.as_str(), |media| media.file.as_str());
            let size = media.and_then(|media| media.size).unwrap_or_else(|| reach(capture));
            return output::print(&hocr::write(&words, file, size));
        }
        Some(WordFormat::Times(_)) => {
            let why = "that --format holds times in a recording, and this is a picture: hocr holds places";
            return Err(Error::Usage(why.into()));
        }
        None => {}
    }
    if !args.output.machine_readable() {
        let names: Vec<_> = heads.iter().map(|head| format!("{}.{}", head.layer(), head.head)).collect();
        output::note(&format!(
            "places are the patches around the largest weight, down to 0.3 of it, in the mean of the cross heads {}",
            names.join(", ")
        ));
    }
    let table = table(&words, gold.as_deref());
    let Some((path, format)) = args.output.output.as_ref().and_then(|path| drawn(path)) else {
        return args.output.print(&table, &context.terminal);
    };
    let drawing = BoxesDrawing {
        title: format!("where {} read each word", printable(&capture.model)),
        capture,
        words: &words,
        levels: levels(capture, &heads, args.convention)?,
        table,
    };
    let exported = export(&drawing, format)?;
    output::save(path, args.output.force, |out| exported.write(out))
}

/// Returns the format of a file that holds a picture; `None` for tables.
fn drawn(path: &Path) -> Option<(&Path, Format)> {
    let format = Format::of(path).ok()?;
    matches!(format, Format::Svg | Format::Png | Format::Html).then_some((path, format))
}

/// Draws the words over the picture.
fn export(drawing: &BoxesDrawing, format: Format) -> Result<PreparedExport<'static>> {
    let style = FigureStyle {
        theme: FigureTheme::Light,
        colormap: Colormap::default(),
        scale: Scale::default(),
        values: false,
    };
    let none = || Error::Text("the source is no picture".into());
    Ok(match format {
        Format::Html => PreparedExport::whole(boxes::page(drawing, &style).ok_or_else(none)?),
        Format::Svg => {
            let scene = boxes::scene(drawing, &style, &Fonts::built_in()?).ok_or_else(none)?;
            PreparedExport::whole(svg::render(&scene))
        }
        _ => png::prepare_scene(None, 2.0, |fonts| boxes::scene(drawing, &style, fonts).ok_or_else(none))?,
    })
}

/// Returns how strongly some token lies on each patch, as a share of the token's largest weight.
fn levels(capture: &Capture, heads: &[Head], convention: Convention) -> Result<Vec<(PixelBox, f32)>> {
    let places = places(capture);
    let maps: Vec<Matrix> = heads.iter().map(|&head| capture.map(head)).collect::<Result<_>>()?;
    let mut levels = vec![0f32; places.len()];
    for row in written(capture).filter_map(|token| row(capture, token, convention)) {
        let mean = mean_row(&maps, row, places.len());
        let on_patches = mean.iter().zip(&places).filter(|(_, place)| place.is_some());
        let largest = on_patches.map(|(&weight, _)| weight).fold(f32::MIN_POSITIVE, f32::max);
        levels.iter_mut().zip(mean).for_each(|(level, weight)| *level = level.max(weight / largest));
    }
    Ok(places.into_iter().zip(levels).filter_map(|(place, level)| Some((place?, level.min(1.0)))).collect())
}

/// Mean over maps of a row of `keys` weights.
fn mean_row(maps: &[Matrix], row: usize, keys: usize) -> Vec<f32> {
    let mut mean = vec![0.0; keys];
    for map in maps {
        mean.iter_mut().zip(map.row(row)).for_each(|(sum, weight)| *sum += weight / maps.len() as f32);
    }
    mean
}

/// Tabulates words with their places, and with the overlap with gold boxes.
fn table(words: &[BoxedWord], gold: Option<&[GoldBox]>) -> Table {
    let columns = ["word", "x", "y", "w", "h", "point_x", "point_y", "confidence", "probability"];
    let mut table = Table::new(columns);
    if gold.is_some() {
        table.columns.push("iou".into());
    }
    for (at, word) in words.iter().enumerate() {
        let number =
            |of: fn(&PictureRegion) -> f64| Cell::number(word.region.as_ref().map(|at| of(at) as f32));
        let mut row = vec![
            Cell::Text(word.text.clone()),
            number(|at| at.place.x),
            number(|at| at.place.y),
            number(|at| at.place.w),
            number(|at| at.place.h),
            number(|at| at.point[0]),
            number(|at| at.point[1]),
            Cell::number(word.region.map(|region| region.share)),
            Cell::number(word.probability),
        ];
        if let Some(gold) = gold {
            row.push(Cell::number(gold.get(at).and_then(|gold| overlap(word, gold))));
        }
        table.rows.push(row);
    }
    table
}

/// Tabulates how local each head is and, with gold boxes, how much its boxes overlap with them on average.
fn per_head(
    args: &AlignArgs,
    capture: &Capture,
    ranked: &[(Head, f32)],
    gold: Option<&[GoldBox]>,
) -> Result<Table> {
    let mut rows = Vec::new();
    for &(head, locality) in ranked {
        let words = boxed(capture, &[head], args.convention, args.tokens)?;
        let mean = gold.map(|gold| mean_overlap(&words, gold));
        rows.push((head, locality, mean));
    }
    if gold.is_some() {
        rows.sort_by(|a, b| b.2.unwrap_or(0.0).total_cmp(&a.2.unwrap_or(0.0)));
    }
    let mut table = Table::new(["layer", "head", "locality"]);
    if gold.is_some() {
        table.columns.push("iou".into());
    }
    for (head, locality, mean) in rows {
        let mut row = vec![
            Cell::Whole(head.layer() as i64),
            Cell::Whole(head.head as i64),
            Cell::number(Some(locality)),
        ];
        row.extend(mean.map(|mean| Cell::number(Some(mean))));
        table.rows.push(row);
    }
    Ok(table)
}

/// Returns every cross-attention head with its locality, the most local first.
fn ranked(capture: &Capture, convention: Convention) -> Result<Vec<(Head, f32)>> {
    let places = places(capture);
    let rows: Vec<usize> = written(capture).filter_map(|token| row(capture, token, convention)).collect();
    let mut ranked = Vec::new();
    for head in capture.heads_of(Kind::Cross) {
        let map = capture.map(head)?;
        ranked.push((head, locality(rows.iter().map(|&row| map.row(row)), &places)));
    }
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    Ok(ranked)
}

/// Computes the words, or the tokens, of a capture's target with their places.
fn boxed(
    capture: &Capture,
    heads: &[Head],
    convention: Convention,
    by_token: bool,
) -> Result<Vec<BoxedWord>> {
    heads.iter().try_for_each(|head| capture.check(*head))?;
    let maps: Vec<Matrix> = heads.iter().map(|&head| capture.map(head)).collect::<Result<_>>()?;
    let places = places(capture);
    let tokens: Vec<usize> = written(capture).collect();
    if tokens.is_empty() {
        return Err(Error::Text("the text has no words".into()));
    }
    let place_of = |token: usize| {
        let row = row(capture, token, convention)?;
        region(&mean_row(&maps, row, places.len()), &places)
    };
    let regions: Vec<Option<PictureRegion>> = tokens.iter().map(|&token| place_of(token)).collect();
    let piece = |token: &usize| capture.target.items[*token].piece.as_str();
    let texts: Vec<String> = tokens.iter().map(|token| spelt([piece(token)])).collect();
    let parts = match by_token {
        true => (0..tokens.len()).map(|at| at..at + 1).collect(),
        false => spoken_words(&texts),
    };
    let word = |part: std::ops::Range<usize>| {
        let regions = regions[part.clone()].iter().zip(&texts[part.clone()]);
        // A space has a row of its own, but no ink.
        let inked = regions.filter(|(_, text)| by_token || !text.trim().is_empty());
        let inked: Vec<PictureRegion> = inked.filter_map(|(region, _)| *region).collect();
        let tokens = &tokens[part];
        let probability = |token: &usize| capture.predictions.get(*token).map(|row| row.probability);
        let known: Option<Vec<f32>> = tokens.iter().map(probability).collect();
        BoxedWord {
            text: spelt(tokens.iter().map(piece)).trim().to_string(),
            region: PictureRegion::joined(&inked),
            probability: known.map(|all| all.iter().sum::<f32>() / all.len().max(1) as f32),
        }
    };
    Ok(parts.into_iter().map(word).filter(|word| by_token || !word.text.is_empty()).collect())
}

/// The places of a capture's keys.
fn places(capture: &Capture) -> Vec<Option<PixelBox>> {
    capture.source.items.iter().map(AxisItem::place).collect()
}

/// The tokens of the target that are part of the text.
fn written(capture: &Capture) -> impl Iterator<Item = usize> {
    capture.target.items.iter().enumerate().filter(|(_, item)| !item.special).map(|(at, _)| at)
}

/// The decoder row that stands for a token: the row that predicts it, or the row that is fed it.
fn row(capture: &Capture, token: usize, convention: Convention) -> Option<usize> {
    let row = token + usize::from(convention == Convention::Fed);
    (row < capture.decoder_input.len()).then_some(row)
}

/// Width and height that the patches of a capture reach to.
fn reach(capture: &Capture) -> [usize; 2] {
    let all = capture.source.items.iter().filter_map(AxisItem::place).reduce(PixelBox::union);
    all.map_or([1, 1], |all| [all.x + all.w, all.y + all.h].map(|side| side.ceil() as usize))
}

/// A word with its true place, as `--json` prints it.
#[derive(serde::Deserialize)]
struct GoldBox {
    #[serde(flatten)]
    place: PixelBox,
}

/// Reads a JSON list of objects with x, y, w and h, one a word.
fn gold(path: &Path) -> Result<Vec<GoldBox>> {
    let bytes = ModelFile::Path(path.into()).bytes()?;
    serde_json::from_slice(&bytes).map_err(|e| Error::BadFile {
        file: path.display().to_string(),
        why: format!("not a list of words with x, y, w and h: {e}"),
    })
}

fn overlap(word: &BoxedWord, gold: &GoldBox) -> Option<f32> {
    word.region.map(|region| region.place.iou(gold.place) as f32)
}

/// Mean overlap (IoU) of words with gold boxes; words without a box or a gold box count as 0.
fn mean_overlap(words: &[BoxedWord], gold: &[GoldBox]) -> f32 {
    let sum: f32 = words.iter().zip(gold).filter_map(|(word, gold)| overlap(word, gold)).sum();
    sum / words.len().max(gold.len()).max(1) as f32
}

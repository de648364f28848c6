//! `attn-tui rollout`: how much of each position comes from where, through all layers.

use clap::builder::TypedValueParser;
use clap::{Args, ValueEnum};

use super::common::{ColorChoice, Input, Output, named};
use super::output;
use super::run::Keep;
use crate::analysis::alti::{alti, alti_plus};
use crate::analysis::merge::{CrossRollout, Merge, cross_rollout, merge, rollout};
use crate::capture::Capture;
use crate::error::{Error, Result};
use crate::export::ansi::Colors;
use crate::export::labels::{Labels, keys_title, queries_title, token_label};
use crate::export::table::{Cell, Table};
use crate::export::text::{self, CellStyle, TextStyle};
use crate::matrix::Matrix;
use crate::paint::{Colormap, Scale};
use crate::site::{Kind, Site};
use crate::token::Token;

/// Options of `rollout`.
#[derive(Args)]
pub struct Rollout {
    #[command(flatten)]
    input: Input,
    /// What is rolled out: the decoder over source and prefix (cross), or one stack by itself
    /// [default: cross where there is any].
    #[arg(long, value_parser = kinds())]
    kind: Option<Kind>,
    /// What a layer's contributions are: the mean of its heads' weights with a fixed residual share, or shares
    /// measured with the values.
    #[arg(long, value_enum, default_value = "rollout")]
    method: Method,
    /// How much of a position passes by each attention block, for --method rollout [default: 0.5]. It is the same for
    /// all, so every row has the same source share; what differs is which tokens it comes from.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    residual: Option<f32>,
    /// Print the whole map, not a table of the shares.
    #[arg(long)]
    map: bool,
    #[command(flatten)]
    output: Output,
}

/// `--method`.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Method {
    /// Attention rollout (Abnar and Zuidema 2020).
    Rollout,
    /// ALTI and ALTI+ (Ferrando et al. 2022): source shares differ by row.
    Alti,
}

/// The residual share where none is given.
const RESIDUAL: f32 = 0.5;

fn kinds() -> impl TypedValueParser<Value = Kind> {
    named(Kind::ALL.map(Kind::name))
}

fn share(text: &str) -> std::result::Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("a share from 0 to 1 is needed".into()),
    }
}

/// Runs the command.
pub fn run(args: &Rollout) -> Result<()> {
    if args.method == Method::Alti && args.residual.is_some() {
        return Err(Error::Usage("--residual is for --method rollout: ALTI measures it".into()));
    }
    let capture = args.input.keeping(Keep { values: args.method == Method::Alti, ..Keep::default() })?;
    let all = capture.layers(Kind::Cross) > 0;
    let kind = args.kind.or_else(|| if all { Some(Kind::Cross) } else { capture.kinds().first().copied() });
    match kind.unwrap_or(Kind::Cross) {
        Kind::Cross => {
            let both = args.through_both(&capture)?;
            if args.map {
                print_map(args, &capture, Kind::Cross, &both.source)
            } else {
                args.output.print(&shares(&capture, &both))
            }
        }
        kind => {
            let map = args.through(&capture, kind)?;
            if args.map {
                print_map(args, &capture, kind, &map)
            } else {
                args.output.print(&tops(&capture, kind, &map))
            }
        }
    }
}

impl Rollout {
    fn residual(&self) -> f32 {
        self.residual.unwrap_or(RESIDUAL)
    }

    /// Through one stack by itself.
    fn through(&self, capture: &Capture, kind: Kind) -> Result<Matrix> {
        match self.method {
            Method::Rollout => rollout(&layers(capture, kind)?, self.residual()),
            Method::Alti => alti(&capture.contributions(kind)?),
        }
    }

    /// Through the decoder and, below its cross-attention, the encoder.
    fn through_both(&self, capture: &Capture) -> Result<CrossRollout> {
        let encoder = self.through(capture, Kind::Encoder)?;
        match self.method {
            Method::Rollout => {
                let (own, cross) = (layers(capture, Kind::Decoder)?, layers(capture, Kind::Cross)?);
                cross_rollout(&encoder, &own, &cross, self.residual())
            }
            Method::Alti => alti_plus(
                &encoder,
                &capture.contributions(Kind::Decoder)?,
                &capture.contributions(Kind::Cross)?,
            ),
        }
    }
}

/// The mean of each layer's heads.
fn layers(capture: &Capture, kind: Kind) -> Result<Vec<Matrix>> {
    if capture.layers(kind) == 0 {
        return Err(Error::NoSuchHead(capture.why_absent(kind)));
    }
    let one = |layer| {
        let site = Site::new(kind, layer);
        let heads: Vec<_> =
            (0..capture.heads(site)).map(|head| capture.map(site.head(head))).collect::<Result<_>>()?;
        merge(&heads, Merge::Mean)
    };
    (0..capture.layers(kind)).map(one).collect()
}

/// A row a decoder position: its shares from source and prefix, and its best source token.
fn shares(capture: &Capture, both: &CrossRollout) -> Table {
    let mut table = Table::new([
        "row",
        "fed",
        "predicted",
        "source_share",
        "prefix_share",
        "top_key",
        "top_token",
        "top_share",
    ]);
    for (row, from_source) in both.source_shares().into_iter().enumerate() {
        let (key, weight) = largest(both.source.row(row));
        table.rows.push(vec![
            Cell::Whole(row as i64),
            word(&capture.decoder_input, row),
            word(&capture.target.tokens, row),
            Cell::Number(from_source),
            Cell::Number(both.prefix.row(row).iter().sum()),
            Cell::Whole(key as i64),
            word(&capture.source.tokens, key),
            Cell::Number(weight),
        ]);
    }
    table
}

/// A row a position: how much of it is its own, and which other position it draws most from.
fn tops(capture: &Capture, kind: Kind, map: &Matrix) -> Table {
    let mut table = Table::new(["row", "token", "own_share", "top_key", "top_token", "top_share"]);
    for row in 0..map.rows() {
        let weights = map.row(row);
        let (key, weight) = largest(weights);
        table.rows.push(vec![
            Cell::Whole(row as i64),
            word(capture.queries(kind), row),
            Cell::number(map.get(row, row)),
            Cell::Whole(key as i64),
            word(capture.keys(kind), key),
            Cell::Number(weight),
        ]);
    }
    table
}

/// The place and value of the largest weight; of equal ones the first.
fn largest(row: &[f32]) -> (usize, f32) {
    let cells = row.iter().copied().enumerate();
    cells.reduce(|best, next| if next.1 > best.1 { next } else { best }).unwrap_or((0, 0.0))
}

fn word(tokens: &[Token], at: usize) -> Cell {
    tokens.get(at).map_or(Cell::Missing, |token| Cell::Text(token_label(token)))
}

fn print_map(args: &Rollout, capture: &Capture, kind: Kind, map: &Matrix) -> Result<()> {
    let labels = Labels::of(capture, kind);
    if args.output.for_programs() {
        return args.output.print(&long(&labels, map));
    }
    let colors = ColorChoice::Auto.colors();
    let picture = TextStyle {
        cells: if colors == Colors::None { CellStyle::Numbers } else { CellStyle::Colors(colors) },
        colormap: Colormap::default(),
        scale: Scale::default(),
        width: output::width(),
    };
    let how = match args.method {
        Method::Rollout => format!("rollout · {} · residual {}", capture.model, args.residual()),
        Method::Alti => format!("ALTI · {}", capture.model),
    };
    let title = format!("{kind} {how}\n{} · {}", queries_title(kind), keys_title(kind));
    output::print(&text::render_map(&title, map, &labels, &picture))
}

/// A line a weight.
fn long(labels: &Labels, map: &Matrix) -> Table {
    let mut table = Table::new(["query", "key", "query_token", "key_token", "weight"]);
    for (i, query) in labels.queries.iter().enumerate().take(map.rows()) {
        for (j, (key, &weight)) in labels.keys.iter().zip(map.row(i)).enumerate() {
            table.rows.push(vec![
                Cell::Whole(i as i64),
                Cell::Whole(j as i64),
                Cell::Text(query.clone()),
                Cell::Text(key.clone()),
                Cell::Number(weight),
            ]);
        }
    }
    table
}

//! `attn-tui rollout`: traces attention through all layers.

use clap::{Args, ValueEnum};

use super::context::Context;
use super::options::{ColorChoice, InputArgs, OutputArgs, RunExtras, kinds};
use super::{input, output};
use crate::analysis::merge::CrossRollout;
use crate::capture::{Capture, RESIDUAL};
use crate::error::{Error, Result};
use crate::export::ansi::Colors;
use crate::export::drawing::Drawing;
use crate::export::figure::map::MapDrawing;
use crate::export::labels::{Labels, keys_title, kind_title, model_title, queries_title};
use crate::export::tables::{share_table, stack_table};
use crate::export::text::{self, CellStyle, TextStyle};
use crate::matrix::Matrix;
use crate::paint::{Colormap, Scale};
use crate::site::Kind;

/// Options of `rollout`.
#[derive(Args)]
pub struct RolloutArgs {
    /// Attention to roll out: cross traces the decoder to source and target prefix, encoder and decoder trace
    /// one stack by itself [default: cross if there is any].
    #[arg(long, value_parser = kinds())]
    pub kind: Option<Kind>,
    /// Method of computing each layer's contributions.
    #[arg(long, value_enum, default_value = "rollout")]
    method: RolloutMethod,
    /// Share of a position that bypasses each attention block through the residual connection, for --method
    /// rollout [default: 0.5]. It is the same in every row, so all rows have the same source share and differ
    /// only in the tokens it comes from.
    #[arg(long, value_name = "SHARE", value_parser = fraction)]
    residual: Option<f32>,
    /// Print the whole map instead of a table of shares.
    #[arg(long)]
    map: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    pub input: InputArgs,
}

/// `--method`.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum RolloutMethod {
    /// Attention rollout over the heads' mean weights (Abnar and Zuidema 2020).
    Rollout,
    /// ALTI and ALTI+, which measure contributions with the value vectors (Ferrando et al. 2022).
    Alti,
}

fn fraction(text: &str) -> std::result::Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("must be a number from 0 to 1".into()),
    }
}

/// Runs the command.
///
/// # Errors
/// Those of the engine; [`Error::NoValues`] for ALTI of a capture without values.
pub fn run(args: &RolloutArgs, context: &Context) -> Result<()> {
    args.output.check()?;
    if args.method == RolloutMethod::Alti && args.residual.is_some() {
        return Err(Error::Usage(
            "--residual is an option of --method rollout; ALTI measures the residual share".into(),
        ));
    }
    let capture = input::capture(
        &args.input,
        RunExtras { values: args.method == RolloutMethod::Alti, ..RunExtras::default() },
        context,
    )?;
    if capture.has_windows(Kind::Encoder) {
        output::note("sums of less than 1 lack what goes to the patches that fill windows of the encoder");
    }
    let all = capture.layers(Kind::Cross) > 0;
    let kind = args.kind.or_else(|| if all { Some(Kind::Cross) } else { capture.kinds().first().copied() });
    match kind.unwrap_or(Kind::Cross) {
        Kind::Cross => {
            let both = args.through_both(&capture)?;
            if args.map {
                print_map(args, context, &capture, Kind::Cross, &both.source)
            } else {
                args.output.print(&share_table(&capture, &both), &context.terminal)
            }
        }
        kind => {
            let map = args.through(&capture, kind)?;
            if args.map {
                print_map(args, context, &capture, kind, &map)
            } else {
                args.output.print(&stack_table(&capture, kind, &map), &context.terminal)
            }
        }
    }
}

impl RolloutArgs {
    fn residual(&self) -> f32 {
        self.residual.unwrap_or(RESIDUAL)
    }

    /// Traces one stack by itself.
    fn through(&self, capture: &Capture, kind: Kind) -> Result<Matrix> {
        match self.method {
            RolloutMethod::Rollout => capture.rollout(kind, self.residual()),
            RolloutMethod::Alti => capture.alti(kind),
        }
    }

    /// Traces the decoder and, below its cross-attention, the encoder.
    fn through_both(&self, capture: &Capture) -> Result<CrossRollout> {
        match self.method {
            RolloutMethod::Rollout => capture.cross_rollout(self.residual()),
            RolloutMethod::Alti => capture.alti_plus(),
        }
    }
}

fn print_map(
    args: &RolloutArgs,
    context: &Context,
    capture: &Capture,
    kind: Kind,
    map: &Matrix,
) -> Result<()> {
    let labels = Labels::of(capture, kind);
    if args.output.machine_readable() {
        return args
            .output
            .print(&Drawing::Map(drawing(args, capture, kind, map)).table(), &context.terminal);
    }
    if args.output.output.is_some() {
        return args.output.write(&Drawing::Map(drawing(args, capture, kind, map)));
    }
    let colors = ColorChoice::Auto.colors(&context.terminal);
    let picture = TextStyle {
        cells: if colors == Colors::None { CellStyle::Numbers } else { CellStyle::Colors(colors) },
        colormap: Colormap::default(),
        scale: Scale::default(),
        width: context.terminal.width,
    };
    let how = match args.method {
        RolloutMethod::Rollout => {
            format!("rollout · {} · residual {}", model_title(capture), args.residual())
        }
        RolloutMethod::Alti => format!("ALTI · {}", model_title(capture)),
    };
    let title = format!("{kind} {how}\n{} · {}", queries_title(capture, kind), keys_title(capture, kind));
    output::print_styled(&text::render_map(&title, map, &labels, &picture))
}

/// Returns the map as a drawing.
fn drawing(args: &RolloutArgs, capture: &Capture, kind: Kind, map: &Matrix) -> MapDrawing {
    let how = match args.method {
        RolloutMethod::Rollout => format!("rollout, residual {}", args.residual()),
        RolloutMethod::Alti => "ALTI".into(),
    };
    let Labels { queries, keys } = Labels::of(capture, kind);
    let title = format!("{} through all layers: {how}", kind_title(kind));
    let titles = format!("{} · {}", queries_title(capture, kind), keys_title(capture, kind));
    MapDrawing {
        description: format!("{title}, {}", capture.model),
        title,
        remark: format!("{} · {titles}", model_title(capture)),
        map: map.clone(),
        queries,
        keys,
        sound: None,
        causal: kind == Kind::Decoder,
        signed: false,
        part: None,
    }
}

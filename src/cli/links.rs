//! `attn-tui links`: lists the strongest long-range links of all heads, or the weight of given links in every
//! head.

use attn_tui_kernels::threads;
use clap::Args;

use super::context::Context;
use super::input;
use super::options::{
    HeadArgs, InputArgs, OutputArgs, PlaceArgs, ProfileExtras, RunExtras, WeightsArgs, non_negative, whole,
};
use crate::analysis::links::LinkFilter;
use crate::analysis::metrics::FAR;
use crate::analysis::pairs::PairLink;
use crate::capture::Capture;
use crate::error::Result;
use crate::export::select::PlaceSelection;
use crate::export::tables::link_table;
use crate::site::{Head, Kind};

/// Options of `links`.
#[derive(Args)]
pub struct LinksArgs {
    #[command(flatten)]
    pub heads: HeadArgs,
    #[command(flatten)]
    weights: WeightsArgs,
    #[command(flatten)]
    places: PlaceArgs,
    /// Leave out links shorter than N tokens. In cross-attention the distance is from the alignment diagonal
    /// [default: 5; 0 with --query and --key].
    #[arg(long, value_name = "N", value_parser = non_negative)]
    min_distance: Option<f32>,
    /// Leave out links weaker than this.
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.0, value_parser = non_negative)]
    min_weight: f32,
    /// Print the N strongest links [default: 20; all with --query and --key].
    #[arg(long, value_name = "N", value_parser = whole::<usize>)]
    top: Option<usize>,
    /// Keep links to special tokens.
    #[arg(long)]
    special: bool,
    /// Keep links to and from punctuation.
    #[arg(long)]
    punctuation: bool,
    /// Keep links to attention sinks, keys that hold more than 0.3 of their head's weight on average.
    #[arg(long)]
    sinks: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    pub input: InputArgs,
}

/// Runs the command.
///
/// # Errors
/// Those of the engine; [`crate::error::Error::NoSuchHead`]; [`crate::error::Error::NoSuchPlace`].
pub fn run(args: &LinksArgs, context: &Context) -> Result<()> {
    args.output.check()?;
    let places = args.places.selection();
    let given = !places.queries.is_empty() && !places.keys.is_empty();
    let extras = if given {
        let extras = args.weights.extras();
        RunExtras { values: extras.values || args.input.text.audio.keeps_values(), ..extras }
    } else if places.queries.is_empty() && places.keys.is_empty() {
        let profiles = ProfileExtras { gini: false, links: Some(args.filter()) };
        args.weights.analysis_extras(&args.heads, profiles)
    } else {
        // Places are found on the axes of the capture.
        args.weights.extras()
    };
    let capture = input::weighted(input::capture(&args.input, extras, context)?, args.weights)?;
    let heads = args.heads.selection().heads(&capture)?;
    let links = context.on_threads(|| match given {
        true => of_pairs(&capture, &heads, &places, args),
        false => strongest(&capture, &heads, &places, args),
    })?;
    args.output.print(&link_table(&capture, &links), &context.terminal)
}

impl LinksArgs {
    /// The filter of links between all places.
    fn filter(&self) -> LinkFilter {
        LinkFilter {
            min_distance: self.min_distance.unwrap_or(FAR + 1.0),
            min_weight: self.min_weight,
            top: self.top.unwrap_or(20),
            special: self.special,
            punctuation: self.punctuation,
            sinks: self.sinks,
            queries: None,
            keys: None,
        }
    }
}

/// Returns the kinds of the heads, each once.
fn kinds(heads: &[Head]) -> Vec<Kind> {
    Kind::ALL.into_iter().filter(|&kind| heads.iter().any(|head| head.kind() == kind)).collect()
}

/// Weighs the given pairs in every head, strongest first.
fn of_pairs(
    capture: &Capture,
    heads: &[Head],
    places: &PlaceSelection,
    args: &LinksArgs,
) -> Result<Vec<PairLink>> {
    let pairs = places.pairs(capture, &kinds(heads))?;
    let weighed = threads::map(heads.len(), usize::MAX, |at| -> Result<Vec<PairLink>> {
        let head = heads[at];
        let own = pairs.iter().filter(|(kind, _)| *kind == head.kind());
        own.filter_map(|(_, pair)| capture.pair_link(head, pair).transpose()).collect()
    });
    let mut links: Vec<PairLink> =
        weighed.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    let distance = args.min_distance.unwrap_or(0.0);
    links.retain(|link| {
        link.weight.weight >= args.min_weight && link.distance.is_none_or(|found| found >= distance)
    });
    links.sort_by(PairLink::by_strength);
    links.truncate(args.top.unwrap_or(usize::MAX));
    Ok(links)
}

/// Finds the strongest links that are long enough, from the given queries or to the given keys.
fn strongest(
    capture: &Capture,
    heads: &[Head],
    places: &PlaceSelection,
    args: &LinksArgs,
) -> Result<Vec<PairLink>> {
    let filters = places.filters(capture, &kinds(heads), &args.filter())?;
    capture.strongest_links(heads, &filters)
}

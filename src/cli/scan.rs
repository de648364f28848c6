//! `attn-tui scan`: measures every sentence of a corpus.

use std::path::PathBuf;

use clap::Args;

use super::context::Context;
use super::options::{BatchArgs, InputArgs, RunExtras, non_negative, whole, within};
use super::{input, interrupt, output};
use crate::analysis::metrics::FAR;
use crate::analysis::profile::STRONG_WEIGHT;
use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::human::duration;
use crate::scan::{ScanOptions, ScanSummary, ScanTarget, Shard, scan};

/// Options of `scan`.
#[derive(Args)]
pub struct ScanArgs {
    /// Folder to write to. A scan that is there is continued.
    #[arg(short, long, value_name = "FOLDER", help_heading = "Output")]
    output: PathBuf,
    /// Part of the corpus to scan, such as 2/8: every eighth line, from the second on. Shards may share a folder.
    #[arg(long, value_name = "I/N", default_value = "1/1", value_parser = shard)]
    shard: Shard,
    /// Sentences in each file. A scan that is killed loses at most that many and those that are in the model.
    #[arg(long, value_name = "N", default_value_t = 1000, help_heading = "Output",
          value_parser = |text: &str| within::<u32>(text, 1..=1_000_000))]
    batch: u32,
    /// Distance in tokens beyond which a key counts as far.
    #[arg(long, value_name = "TOKENS", default_value_t = FAR, value_parser = non_negative)]
    far: f32,
    /// Number of far links to keep of each head and sentence.
    #[arg(long, value_name = "N", value_parser = whole::<u32>, default_value_t = 3)]
    links: u32,
    /// Smallest distance of these links, in tokens.
    #[arg(long, value_name = "N", default_value_t = FAR + 1.0, value_parser = non_negative)]
    min_distance: f32,
    /// Smallest weight of these links.
    #[arg(long, value_name = "WEIGHT", default_value_t = STRONG_WEIGHT, value_parser = non_negative)]
    min_weight: f32,
    /// Compute the share of the source in the target by ALTI, which takes several times as long.
    #[arg(long)]
    source_share: bool,
    /// Keep the maps, too, in half precision.
    #[arg(long)]
    maps: bool,
    #[command(flatten)]
    batches: BatchArgs,
    #[command(flatten)]
    pub input: InputArgs,
}

/// Parses `I/N`.
fn shard(text: &str) -> std::result::Result<Shard, String> {
    let number = |text: &str| text.parse::<usize>().ok().filter(|number| (1..=1_000_000).contains(number));
    let parts = text.split_once('/').and_then(|(index, count)| Some((number(index)?, number(count)?)));
    match parts {
        Some((index, count)) if index <= count => Ok(Shard { index, count }),
        _ => Err("must be I/N, such as 2/8, with I from 1 to N".into()),
    }
}

/// Runs the command.
///
/// # Errors
/// Those of [`scan`]; [`Error::Usage`] without a corpus or with a capture file.
pub fn run(args: &ScanArgs, context: &Context) -> Result<()> {
    let required = || Error::Usage("--source-file FILE is required (`-` reads standard input)".into());
    let mut corpus = args.batches.files()?.ok_or_else(required)?.open()?;
    let stop = interrupt::flag_on_signals();
    let watch = context.status_line().cancelled_by(&stop);
    let session = input::session(&args.input, "scanning needs", &watch, context)?;
    if let Some(note) = session.info().ignored_note() {
        output::note(&note);
    }
    let text = &args.input.text;
    let mut run = text.options(String::new(), RunExtras::default(), &context.settings)?;
    run.audio = Some(text.audio.of(PathBuf::new()));
    run.image = Some(text.image.of(PathBuf::new()));
    let share = corpus.share();
    let target = ScanTarget {
        folder: &args.output,
        opened: &args.input.model,
        shard: args.shard,
        batch: args.batch as usize,
        fraction: &|| share.fraction(),
    };
    let summary = scan(&session, corpus.by_ref(), &run, &args.measures(), &target, &watch);
    drop(watch);
    corpus.take_notes().iter().for_each(|note| output::note(note));
    report(&summary?, &corpus, args);
    Ok(())
}

impl ScanArgs {
    fn measures(&self) -> ScanOptions {
        ScanOptions {
            far: self.far,
            links: self.links as usize,
            min_distance: self.min_distance,
            min_weight: self.min_weight,
            source_share: self.source_share,
            maps: self.maps,
        }
    }
}

/// Tells the user what was measured, and which rows were not.
fn report(summary: &ScanSummary, corpus: &Corpus, args: &ScanArgs) {
    let new = summary.sentences + summary.bad - summary.resumed;
    let rate = new as f64 / summary.seconds.max(1e-3);
    let earlier = match summary.resumed {
        0 => String::new(),
        rows => format!(", after {rows} of earlier runs"),
    };
    output::note(&format!(
        "{}: sentences with measures: {}; lines read: {new} in {}, {rate:.0}/s{earlier}",
        args.output.display(),
        summary.sentences,
        duration(summary.seconds),
    ));
    if summary.bad == 0 {
        return;
    }
    output::note(&format!(
        "rows of {1} without measures: {0}, see the column `error` of the table of sentences",
        summary.bad,
        corpus.path().display()
    ));
    for (row, why) in &summary.first_bad {
        // The number in the column `sentence`: a row of CSV may be several lines.
        output::note(&format!("row {row}: {why}"));
    }
}

//! `attn-tui faithful`: measures how far the output follows what maps and attributions show.

use clap::Args;

use super::context::Context;
use super::options::{BatchArgs, InputArgs, MaskingArgs, OutputArgs, RunExtras, whole, within};
use super::status::StatusLine;
use super::{batch, input, output};
use crate::analysis::attribution::AttributionMethod;
use crate::analysis::faithful::{ErasureScope, Erasures, Faithfulness, faithfulness, random_scores};
use crate::analysis::spread::Spread;
use crate::corpus::SentencePair;
use crate::engine::{AttributionOptions, Eraser, RunOptions, Session};
use crate::error::{Error, Result};
use crate::export::table::{Cell, Table};

/// Options of `faithful`.
#[derive(Args)]
pub struct FaithfulArgs {
    /// Methods of `attn-tui attribute`, separated by commas, such as rollout, relevance or cross.2.4; `all` are
    /// those that the model supports, without single heads.
    #[arg(
        long,
        value_name = "METHODS",
        default_value = "all",
        value_delimiter = ',',
        help_heading = "Method"
    )]
    methods: Vec<String>,
    /// Measure only the token that this decoder row predicts, counted from 0, not the whole target.
    #[arg(long, value_name = "N", value_parser = whole::<usize>, conflicts_with = "source_file", help_heading = "Method")]
    row: Option<usize>,
    /// Number of random rankings to compare with.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = |text: &str| within::<u16>(text, 1..=1000), help_heading = "Method")]
    random: u16,
    #[command(flatten)]
    masking: MaskingArgs,
    /// Print the curves: what the target loses without the K highest tokens, and with these alone.
    #[arg(long, conflicts_with = "source_file", help_heading = "Output")]
    curves: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    batch: BatchArgs,
}

/// Name of the baseline's rows.
const RANDOM: &str = "random";

/// Runs the command.
///
/// # Errors
/// Those of the engine; [`Error::Usage`] for an unknown method or a capture file.
pub fn run(args: &FaithfulArgs, context: &Context) -> Result<()> {
    args.output.check()?;
    let mut methods = args.methods()?;
    let watch = context.status_line();
    let session =
        input::text_session(&args.input, ("erasing tokens needs", "the erasing of tokens"), &watch, context)?;
    methods.retain(|&method| session.supports(method) || args.names(method));
    let mut spreads = vec![MeasureSpreads::default(); methods.len() + 1];
    let measure = |pair: SentencePair| {
        let extras =
            RunExtras { values: methods.iter().any(|method| method.needs_values()), ..RunExtras::default() };
        let options = batch::run_options(&session, pair, &args.input.text, extras, &context.settings)?;
        args.measure(&session, &options, &methods, &watch)
    };
    let Some(mut pairs) = batch::pairs(&args.batch)? else {
        let source = input::source(&args.input.text, &session)?;
        let measured = measure(SentencePair { source, ..SentencePair::default() })?;
        if args.curves {
            return args.output.print(&curves(&methods, &measured), &context.terminal);
        }
        spreads.iter_mut().zip(&measured).for_each(|(spread, measured)| spread.add(measured));
        return args.print(&methods, &spreads, 1, context);
    };
    let mut sentences = 0;
    for pair in pairs.by_ref() {
        let Some(pair) = pair? else { continue };
        let measured = measure(pair)?;
        spreads.iter_mut().zip(&measured).for_each(|(spread, measured)| spread.add(measured));
        sentences += 1;
        watch.say(&format_args!("{sentences} sentences"));
    }
    pairs.note_blank_lines();
    if sentences == 0 {
        return Err(Error::Text("there are no sentences to run".into()));
    }
    args.print(&methods, &spreads, sentences, context)
}

impl FaithfulArgs {
    fn methods(&self) -> Result<Vec<AttributionMethod>> {
        let mut methods = Vec::new();
        for name in &self.methods {
            match name.as_str() {
                "all" => methods.extend(AttributionMethod::NAMED),
                name => methods
                    .push(name.parse().map_err(|why| Error::Usage(format!("--methods: '{name}' {why}")))?),
            }
        }
        Ok(methods)
    }

    /// Returns true if the method is given by its own name.
    fn names(&self, method: AttributionMethod) -> bool {
        self.methods.iter().any(|name| name.parse() == Ok(method))
    }

    /// Measures every method, and then each random ranking, on one sentence.
    fn measure(
        &self,
        session: &Session,
        options: &RunOptions,
        methods: &[AttributionMethod],
        watch: &StatusLine,
    ) -> Result<Vec<Vec<Faithfulness>>> {
        let source = session.source(options)?;
        let capture = session.run_source(&source, options, watch)?;
        let mut scope = ErasureScope::new(&capture.source.items, &capture.target.items);
        if self.row.is_some() {
            scope.rows = input::chosen_rows(self.row, capture.target.len())?.collect();
        }
        let count = scope.tokens.len();
        let masking = self.masking.masking;
        let mut eraser = Eraser::new(session, &capture, scope.clone(), masking, watch)?;
        let intact = eraser.probabilities(&[Vec::new()])?[0];
        let alone: Vec<_> = (0..count).map(|at| vec![at]).collect();
        let left_out = eraser.probabilities(&alone)?;
        let mut measure = |scores: Vec<f32>| -> Result<Faithfulness> {
            let Erasures { top, rest } = Erasures::of(&scores);
            let (without, only) = (eraser.probabilities(&top)?, eraser.probabilities(&rest)?);
            Ok(faithfulness(&scores, intact, [&without, &only], &left_out))
        };
        let mut measured = Vec::with_capacity(methods.len() + 1);
        for &method in methods {
            let scores = match method {
                AttributionMethod::Occlusion => left_out.iter().map(|p| intact - p).collect(),
                method => {
                    // Methods that run the model explain the row alone, as the only row of the attribution.
                    let row = self.row.filter(|_| method.needs_runs());
                    let span = row.map(|row| row..row + 1);
                    let options = AttributionOptions { masking, span, ..AttributionOptions::default() };
                    let found = session.attribution(&capture, &source, method, options, watch)?.source;
                    let rows = row.map_or_else(|| scope.rows.clone(), |_| vec![0]);
                    ErasureScope { rows, ..scope.clone() }.scores(&found)
                }
            };
            measured.push(vec![measure(scores)?]);
        }
        let random = (0..self.random).map(|seed| measure(random_scores(count, u64::from(seed))));
        measured.push(random.collect::<Result<_>>()?);
        Ok(measured)
    }

    fn print(
        &self,
        methods: &[AttributionMethod],
        spreads: &[MeasureSpreads],
        sentences: usize,
        context: &Context,
    ) -> Result<()> {
        let mut table = Table::new([
            "method",
            "masking",
            "sentences",
            "comprehensiveness",
            "comprehensiveness_ci",
            "sufficiency",
            "sufficiency_ci",
            "tau",
            "tau_ci",
        ]);
        for (name, spread) in names(methods).zip(spreads) {
            let mut row = vec![
                Cell::Text(name),
                Cell::Text(self.masking.masking.to_string()),
                Cell::Whole(sentences as i64),
            ];
            for spread in [&spread.comprehensiveness, &spread.sufficiency, &spread.tau] {
                row.extend([Cell::number(spread.mean()), Cell::number(spread.half_interval())]);
            }
            table.rows.push(row);
        }
        if !self.output.machine_readable() {
            output::note(
                "higher comprehensiveness and tau, lower sufficiency: more faithful; compare with `random`",
            );
        }
        self.output.print(&table.with_schema("attn-tui faithful 1"), &context.terminal)
    }
}

fn names(methods: &[AttributionMethod]) -> impl Iterator<Item = String> {
    methods.iter().map(ToString::to_string).chain([RANDOM.into()])
}

/// Means over sentences of one method's measurements.
#[derive(Clone, Default)]
struct MeasureSpreads {
    comprehensiveness: Spread,
    sufficiency: Spread,
    tau: Spread,
}

impl MeasureSpreads {
    /// Adds one sentence: the mean of its rankings.
    fn add(&mut self, rankings: &[Faithfulness]) {
        let mean = |value: &dyn Fn(&Faithfulness) -> Option<f32>| {
            let mut spread = Spread::default();
            rankings.iter().filter_map(value).for_each(|value| spread.add(value));
            spread.mean()
        };
        let values = [
            (&mut self.comprehensiveness, mean(&|one| Some(one.comprehensiveness()))),
            (&mut self.sufficiency, mean(&|one| Some(one.sufficiency()))),
            (&mut self.tau, mean(&|one| one.tau)),
        ];
        for (spread, value) in values {
            value.into_iter().for_each(|value| spread.add(value));
        }
    }
}

/// Tabulates the curves of every method, and the mean ones of the random rankings.
fn curves(methods: &[AttributionMethod], measured: &[Vec<Faithfulness>]) -> Table {
    let mut table =
        Table::new(["method", "k", "without_top", "only_top"]).with_schema("attn-tui faithful-curves 1");
    for (name, rankings) in names(methods).zip(measured) {
        for k in 0..rankings.first().map_or(0, |one| one.without_top.len()) {
            let mean = |curve: &dyn Fn(&Faithfulness) -> f32| {
                Cell::Number(rankings.iter().map(curve).sum::<f32>() / rankings.len() as f32)
            };
            table.rows.push(vec![
                Cell::Text(name.clone()),
                Cell::Whole(k as i64 + 1),
                mean(&|one| one.without_top[k]),
                mean(&|one| one.only_top[k]),
            ]);
        }
    }
    table
}

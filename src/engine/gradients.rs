//! Analyses by gradients: attributions of tokens, and the importance of heads.

use std::ops::Range;

use attn_tui_kernels::threads;
use candle_core::{D, Tensor};

use super::attribution::{AttributionOptions, EmbeddingBaseline};
use super::backward::{DifferentiableRun, Sides, SiteGradient};
use super::run_tokens::RunTokens;
use super::session::Session;
use crate::analysis::attribution::{Attribution, AttributionMethod};
use crate::analysis::quadrature::gauss_legendre;
use crate::analysis::relevance::WeightedGradients;
use crate::capture::Capture;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::nn::read;
use crate::progress::{Progress, Watch};
use crate::site::{Head, Kind};

/// Scores of source and prefix tokens for one explained score.
type TokenScores = [Vec<f32>; 2];

impl Session {
    /// Attributes every target token of a run, or a span of them, by a method that needs gradients.
    ///
    /// # Errors
    /// [`Error::NotForModel`] if parts of the model have no gradients; [`Error::NoSuchHead`];
    /// [`Error::Memory`]; [`Error::Cancelled`].
    pub(super) fn gradient_attribution(
        &self,
        tokens: RunTokens,
        method: AttributionMethod,
        options: &AttributionOptions,
        watch: &dyn Watch,
    ) -> Result<Attribution> {
        let [source, fed] = tokens.inputs.each_ref().map(Vec::len);
        let run = DifferentiableRun::new(self, tokens, options.contrast, watch)?;
        let spans = match &options.span {
            Some(span) => vec![span.clone()],
            None => (0..run.rows()).map(|row| row..row + 1).collect(),
        };
        let kept = match method {
            AttributionMethod::Relevance => {
                let ((encoder, decoder), square) = (self.model.spec().layers(), |n: usize| n * n);
                4 * (encoder * square(source) + decoder * (square(fed) + fed * source))
            }
            _ => 0,
        };
        let sites = matches!(method, AttributionMethod::AttentionGradient(_) | AttributionMethod::Relevance);
        let together = run.scores_at_once(kept, sites)?;
        let mut rows: Vec<TokenScores> = Vec::with_capacity(spans.len());
        let mut completeness_error = None;
        for group in spans.chunks(together) {
            watch.progress(Progress::Runs { done: rows.len(), total: Some(spans.len()) });
            match method {
                AttributionMethod::IntegratedGradients => {
                    let (found, error) = self.integrated(&run, group, options)?;
                    rows.extend(found);
                    completeness_error = Some(completeness_error.unwrap_or(0f32).max(error));
                }
                AttributionMethod::AttentionGradient(head) => {
                    rows.extend(attention_gradient(&run, group, head, [source, fed])?);
                }
                AttributionMethod::Relevance => rows.extend(relevance(&run, group)?),
                method => rows.extend(input_gradients(&run, group, method)?),
            }
        }
        let matrix = |side: usize, tokens| Matrix::from_fn(rows.len(), tokens, |row, at| rows[row][side][at]);
        let prefix = !matches!(method, AttributionMethod::AttentionGradient(_));
        Ok(Attribution {
            source: matrix(0, source),
            prefix: prefix.then(|| matrix(1, fed)),
            completeness_error,
        })
    }

    /// Measures how much the loss, the mean negative log-probability of the target's tokens, depends on each
    /// head: the absolute gradient with respect to a factor on what the head reads, at 1 (Michel et al. 2019,
    /// "Are Sixteen Heads Really Better than One?").
    ///
    /// # Errors
    /// [`Error::NotForModel`] if parts of the model have no gradients; [`Error::Memory`];
    /// [`Error::Cancelled`].
    pub fn head_importance(&self, base: &Capture, watch: &dyn Watch) -> Result<Vec<(Head, f32)>> {
        threads::run(self.threads, || {
            let run = DifferentiableRun::new(self, RunTokens::of(base)?, None, watch)?;
            run.scores_at_once(0, true)?;
            let pass = run.forward(run.embeddings()?)?;
            let mut heads = Vec::new();
            let mut on_site = |found: &SiteGradient| -> Result<()> {
                let by_gate = per_head(&(&found.site.z * &found.z_gradient)?)?;
                let importance = by_gate.into_iter().map(|sum| (sum / run.rows() as f32).abs());
                let site = found.site.site;
                heads.extend(importance.enumerate().map(|(head, importance)| (site.head(head), importance)));
                Ok(())
            };
            let all: Range<usize> = 0..run.rows();
            run.gradients(&pass, std::slice::from_ref(&all), Some(&mut on_site))?;
            heads.sort_unstable_by_key(|(head, _)| *head);
            Ok(heads)
        })
    }

    /// Integrates gradients on the straight line from the baseline to the embeddings (Sundararajan et al.
    /// 2017, "Axiomatic Attribution for Deep Networks"), of source and decoder input together, at the points of
    /// Gauss-Legendre quadrature. Also returns the largest difference between the sum of a row and the change
    /// of its score.
    fn integrated(
        &self,
        run: &DifferentiableRun,
        spans: &[Range<usize>],
        options: &AttributionOptions,
    ) -> Result<(Vec<TokenScores>, f32)> {
        let embeddings = run.embeddings()?;
        let baseline = self.baseline(run, &embeddings, options.baseline)?;
        let change = [(&embeddings[0] - &baseline[0])?, (&embeddings[1] - &baseline[1])?];
        let tokens = [embeddings[0].dim(1)?, embeddings[1].dim(1)?];
        let mut totals: Vec<TokenScores> = vec![tokens.map(|count| vec![0.0; count]); spans.len()];
        for [at, weight] in gauss_legendre(options.steps) {
            let place = |side: usize| Ok::<_, Error>((&baseline[side] + (&change[side] * at)?)?);
            let pass = run.forward([place(0)?, place(1)?])?;
            let found = run.gradients(&pass, spans, None)?;
            for (total, gradients) in totals.iter_mut().zip(&found) {
                for (side, total) in total.iter_mut().enumerate() {
                    let part = sums(&(&gradients[side] * &change[side])?)?;
                    total.iter_mut().zip(part).for_each(|(total, part)| *total += weight as f32 * part);
                }
            }
        }
        let [end, start] = [embeddings, baseline].map(|sides| run.scores(&run.forward(sides)?));
        let (end, start) = (end?, start?);
        let errors = totals.iter().zip(spans).map(|(total, span)| {
            let change: f32 = span.clone().map(|row| end[row] - start[row]).sum();
            (total.iter().flatten().sum::<f32>() - change).abs()
        });
        let error = errors.fold(0.0, f32::max);
        Ok((totals, error))
    }

    /// Returns the embeddings from which integration starts.
    fn baseline(
        &self,
        run: &DifferentiableRun,
        embeddings: &Sides,
        baseline: EmbeddingBaseline,
    ) -> Result<Sides> {
        let blanks = self.tokenizer.blank_tokens();
        let tokens = match baseline {
            EmbeddingBaseline::Zero => return Ok([embeddings[0].zeros_like()?, embeddings[1].zeros_like()?]),
            EmbeddingBaseline::Padding => blanks.map(|blanks| blanks.padding),
            EmbeddingBaseline::Unknown => blanks.map(|blanks| blanks.unknown),
        };
        match tokens {
            [Some(source), Some(target)] => run.repeated_embeddings([source, target]),
            _ => Err(Error::Text("the vocabulary has no token for this --baseline: choose another".into())),
        }
    }
}

/// Scores tokens by the gradients with respect to their embeddings.
fn input_gradients(
    run: &DifferentiableRun,
    spans: &[Range<usize>],
    method: AttributionMethod,
) -> Result<Vec<TokenScores>> {
    let embeddings = run.embeddings()?;
    let pass = run.forward(embeddings.clone())?;
    let score = |gradient: &Tensor, embedding: &Tensor| match method {
        AttributionMethod::Saliency => norms(gradient),
        _ => sums(&(gradient * embedding)?),
    };
    let found = run.gradients(&pass, spans, None)?;
    let scores = found
        .iter()
        .map(|[source, prefix]| Ok([score(source, &embeddings[0])?, score(prefix, &embeddings[1])?]));
    scores.collect()
}

/// Scores source tokens by `(A dL/dA)+` in the row that predicts, the last one of a span: in the cross-attention
/// of one head, or the mean over all heads of all layers. Prefix tokens have no score.
fn attention_gradient(
    run: &DifferentiableRun,
    spans: &[Range<usize>],
    head: Option<Head>,
    [source, fed]: [usize; 2],
) -> Result<Vec<TokenScores>> {
    let pass = run.forward(run.embeddings()?)?;
    let mut scores = vec![[vec![0f32; source], vec![0f32; fed]]; spans.len()];
    let mut heads = 0usize;
    let mut on_site = |found: &SiteGradient| -> Result<()> {
        let site = found.site.site;
        if site.kind != Kind::Cross || head.is_some_and(|head| head.site != site) {
            return Ok(());
        }
        let all = found.of_weights()?;
        let row = spans[found.score].end - 1;
        let product =
            (&all.narrow(1, row, 1)? * &found.site.weights.narrow(1, row, 1)?)?.relu()?.squeeze(1)?;
        let chosen = match head {
            Some(head) => product.narrow(0, checked_head(head, product.dim(0)?)?, 1)?,
            None => product,
        };
        heads += if found.score == 0 { chosen.dim(0)? } else { 0 };
        let sum = chosen.sum(0)?.to_vec1::<f32>()?;
        scores[found.score][0].iter_mut().zip(sum).for_each(|(score, part)| *score += part);
        Ok(())
    };
    run.gradients(&pass, spans, Some(&mut on_site))?;
    if heads == 0 {
        let head = head.map_or_else(|| "cross-attention".into(), |head| head.to_string());
        return Err(Error::NoSuchHead(format!("the model has no {head}")));
    }
    for [source, _] in &mut scores {
        source.iter_mut().for_each(|score| *score /= heads as f32);
    }
    Ok(scores)
}

fn checked_head(head: Head, heads: usize) -> Result<usize> {
    match head.head < heads {
        true => Ok(head.head),
        false => Err(Error::NoSuchHead(format!("{} has {heads} heads, not {head}", head.site))),
    }
}

/// Scores tokens by the relevance of source and prefix for the last row of each span.
fn relevance(run: &DifferentiableRun, spans: &[Range<usize>]) -> Result<Vec<TokenScores>> {
    let pass = run.forward(run.embeddings()?)?;
    let mut layers = vec![WeightedGradients::default(); spans.len()];
    let mut on_site = |found: &SiteGradient| -> Result<()> {
        let product = (&found.of_weights()? * &found.site.weights)?.relu()?.mean(0)?;
        let (rows, cols) = product.dims2()?;
        let map = Matrix::new(rows, cols, read(&product, <[f32]>::to_vec)?);
        let layers = &mut layers[found.score];
        match found.site.site.kind {
            Kind::Encoder => layers.encoder.push(map),
            Kind::Decoder => layers.decoder.push(map),
            Kind::Cross => layers.cross.push(map),
        }
        Ok(())
    };
    run.gradients(&pass, spans, Some(&mut on_site))?;
    let scores = layers.into_iter().zip(spans).map(|(mut layers, span)| {
        // The backward pass meets the last layer first.
        for maps in [&mut layers.encoder, &mut layers.decoder, &mut layers.cross] {
            maps.reverse();
        }
        let relevance = layers.relevance()?;
        let row = span.end - 1;
        Ok([relevance.source.row(row).to_vec(), relevance.prefix.row(row).to_vec()])
    });
    scores.collect()
}

/// Sums over everything but heads of `[heads, queries, head_dim]`.
fn per_head(x: &Tensor) -> Result<Vec<f32>> {
    Ok(x.flatten_from(1)?.sum(1)?.to_vec1()?)
}

/// Sums over the width of `[1, tokens, width]`.
fn sums(x: &Tensor) -> Result<Vec<f32>> {
    Ok(x.squeeze(0)?.sum(D::Minus1)?.to_vec1()?)
}

/// Euclidean norms over the width of `[1, tokens, width]`.
fn norms(x: &Tensor) -> Result<Vec<f32>> {
    Ok(x.squeeze(0)?.sqr()?.sum(D::Minus1)?.sqrt()?.to_vec1()?)
}

//! Evidence about the displayed run that needs further runs of the model, as far as it is known.

use std::sync::{Arc, Weak};

use crate::analysis::attribution::Attribution;
use crate::analysis::faithful::LeaveOneOut;
use crate::capture::Capture;
use crate::engine::{Evidence, EvidenceKind, HeadEvidence};

/// Evidence about a run, as far as it has been measured.
#[derive(Debug, Default)]
pub struct KnownEvidence {
    /// Relevance of source and prefix tokens.
    pub relevance: Option<KnownRelevance>,
    /// Losses of the target without each source token.
    pub losses: Option<SourceLosses>,
    /// Importance and direct logit attribution of heads.
    pub heads: Option<HeadEvidence>,
}

/// Relevance of source and prefix tokens for each target token.
#[derive(Debug)]
pub struct KnownRelevance {
    /// Token against which the target tokens are explained.
    pub contrast: Option<u32>,
    /// The scores.
    pub attribution: Attribution,
}

/// Losses of the target when one source token at a time is masked.
#[derive(Debug)]
pub struct SourceLosses {
    /// The losses.
    pub left_out: LeaveOneOut,
    /// Mean agreement of random rankings with them.
    pub random: Option<f32>,
}

impl KnownEvidence {
    /// Returns true if evidence of a kind is known.
    pub fn has(&self, kind: EvidenceKind) -> bool {
        match kind {
            EvidenceKind::Relevance { contrast } => {
                self.relevance.as_ref().is_some_and(|known| known.contrast == contrast)
            }
            EvidenceKind::LeaveOneOut => self.losses.is_some(),
            EvidenceKind::Heads => self.heads.is_some(),
        }
    }

    /// Adds what was measured.
    pub fn add(&mut self, evidence: Evidence) {
        match evidence {
            Evidence::Relevance { contrast, attribution } => {
                self.relevance = Some(KnownRelevance { contrast, attribution });
            }
            Evidence::LeaveOneOut(left_out) => {
                let random = left_out.random_tau();
                self.losses = Some(SourceLosses { left_out, random });
            }
            Evidence::Heads(heads) => self.heads = Some(heads),
        }
    }

    fn is_empty(&self) -> bool {
        self.relevance.is_none() && self.losses.is_none() && self.heads.is_none()
    }
}

/// Evidence about runs that were displayed before and can be displayed again.
#[derive(Debug, Default)]
pub struct EvidenceOfRuns(Vec<(Weak<Capture>, KnownEvidence)>);

impl EvidenceOfRuns {
    /// Puts the evidence about one run away, and returns that about another.
    pub fn exchange(
        &mut self,
        last: Option<&Arc<Capture>>,
        known: KnownEvidence,
        next: &Arc<Capture>,
    ) -> KnownEvidence {
        self.0.retain(|(capture, _)| capture.strong_count() > 0);
        if let Some(last) = last.filter(|_| !known.is_empty()) {
            self.0.push((Arc::downgrade(last), known));
        }
        let at = self.0.iter().position(|(capture, _)| std::ptr::eq(capture.as_ptr(), Arc::as_ptr(next)));
        at.map(|at| self.0.swap_remove(at).1).unwrap_or_default()
    }
}

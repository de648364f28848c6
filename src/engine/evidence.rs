//! Evidence about a run that needs further runs of the model.

use std::collections::BTreeMap;

use super::attribution::AttributionOptions;
use super::faithful::Eraser;
use super::protocol::{Evidence, EvidenceKind, EvidenceRequest, HeadEvidence};
use super::run_tokens::RunTokens;
use super::session::Session;
use super::variants::Masking;
use crate::analysis::attribution::AttributionMethod;
use crate::analysis::faithful::ErasureScope;
use crate::error::{Error, Result};
use crate::progress::Watch;

impl Session {
    /// Measures evidence about the run that gave `request.base`.
    ///
    /// # Errors
    /// As [`Session::attribution`] and [`Session::force_variants`]; for heads, those other than that an analysis
    /// does not apply.
    pub fn evidence(&self, request: &EvidenceRequest, watch: &dyn Watch) -> Result<Evidence> {
        let base = request.base.as_ref();
        match request.kind {
            EvidenceKind::Relevance { contrast } => {
                let options = AttributionOptions { contrast, ..AttributionOptions::default() };
                let (tokens, method) = (RunTokens::of(base)?, AttributionMethod::Relevance);
                let attribution =
                    self.on_threads(|| self.gradient_attribution(tokens, method, &options, watch))?;
                Ok(Evidence::Relevance { contrast, attribution })
            }
            EvidenceKind::LeaveOneOut => {
                let scope = ErasureScope::new(&base.source.items, &base.target.items);
                let mut eraser = Eraser::new(self, base, scope, Masking::default(), watch)?;
                Ok(Evidence::LeaveOneOut(eraser.leave_one_out()?))
            }
            EvidenceKind::Heads => {
                let source = self.source(&request.run)?;
                let direct = applicable(self.direct_logits(base, &source, watch))?;
                let importance = self.head_importance(base, watch);
                let importance = applicable(importance.map(BTreeMap::from_iter))?;
                Ok(Evidence::Heads(HeadEvidence { importance, direct }))
            }
        }
    }
}

/// Turns an error that is about the model or the run into the reason why an analysis does not apply.
fn applicable<T>(found: Result<T>) -> Result<std::result::Result<T, String>> {
    match found {
        Ok(found) => Ok(Ok(found)),
        Err(error @ (Error::NotForModel { .. } | Error::Usage(_) | Error::Memory { .. })) => {
            Ok(Err(error.to_string()))
        }
        Err(error) => Err(error),
    }
}

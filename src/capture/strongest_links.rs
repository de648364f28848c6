//! The strongest links of a capture.

use std::collections::BTreeMap;
use std::sync::Arc;

use attn_tui_kernels::threads;

use super::Capture;
use crate::analysis::links::{Link, LinkFilter, StrongLinks, best};
use crate::analysis::pairs::{Pair, PairLink};
use crate::error::Result;
use crate::site::{Head, Kind};

impl Capture {
    /// Finds the strongest links of `heads` that pass the filter of their kind, the strongest first. Heads of
    /// kinds without a filter have none. The number of links is that of the first filter.
    ///
    /// # Errors
    /// [`crate::error::Error::NoSuchHead`].
    pub fn strongest_links(
        &self,
        heads: &[Head],
        filters: &BTreeMap<Kind, LinkFilter>,
    ) -> Result<Vec<PairLink>> {
        let links = find(self, heads, filters)?;
        let weigh = |link: &Link| self.pair_link(link.head, &Pair::link(link.query, link.key)).transpose();
        links.iter().filter_map(weigh).collect()
    }
}

/// Finds the links in the profiles that the pass has made for these filters, or else in new ones.
fn find(capture: &Capture, heads: &[Head], filters: &BTreeMap<Kind, LinkFilter>) -> Result<Vec<Link>> {
    let prepared: BTreeMap<Kind, _> = filters
        .iter()
        .map(|(&kind, filter)| {
            let (axes, shape) = (capture.axes(kind), capture.shape(kind).into());
            let strong = StrongLinks::new(&axes, shape, filter);
            (kind, (strong, Arc::new(filter.profile_axes(&axes, shape))))
        })
        .collect();
    let found = threads::map(heads.len(), usize::MAX, |at| -> Result<Vec<Link>> {
        let head = heads[at];
        let Some((strong, axes)) = prepared.get(&head.kind()) else { return Ok(Vec::new()) };
        match capture.maps.site(head.site).and_then(|maps| maps.profile(head.head)) {
            Some(profile) => Ok(strong.of(head, profile)),
            None => Ok(strong.of(head, &capture.compute_profile(head, axes)?)),
        }
    });
    let top = filters.values().next().map_or(0, |filter| filter.top);
    Ok(best(found.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten(), top))
}

//! The search for given pairs of places in every head, on a thread of its own.

use std::sync::Arc;

use crate::analysis::pairs::{Pair, PairLink};
use crate::capture::Capture;
use crate::site::Kind;

/// Request to weigh pairs in every head of their kinds.
#[derive(Clone, Debug)]
pub struct PairRequest {
    /// Number of the request, counted up with every new one.
    pub number: u64,
    /// The capture.
    pub capture: Arc<Capture>,
    /// The pairs, each in the maps of one kind.
    pub pairs: Vec<(Kind, Pair)>,
}

/// Partial results of a request.
#[derive(Debug)]
pub struct PairResults {
    /// Number of the request.
    pub number: u64,
    /// The pairs in further heads, in no order.
    pub links: Vec<PairLink>,
    /// True if these are the last ones.
    pub complete: bool,
}

/// Weighs the pairs, and calls `report` after each layer. Stops once `go_on` returns false.
pub fn run(request: &PairRequest, go_on: impl Fn() -> bool, mut report: impl FnMut(PairResults)) {
    let PairRequest { number, capture, pairs } = request;
    let sites: Vec<_> = capture.maps.sites().map(|(site, _)| site).collect();
    for site in sites {
        let mut links = Vec::new();
        for head in (0..capture.heads(site)).map(|head| site.head(head)) {
            if !go_on() {
                return;
            }
            let own = pairs.iter().filter(|(kind, _)| *kind == site.kind);
            links.extend(own.filter_map(|(_, pair)| capture.pair_link(head, pair).ok().flatten()));
        }
        report(PairResults { number: *number, links, complete: false });
    }
    report(PairResults { number: *number, links: Vec::new(), complete: true });
}

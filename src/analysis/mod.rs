//! Head metrics, links and aggregation: pure functions of matrices.
//!
//! | module | what it computes |
//! |---|---|
//! | [`alti`] | contributions measured with the values, rolled out (ALTI, ALTI+) |
//! | [`align`] | word alignment from cross-attention, alignment error rate |
//! | [`attribution`] | methods that score source and prefix tokens |
//! | [`distances`] | distances between items of axes: in positions, or between patches |
//! | [`faithful`] | how far the output follows a ranking of source tokens |
//! | [`metrics`] | numbers that describe one head |
//! | [`knockout`] | what the output loses when a part of the attention is switched off |
//! | [`lens`] | what each layer predicts, and what each part adds to a logit |
//! | [`links`] | the strongest (query, key) pairs over heads, far apart |
//! | [`merge`] | heads and layers into one map: mean, maximum, attention rollout |
//! | [`needles`] | which heads find a sentence in a long text |
//! | [`pairs`] | the strength of given pairs of places in a head |
//! | [`patching`] | what activations of one run restore in another |
//! | [`places`] | places on an axis as users name them |
//! | [`quadrature`] | points of numerical integration |
//! | [`regions`] | parts of a picture that attention lies on |
//! | [`relevance`] | relevance from attention times gradients, through all layers |
//! | [`roles`] | what a head does, named with a score |
//! | [`similarity`] | how alike heads are, and groups of like heads |
//! | [`spread`] | mean and standard deviation over many sentences |
//! | [`word_times`] | times of words in a recording, by dynamic time warping |

pub mod align;
pub mod alti;
pub mod attribution;
pub mod distances;
pub mod faithful;
mod gini;
pub mod knockout;
pub mod lens;
pub mod links;
mod map_axes;
pub mod merge;
pub mod metrics;
pub mod needles;
pub mod pairs;
pub mod patching;
pub mod places;
pub mod profile;
pub mod quadrature;
pub mod regions;
pub mod relevance;
pub mod roles;
pub mod similarity;
pub mod spread;
pub mod word_times;

pub use map_axes::MapAxes;

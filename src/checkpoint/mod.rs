//! The parts of a pretrained model that several modules read: config.json, the names of weight files, and the
//! files of `torch.save`.

mod config;
pub mod json;
pub(crate) mod pickle;
pub(crate) mod torch;
pub mod weights;

pub use config::ModelConfig;

/// Kind of network behind a model's attention maps. It decides what else can be recorded of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// Encoder and decoder layers of dot-product attention.
    #[default]
    Transformer,
    /// Recurrent encoder and decoder, with additive attention between them or with none at all.
    Recurrent,
}

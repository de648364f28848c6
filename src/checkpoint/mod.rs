//! The parts of a pretrained model's folder that several modules read: config.json and the names of its
//! weight files.

mod config;
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

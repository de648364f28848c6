//! One small file a family: config.json to [`ModelSpec`](super::ModelSpec), tensor names included.

pub mod bart;
pub mod blenderbot;
pub mod marian;
pub mod t5;

//! One small file a family: config.json to [`ModelSpec`](super::ModelSpec), tensor names included; [`recurrent`]
//! alone describes another network.

pub mod bart;
pub mod bigbird_pegasus;
pub mod blenderbot;
pub mod blenderbot_small;
pub mod encoder_decoder;
pub mod fsmt;
pub mod led;
pub mod longt5;
pub mod m2m_100;
pub mod marian;
pub mod mbart;
pub mod mt5;
pub mod mvp;
pub mod nllb_moe;
pub mod pegasus;
pub mod pegasus_x;
pub mod plbart;
pub mod prophetnet;
pub mod recurrent;
pub mod seamless_m4t;
pub mod switch_transformers;
pub mod t5;
pub mod t5gemma;
pub mod t5gemma2;
pub mod umt5;

//! One small file a family: config.json to [`ModelSpec`](super::ModelSpec), tensor names included; [`recurrent`]
//! alone describes another network.

pub(super) mod bart;
pub(super) mod bigbird_pegasus;
pub(super) mod blenderbot;
pub(super) mod blenderbot_small;
pub(super) mod encoder_decoder;
pub(super) mod fsmt;
pub(super) mod led;
pub(super) mod longt5;
pub(super) mod m2m_100;
pub(super) mod marian;
pub(super) mod mbart;
pub(super) mod mt5;
pub(super) mod mvp;
pub(super) mod nllb_moe;
pub(super) mod pegasus;
pub(super) mod pegasus_x;
pub(super) mod plbart;
pub(super) mod prophetnet;
pub(super) mod recurrent;
pub(super) mod seamless_m4t;
pub(super) mod switch_transformers;
pub(super) mod t5;
pub(super) mod t5gemma;
pub(super) mod t5gemma2;
pub(super) mod umt5;

//! Model families, one file each: config.json to a specification, tensor names included.

mod bart;
mod bigbird_pegasus;
mod blenderbot;
mod blenderbot_small;
mod encoder_decoder;
mod fsmt;
mod led;
mod longt5;
mod m2m_100;
mod marian;
mod mbart;
mod moonshine;
mod mt5;
mod mvp;
mod nllb_moe;
mod pegasus;
mod pegasus_x;
mod picture_config;
mod pix2struct;
mod plbart;
mod prophetnet;
mod recurrent;
mod seamless_m4t;
mod speech_to_text;
mod swin;
mod switch_transformers;
mod t5;
mod t5gemma;
mod t5gemma2;
mod umt5;
mod vision_encoder_decoder;
mod whisper;

use super::family::Family;

/// Every supported family, related ones together.
pub(super) const FAMILIES: &[Family] = &[
    t5::FAMILY,
    mt5::FAMILY,
    umt5::FAMILY,
    switch_transformers::FAMILY,
    longt5::FAMILY,
    bart::FAMILY,
    marian::FAMILY,
    blenderbot::FAMILY,
    blenderbot_small::FAMILY,
    mbart::FAMILY,
    m2m_100::FAMILY,
    nllb_moe::FAMILY,
    seamless_m4t::FAMILY,
    seamless_m4t::FAMILY_V2,
    led::FAMILY,
    pegasus::FAMILY,
    pegasus_x::FAMILY,
    bigbird_pegasus::FAMILY,
    plbart::FAMILY,
    mvp::FAMILY,
    prophetnet::FAMILY,
    prophetnet::XLM_FAMILY,
    fsmt::FAMILY,
    encoder_decoder::FAMILY,
    whisper::FAMILY,
    moonshine::FAMILY,
    speech_to_text::FAMILY,
    vision_encoder_decoder::FAMILY,
    pix2struct::FAMILY,
    recurrent::FAMILY,
    t5gemma::FAMILY,
    t5gemma2::FAMILY,
];

//! Recognises weights that are not those of a whole encoder-decoder model with floating-point numbers.

use crate::checkpoint::ModelConfig;
use crate::error::Error;

/// Parts of tensor names that adapters of PEFT have and models do not.
const ADAPTER_PARTS: [&str; 8] =
    ["lora_", ".base_layer.", "ia3_l", "hada_w1", "lokr_w", "oft_r", "vera_lambda", "modules_to_save"];

/// Endings of the tensors that quantisation methods store, with the methods.
const QUANTISED_ENDINGS: [(&str, &str); 9] = [
    (".SCB", "8-bit integers (bitsandbytes)"),
    (".absmax", "4-bit numbers (bitsandbytes)"),
    (".quant_map", "4-bit numbers (bitsandbytes)"),
    (".qweight", "packed integers (GPTQ or AWQ)"),
    (".qzeros", "packed integers (GPTQ or AWQ)"),
    (".W_q", "packed integers (HQQ)"),
    (".weight_packed", "packed integers (compressed-tensors)"),
    (".weight_scale", "scaled integers or 8-bit floats"),
    (".weight_scale_inv", "scaled 8-bit floats"),
];

/// Returns the error for weights that are something else than a model's, known by the names and number types
/// of their tensors: an unmerged adapter, quantised weights, or the encoder or the decoder alone.
pub fn refusal<'a>(
    model: &str,
    config: Option<&ModelConfig>,
    tensors: impl Iterator<Item = (&'a str, &'a str)> + Clone,
) -> Option<Error> {
    let names = || tensors.clone().map(|(name, _)| name);
    let is_adapter = |name: &&str| ADAPTER_PARTS.iter().any(|part| name.contains(part));
    if let Some(tensor) = names().find(is_adapter) {
        return Some(Error::UnmergedAdapter { model: model.into(), tensor: tensor.into() });
    }
    let by_name = |name: &str| QUANTISED_ENDINGS.iter().find(|(end, _)| name.ends_with(end));
    let method = names().find_map(by_name).map(|(_, method)| *method);
    let method = method.or_else(|| tensors.clone().find_map(|(name, dtype)| narrow(name, dtype)));
    if let Some(method) = method {
        return Some(Error::Quantised { model: model.into(), method });
    }
    // also `text_encoder.` and `text_decoder.`; cross-attention is `encoder_attn.`
    let part = |stack: &str| names().any(|name| name.contains(stack));
    let tied = config.is_some_and(|config| config.flag_or("tie_encoder_decoder", false).unwrap_or(false));
    let (has, lacks) = match (part("encoder."), part("decoder.")) {
        (true, false) if !tied => ("an encoder", "decoder"),
        (false, true) => ("a decoder", "encoder"),
        _ => return None,
    };
    Some(Error::HalfModel { model: model.into(), has, lacks })
}

/// Returns the kind of numbers of a weight that is stored in 8 bits.
fn narrow(name: &str, dtype: &str) -> Option<&'static str> {
    let dtype = dtype.to_ascii_lowercase();
    if !name.contains("weight") {
        None
    } else if ["i8", "u8", "int8", "uint8", "qint8", "quint8"].contains(&dtype.as_str()) {
        Some("8-bit integers")
    } else {
        ["f8", "float8"].iter().any(|start| dtype.starts_with(start)).then_some("8-bit floats")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(tensors: &[(&str, &str)]) -> Option<String> {
        refusal("m", None, tensors.iter().copied()).map(|error| error.to_string())
    }

    #[test]
    fn weights_that_are_no_whole_model_are_told_by_their_tensors() {
        let whole = [("model.encoder.a.weight", "F32"), ("model.decoder.a.weight", "F16"), ("x.ids", "I64")];
        assert_eq!(told(&whole), None);
        for (tensor, dtype, part) in [
            ("base_model.model.decoder.q.lora_A.default.weight", "F32", "adapter"),
            ("decoder.q.base_layer.weight", "F32", "adapter"),
            ("decoder.q.SCB", "F32", "bitsandbytes"),
            ("decoder.q.weight.absmax", "F32", "4-bit"),
            ("decoder.q.qweight", "I32", "GPTQ"),
            ("decoder.q.weight", "I8", "8-bit integers"),
            ("decoder.q.weight", "uint8", "8-bit integers"),
            ("decoder.q.weight", "F8_E4M3", "8-bit floats"),
        ] {
            let tensors = [("encoder.a.weight", "F32"), ("decoder.a.weight", "F32"), (tensor, dtype)];
            let told = told(&tensors).unwrap_or_default();
            assert!(told.contains(part), "{tensor}: {told}");
        }
    }

    #[test]
    fn half_a_model_is_told() {
        assert_eq!(told(&[("encoder.a.weight", "F32")]).as_deref(), Some("m has an encoder and no decoder"));
        let decoder = [("model.decoder.layers.0.encoder_attn.k_proj.weight", "F32")];
        assert_eq!(told(&decoder).as_deref(), Some("m has a decoder and no encoder"));
        let tied = ModelConfig::new(serde_json::json!({"tie_encoder_decoder": true}));
        assert!(refusal("m", Some(&tied), [("encoder.a.weight", "F32")].into_iter()).is_none());
    }
}

//! From config.json to the one encoder-decoder.

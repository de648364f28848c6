//! A small reader of text lines, in the layout of a `vision-encoder-decoder` repository on the hub, and pictures
//! that it reads. README.md is its model card.

/// Files of the model, with their names.
pub static FILES: [(&str, &[u8]); 6] = [
    ("config.json", include_bytes!("../model/config.json")),
    ("generation_config.json", include_bytes!("../model/generation_config.json")),
    ("model.safetensors", include_bytes!("../model/model.safetensors")),
    ("preprocessor_config.json", include_bytes!("../model/preprocessor_config.json")),
    ("tokenizer.json", include_bytes!("../model/tokenizer.json")),
    ("tokenizer_config.json", include_bytes!("../model/tokenizer_config.json")),
];

/// A step of attn-tui's guided tour that shows the model, in the tour's format.
pub static TOUR_STEP: &str = include_str!("../tour-step.md");

/// Pictures of text lines as PNG files, with their names.
pub static PICTURES: [(&str, &[u8]); 2] = [
    ("bridge.png", include_bytes!("../pictures/bridge.png")),
    ("key.png", include_bytes!("../pictures/key.png")),
];

//! Names of weight files.

/// Weight files that can be read, by falling preference: a single file, or an index that lists shards.
pub const READABLE: [&str; 4] = [
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
];

/// Ending of an index that maps tensor names to shards.
pub const INDEX: &str = ".index.json";

/// Parts of the names of weight files that cannot be read, with their formats, for the error that names them.
pub const UNREADABLE: [(&str, &str); 16] = [
    ("tf_model", "TensorFlow"),
    ("saved_model.pb", "TensorFlow"),
    (".tflite", "TensorFlow Lite"),
    (".h5", "Keras"),
    (".keras", "Keras"),
    (".msgpack", "Flax"),
    (".ggml", "GGML"),
    ("openvino_model", "OpenVINO"),
    (".mlmodel", "Core ML"),
    (".mlpackage", "Core ML"),
    ("shared_vocabulary.", "CTranslate2"),
    ("flax_model", "Flax"),
    ("rust_model", "tch"),
    (".onnx", "ONNX"),
    (".gguf", "GGUF"),
    (".ckpt", "checkpoint"),
];

/// Beginning of the name of an adapter's weights, which need another model.
pub const ADAPTER: &str = "adapter_model.";

/// Returns the format of a weight file that can be read, a shard or an index, or `None` for any other file.
pub fn readable_format(file: &str) -> Option<&'static str> {
    if file.contains(".safetensors") {
        Some("safetensors")
    } else if file.contains(".bin") {
        Some("PyTorch")
    } else {
        None
    }
}

/// Returns the format of a weight file that cannot be read, or `None` for any other file.
pub fn unreadable_format(file: &str) -> Option<&'static str> {
    UNREADABLE.iter().find(|(part, _)| file.contains(part)).map(|(_, format)| *format)
}

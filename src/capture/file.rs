//! The capture file: a safetensors file with the maps and their tokens (format `attn-tui capture 1`).

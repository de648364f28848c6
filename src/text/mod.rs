//! Tokenizers, special tokens and display labels.

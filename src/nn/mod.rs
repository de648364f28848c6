//! Network blocks without model names.

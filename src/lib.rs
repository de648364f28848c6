//! attn-tui: a terminal explorer for attention in encoder-decoder Transformers.
//!
//! Data flows one way: text → tokens → forward pass → capture → analysis → view. Pure functions in the
//! middle, effects at the edges.
//!
//! | module | what it holds | may import |
//! |---|---|---|
//! | [`matrix`], [`site`], [`token`], [`error`], [`progress`], [`files`], [`human`], [`checkpoint`], [`terminal`], [`sys`] | the words that every module shares | each other |
//! | [`config`] | settings: command line > environment > file > defaults | `paint` (names of colour maps) |
//! | [`hub`] | MODEL argument → files: folder, hub cache, download | the words |
//! | [`text`] | tokenizers, special tokens, display labels | the words |
//! | [`nn`] | blocks without model names: attention with the recorder's hook, norms, positions, cache | the words |
//! | [`model`] | config.json → specification → weights → the one encoder-decoder | `nn` |
//! | [`generate`] | greedy and beam search | `model`, `nn` |
//! | [`capture`] | what one pass recorded: the maps, their store and file | `nn`, `analysis` (profiles) |
//! | [`analysis`] | head metrics, links, aggregation: pure functions of matrices and of rows that a pass shows | `nn` (row observers) |
//! | [`paint`] | colour maps, scales, pooling: shared by screen and exporters | the words |
//! | [`tour`] | the guided tour: its steps, their numbers and texts | `engine` (its words), `capture`, `analysis`, `text` (labels) |
//! | [`engine`] | opens a model, runs it, and does so behind the screen | `hub`, `text`, `model`, `generate`, `capture`, `analysis` |
//! | [`export`] | pictures, tables and files of a capture, the page of a tour | `capture`, `analysis`, `paint`, `text` (labels), `tour` |
//! | [`tui`] | the screen | `engine`, `capture`, `analysis`, `paint`, `export`, `config`, `text` (labels), `tour` |
//! | [`cli`] | the command line | everything above |
//!
//! The arithmetic below these modules, and memory for large buffers, are a crate of their own, `attn_tui_kernels`.
//!
//! A test (`tests/suite/walls.rs`) holds the last column, and the modules that may name a crate.

pub mod analysis;
pub mod capture;
pub mod checkpoint;
pub mod cli;
pub mod config;
pub mod engine;
pub mod error;
pub mod export;
pub mod files;
pub mod generate;
pub mod hub;
pub mod human;
pub mod matrix;
pub mod model;
pub mod nn;
pub mod paint;
pub mod progress;
pub mod site;
pub mod sys;
pub mod terminal;
pub mod text;
pub mod token;
pub mod tour;
pub mod tui;

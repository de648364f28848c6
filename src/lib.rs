//! attn-tui: a terminal explorer for attention in encoder-decoder Transformers.
//!
//! Data flows one way: text → tokens → forward pass → capture → analysis → view. The middle consists of pure
//! functions; files, network and terminal are at the edges.
//!
//! | module | contents | may import |
//! |---|---|---|
//! | [`matrix`], [`site`], [`axis`], [`error`], [`progress`], [`files`], [`human`], [`checkpoint`], [`device`], [`terminal`], [`panics`], [`sys`] | types and helpers that every module shares | each other |
//! | [`config`] | settings: command line > environment > file > defaults | `paint` (names of colour maps) |
//! | [`hub`] | finds the files of a MODEL argument: folder, hub cache, download | shared types |
//! | [`text`] | tokenizers, special tokens, display labels | shared types |
//! | [`audio`] | sound files to samples, samples to features | shared types |
//! | [`image`] | picture files to pixels, pixels to the values that models read | shared types |
//! | [`nn`] | building blocks without model names: attention with the recorder's hook, norms, positions, cache | shared types |
//! | [`model`] | config.json to specification, weights, and the encoder-decoder | `nn` |
//! | [`generate`] | greedy and beam search | `model`, `nn` |
//! | [`capture`] | the record of one forward pass: maps, their store, the capture file | `nn`, `analysis` (profiles), `image` (the picture that was read) |
//! | [`analysis`] | head metrics, links, aggregation: pure functions of matrices and of the rows of a pass | `nn` (row observers) |
//! | [`paint`] | colour maps, scales, pooling, for the screen and for exports | shared types |
//! | [`tour`] | the guided tour: its steps, their numbers and texts | `engine` (its options and events), `capture`, `analysis`, `text` (labels) |
//! | [`engine`] | opens and runs models, in place or on a thread of its own | `hub`, `text`, `audio`, `image`, `nn` (reading tensors), `model`, `generate`, `capture`, `analysis` |
//! | [`columns`] | tables of typed columns, and their Parquet files | shared types |
//! | [`corpus`] | files of many sentences, read row by row | `columns` |
//! | [`export`] | pictures, tables and files of a capture, and the page of a tour | `capture`, `analysis`, `paint`, `image` (scaling), `text` (labels), `tour` |
//! | [`scan`] | measures of the sentences of a corpus, in a folder of Parquet files | `engine`, `capture`, `analysis`, `columns`, `corpus`, `export` (labels) |
//! | [`tui`] | the explorer's screen | `engine`, `capture`, `analysis`, `paint`, `export`, `config`, `image` (scaling), `text` (labels), `tour`, `scan` |
//! | [`cli`] | the command line | everything above |
//!
//! SIMD kernels, the thread team and the allocation of large buffers are in the crate `attn_tui_kernels`.
//!
//! [`tui`] and [`cli`] are features, `screen` and `cli`, on by default: without them the library has neither
//! ratatui nor clap.
//!
//! Every module may import the shared types of the first row. A test (`tests/suite/walls.rs`) enforces the
//! last column and the modules that may use a crate, and allows no import circles between files.

pub mod analysis;
pub mod audio;
pub mod axis;
pub mod capture;
pub mod checkpoint;
#[cfg(feature = "cli")]
pub mod cli;
pub mod columns;
pub mod config;
pub mod corpus;
pub mod device;
pub mod engine;
pub mod error;
pub mod export;
pub mod files;
pub mod generate;
pub mod hub;
pub mod human;
pub mod image;
pub mod matrix;
pub mod model;
pub mod nn;
pub mod paint;
pub mod panics;
pub mod progress;
pub mod scan;
pub mod site;
pub mod sys;
pub mod terminal;
pub mod text;

pub mod tour;
#[cfg(feature = "screen")]
pub mod tui;

//! All integration tests in one binary, so that the dependencies are linked once.

mod about;
mod analysis;
mod beams;
mod docs;
mod evidence;
mod export;
mod fast;
mod foreign;
mod half_precision;
mod headless;
mod hostile;
mod hub;
mod imports;
mod large;
mod memory;
mod outputs;
mod parity;
mod pixels;
mod printing;
mod real_models;
mod repositories;
mod tokenizers;
mod values;
mod vision;
mod walls;
mod weights;
mod writing;

mod explorer;
mod frames;
mod fuzz;
mod gradients;
mod keeping;
mod made;
mod messy;
mod questions;
mod scores;
mod screens;
mod sources;
mod speech;
#[cfg(unix)]
mod tasks;
mod terminal;
mod together;
mod tour;
mod views;

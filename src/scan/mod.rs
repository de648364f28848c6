//! Scans of corpora: every sentence is measured, and the measures go to a folder of Parquet files.

mod distribution;
mod find;
mod folder;
mod manifest;
mod measures;
mod named;
mod opened;
mod options;
mod rows;
mod run;
mod tables;

pub use distribution::{BINS, Distribution, Distributions, distributions};
pub use find::{Exemplar, ExemplarFilter, find};
pub use folder::{ScanSummary, ScanTarget, Shard, scan};
pub use manifest::{Manifest, SCHEMA};
pub use measures::{FarLink, SentenceMeasures};
pub use opened::Scan;
pub use options::ScanOptions;
pub use run::{ScannedRow, measure_each};
pub use tables::{ScanTables, TABLES};

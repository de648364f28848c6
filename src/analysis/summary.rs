//! What is told of a head without its map: sums over its rows, made while the map is, a few rows at a time and
//! on several threads. Metrics, small pictures, the rows' maxima and all strong links follow from them.

use std::ops::Range;

use super::context::Context;
use super::metrics::{FIRST, HeadMetrics, SINK, rows_that_see};
use super::links::{Link, LinkFilter, strongest};
use super::sweep::{self, Moments};
use crate::matrix::Matrix;
use crate::site::{Head, Kind};
use crate::token::Token;

//! Value norms and contributions: the lengths of the value vectors that weights multiply, and the share of
//! each key in each row's output. Optional, and small beside the maps.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Capture;
use crate::checkpoint::Architecture;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::nn::ValueContributions;
use crate::site::{Head, Kind, Site};

/// Value norms and contributions of one site.
#[derive(Clone, Debug, PartialEq)]
pub struct SiteValues {
    /// `||v_j^h W_O^h||_2`, `[heads, keys]` (Kobayashi et al. 2020): multiplied by a weight, the norm of
    /// what the head takes from the key.
    pub norms: Matrix,
    /// ALTI's contributions (Ferrando et al. 2022), `[queries, keys]`, of all heads together; at a cross
    /// site `[queries, keys + 1]`, whose last column is the share of the residual stream. Rows sum to 1.
    pub contributions: Matrix,
    /// The first numbers of the value vectors `v_j^h`, `[heads * keys, numbers]`; files do not hold them.
    pub beginnings: Option<Matrix>,
}

impl SiteValues {
    /// Wraps the measurements at a site with maps `[heads, queries, keys]`.
    pub(super) fn new(measured: ValueContributions, [heads, queries, keys]: [usize; 3]) -> Self {
        let columns = measured.contributions.len() / queries.max(1);
        let numbers = measured.beginnings.len() / (heads * keys).max(1);
        Self {
            norms: Matrix::new(heads, keys, measured.norms),
            contributions: Matrix::new(queries, columns, measured.contributions),
            beginnings: Some(Matrix::new(heads * keys, numbers, measured.beginnings)),
        }
    }

    /// Returns the first numbers of a head's value vector of a key, before the output projection.
    pub fn beginning(&self, head: usize, key: usize) -> Option<&[f32]> {
        let keys = self.norms.cols();
        let beginnings = self.beginnings.as_ref()?;
        (head < self.norms.rows() && key < keys).then(|| beginnings.row(head * keys + key))
    }
}

/// Meaning of the weights in a capture's maps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MapWeights {
    /// Attention weights.
    #[default]
    Attention,
    /// Value-weighted attention ([`Capture::value_weighted`]).
    Values,
}

impl MapWeights {
    /// Both.
    pub const ALL: [MapWeights; 2] = [MapWeights::Attention, MapWeights::Values];

    /// The name in files and options.
    pub fn name(self) -> &'static str {
        match self {
            MapWeights::Attention => "attention",
            MapWeights::Values => "values",
        }
    }
}

impl FromStr for MapWeights {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|weights| weights.name() == text)
            .ok_or_else(|| format!("'{text}' is not one of attention, values"))
    }
}

/// Multiplies weights by norms and scales the row to sum to 1.
pub(super) fn weigh(row: &mut [f32], norms: &[f32]) {
    row.iter_mut().zip(norms).for_each(|(weight, norm)| *weight *= norm);
    let sum: f32 = row.iter().sum();
    if sum > 0.0 {
        row.iter_mut().for_each(|weight| *weight /= sum);
    }
}

/// Value norms and contributions by site; empty if they were not asked for.
pub type ValuesBySite = BTreeMap<Site, SiteValues>;

impl Capture {
    /// This capture with value-weighted maps in the place of the weights: `A_ij ||v_j W_O||` over the row's
    /// sum, so that rows sum to 1 (Kobayashi et al. 2020, "Attention is Not Only a Weight: Analyzing
    /// Transformers with Vector Norms", whose `||alpha f(x)||` they are up to the row's factor).
    ///
    /// # Errors
    /// [`Error::NoValues`] where a site's norms were not kept.
    pub fn value_weighted(&self) -> Result<Capture> {
        if self.weights == MapWeights::Values {
            return Ok(self.clone());
        }
        let mut maps = self.maps.like();
        for (site, site_maps) in self.maps.sites() {
            let norms = &self.site_values(site)?.norms;
            maps.insert(site, site_maps.weighed(norms.clone()));
        }
        Ok(Capture { maps, weights: MapWeights::Values, ..self.clone() })
    }

    /// One map of [`Capture::value_weighted`], `[queries, keys]`.
    ///
    /// # Errors
    /// As [`Capture::site_values`].
    pub fn value_weighted_map(&self, head: Head) -> Result<Matrix> {
        let map = self.map(head)?;
        if self.weights == MapWeights::Values {
            return Ok(map);
        }
        let norms = self.site_values(head.site)?.norms.row(head.head);
        let mut data = map.as_slice().to_vec();
        data.chunks_mut(map.cols().max(1)).for_each(|row| weigh(row, norms));
        Ok(Matrix::new(map.rows(), map.cols(), data))
    }

    /// Value norms and contributions of a site.
    pub fn site_values(&self, site: Site) -> Result<&SiteValues> {
        if self.heads(site) == 0 {
            return Err(Error::NoSuchHead(self.why_not(site.head(0))));
        }
        if self.architecture == Architecture::Recurrent {
            return Err(Error::NoSuchHead(
                "value-weighted maps and ALTI are about Transformer blocks; this is a recurrent network"
                    .into(),
            ));
        }
        self.values.get(&site).ok_or_else(|| Error::NoValues { model: self.model.clone() })
    }

    /// ALTI's contributions in every layer of a kind, the first layer first.
    ///
    /// # Errors
    /// As [`Capture::site_values`].
    pub fn contributions(&self, kind: Kind) -> Result<Vec<Matrix>> {
        // A kind that is absent has its first layer missing.
        let layers = 0..self.layers(kind).max(1);
        layers.map(|layer| Ok(self.site_values(Site::new(kind, layer))?.contributions.clone())).collect()
    }
}

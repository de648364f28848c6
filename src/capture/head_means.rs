//! Means of what heads read, which ablated heads may read in place of zeros (mean ablation).

use std::collections::BTreeMap;

use candle_core::Tensor;

use crate::error::Result;
use crate::nn::{Hook, host};
use crate::site::Site;

/// Mean of `z`, what each head reads, over all positions of some runs. As a hook it adds the positions of a
/// pass.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeadMeans {
    sites: BTreeMap<Site, SiteSums>,
}

/// Sums over positions at one site.
#[derive(Clone, Debug, Default, PartialEq)]
struct SiteSums {
    /// `[heads, head_dim]`
    sums: Vec<f64>,
    positions: usize,
}

impl HeadMeans {
    /// Returns true if no run was added.
    pub fn is_empty(&self) -> bool {
        self.sites.is_empty()
    }

    /// Returns the means at a site, `[heads, head_dim]`; `None` if it has none.
    pub fn at(&self, site: Site) -> Option<Vec<f32>> {
        let SiteSums { sums, positions } = self.sites.get(&site)?;
        Some(sums.iter().map(|sum| (sum / (*positions).max(1) as f64) as f32).collect())
    }

    /// Returns every site with the number of positions that its means are taken over.
    pub fn positions(&self) -> impl Iterator<Item = (Site, usize)> {
        self.sites.iter().map(|(&site, sums)| (site, sums.positions))
    }
}

impl Hook for HeadMeans {
    fn wants(&self, _: Site) -> bool {
        true
    }

    fn z(&mut self, site: Site, z: Tensor) -> Result<Tensor> {
        let (heads, positions, head_dim) = z.dims3()?;
        let values = host(&z)?;
        let sums = self.sites.entry(site).or_default();
        sums.sums.resize(heads * head_dim, 0.0);
        sums.positions += positions;
        for (at, row) in values.chunks(head_dim.max(1)).enumerate() {
            let head = at / positions.max(1);
            let sums = &mut sums.sums[head * head_dim..][..head_dim];
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        Ok(z)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::site::Kind;

    #[test]
    fn means_are_those_of_all_positions_of_all_passes() {
        let site = Site::new(Kind::Cross, 1);
        let mut means = HeadMeans::default();
        assert!(means.is_empty() && means.at(site).is_none());
        // Two heads of one value each, at two positions and then at one.
        for (positions, values) in [(2, vec![1f32, 2.0, 10.0, 20.0]), (1, vec![6.0, 30.0])] {
            let z = Tensor::from_vec(values, (2, positions, 1), &Device::Cpu).unwrap();
            means.z(site, z).unwrap();
        }
        assert_eq!(means.at(site), Some(vec![3.0, 20.0]));
        assert_eq!(means.positions().collect::<Vec<_>>(), [(site, 3)]);
    }
}

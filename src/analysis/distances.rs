//! Distances between the items along the axes of a map: in positions for sequences, in the plane for patches
//! of a picture.

use crate::axis::{AxisItem, PixelBox};
use crate::matrix::Matrix;
use crate::site::Kind;

/// Distances between the queries and the keys of a map.
#[derive(Clone, Debug, PartialEq)]
pub enum Distances {
    /// From the diagonal ([`Kind::diagonal`]), in positions.
    Positions {
        /// Kind of attention.
        kind: Kind,
        /// Numbers of queries and keys.
        lengths: [usize; 2],
    },
    /// Between the patches of a picture that are both queries and keys.
    Patches(PatchPlaces),
    /// None: queries and keys have no common order, such as the tokens of a text and the patches of a
    /// picture.
    Absent,
}

impl Distances {
    /// Measures the axes of maps of a kind with `queries` rows.
    pub fn new(kind: Kind, queries: usize, keys: &[AxisItem]) -> Self {
        let patches = if kind == Kind::Decoder { None } else { PatchPlaces::of_items(keys) };
        match patches {
            None => Self::Positions { kind, lengths: [queries, keys.len()] },
            Some(patches) if kind == Kind::Encoder => Self::Patches(patches),
            Some(_) => Self::Absent,
        }
    }

    /// Returns the distance between a query and a key; `None` where there is none, such as that of a class
    /// token from a patch.
    pub fn between(&self, query: usize, key: usize) -> Option<f32> {
        match self {
            Self::Positions { kind, lengths: [queries, keys] } => {
                Some((kind.diagonal(query, *queries, *keys) - key as f32).abs())
            }
            Self::Patches(patches) => patches.distance(query, key),
            Self::Absent => None,
        }
    }

    /// Returns true if the distance between a query and a key is at least `least`, or there is none.
    pub fn reach(&self, query: usize, key: usize, least: f32) -> bool {
        self.between(query, key).is_none_or(|distance| distance >= least)
    }
}

/// Places of keys on a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct PatchPlaces {
    /// Centres in pixels, x and y; 0 for keys without a place, such as class tokens.
    centres: [Vec<f32>; 2],
    /// 1 for keys with a place, 0 for others.
    placed: Vec<f32>,
    /// The centres in widths and heights of a patch, counted from a whole patch; 0 for keys without a place.
    steps: [Vec<f32>; 2],
    /// Spread of even weights ([`RowSpread::spread`]).
    even: f32,
}

/// Spread of the weight of one row over a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RowSpread {
    /// Mean distance of the weight on patches from its centre, in pixels.
    pub spread: f32,
    /// Weight on patches times one minus the spread as a share of that of even weights, from 0 to 1.
    pub locality: f32,
}

impl PatchPlaces {
    /// Returns the places of items; `None` if none of them is a patch.
    pub fn of_items(items: &[AxisItem]) -> Option<Self> {
        let places: Vec<Option<PixelBox>> = items.iter().map(AxisItem::place).collect();
        places.iter().any(Option::is_some).then(|| Self::new(&places))
    }

    /// Creates the places of keys.
    pub fn new(places: &[Option<PixelBox>]) -> Self {
        let centre =
            |axis: usize| places.iter().map(move |place| place.map_or(0.0, |p| p.centre()[axis] as f32));
        let mut made = Self {
            centres: [centre(0).collect(), centre(1).collect()],
            placed: places.iter().map(|place| f32::from(u8::from(place.is_some()))).collect(),
            steps: [steps(places, 0, |place| place.w), steps(places, 1, |place| place.h)],
            even: f32::INFINITY,
        };
        made.even = made.spread_of(0, &vec![1.0; places.len()]).0.max(f32::MIN_POSITIVE);
        made
    }

    /// Measures a row whose first key is key `first`.
    pub fn row_spread(&self, first: usize, row: &[f32]) -> RowSpread {
        let (spread, weight) = self.spread_of(first, row);
        RowSpread { spread, locality: weight * (1.0 - (spread / self.even).min(1.0)) }
    }

    /// Mean distance of the weight on patches from its centre, in pixels, and that weight.
    fn spread_of(&self, first: usize, row: &[f32]) -> (f32, f32) {
        let range = first..(first + row.len()).min(self.placed.len());
        let (Some(x), Some(y), Some(placed)) =
            (self.centres[0].get(range.clone()), self.centres[1].get(range.clone()), self.placed.get(range))
        else {
            return (0.0, 0.0);
        };
        let weights = || row.iter().zip(placed).map(|(weight, placed)| weight * placed);
        let weight: f32 = weights().sum();
        if weight <= 0.0 {
            return (0.0, 0.0);
        }
        let mean = |along: &[f32]| weights().zip(along).map(|(weight, at)| weight * at).sum::<f32>() / weight;
        let (centre_x, centre_y) = (mean(x), mean(y));
        let away = weights().zip(x.iter().zip(y)).map(|(weight, (x, y))| {
            let (x, y) = (x - centre_x, y - centre_y);
            weight * (x * x + y * y).sqrt()
        });
        (away.sum::<f32>() / weight, weight)
    }

    /// Distance between the centres of two patches, in widths and heights of a patch.
    pub fn distance(&self, query: usize, key: usize) -> Option<f32> {
        let placed = |at: usize| self.placed.get(at) == Some(&1.0);
        (placed(query) && placed(key)).then(|| self.squared(query, key).sqrt())
    }

    fn squared(&self, query: usize, key: usize) -> f32 {
        let [x, y] = [0, 1].map(|axis| self.along(axis, query, key));
        x * x + y * y
    }

    /// Distance along x (`axis` 0) or y (1), in widths or heights of a patch.
    fn along(&self, axis: usize, query: usize, key: usize) -> f32 {
        (self.steps[axis][query] - self.steps[axis][key]).abs()
    }

    /// Adds the weights of a row of self-attention, whose first key is key `first`, by distance rounded up to
    /// whole patches. Returns the sum of weights times distances.
    pub fn add_by_distance(&self, query: usize, first: usize, row: &[f32], sums: &mut [f64]) -> f64 {
        let mut moment = 0.0;
        for (key, &weight) in (first..).zip(row) {
            if let Some(distance) = self.distance(query, key) {
                moment += f64::from(weight) * f64::from(distance);
                if let Some(sum) = sums.get_mut(distance.ceil() as usize) {
                    *sum += f64::from(weight);
                }
            }
        }
        moment
    }

    /// Numbers of pairs of patches that are farther apart than `distance` patches, and not.
    pub fn pairs_beyond(&self, distance: f32) -> [usize; 2] {
        let limit = distance * distance;
        let patches: Vec<usize> = (0..self.placed.len()).filter(|&at| self.placed[at] == 1.0).collect();
        let pairs = patches.len() * patches.len();
        let [columns, rows] = [0, 1].map(|axis| self.lines(axis, &patches));
        let near = match columns.len() * rows.len() == patches.len() {
            true => self.near_on_grid(limit, &columns, &rows),
            false => {
                let near =
                    |&query: &usize| patches.iter().filter(|&&key| self.squared(query, key) <= limit).count();
                patches.iter().map(near).sum()
            }
        };
        [pairs - near, near]
    }

    /// Returns a patch of each column (`axis` 0) or row (1) of patches.
    fn lines(&self, axis: usize, patches: &[usize]) -> Vec<usize> {
        let centre = |at: &usize| self.centres[axis][*at];
        let mut lines = patches.to_vec();
        lines.sort_by(|a, b| centre(a).total_cmp(&centre(b)));
        lines.dedup_by_key(|at| centre(at));
        lines
    }

    /// Number of pairs of patches with a squared distance of at most `limit`, where every column has a patch in
    /// every row: the distance along x is that of the columns, and the one along y that of the rows.
    fn near_on_grid(&self, limit: f32, columns: &[usize], rows: &[usize]) -> usize {
        let squares = |axis: usize, lines: &[usize]| {
            let pairs = lines.iter().flat_map(|&a| lines.iter().map(move |&b| (a, b)));
            pairs.map(|(a, b)| self.along(axis, a, b).powi(2)).collect::<Vec<f32>>()
        };
        let mut down = squares(1, rows);
        down.sort_by(f32::total_cmp);
        squares(0, columns).iter().map(|across| down.partition_point(|y| across + y <= limit)).sum()
    }
}

/// Returns the centres along x (`axis` 0) or y (1) in units of a whole patch's side (`side`), counted from the first
/// one; 0 for an item without a place. Patches at the edges of a padded picture are cut.
fn steps(places: &[Option<PixelBox>], axis: usize, side: fn(&PixelBox) -> f64) -> Vec<f32> {
    // Places are rounded to hundredths of a pixel, so that steps of whole patches are nearly whole numbers. Gaps
    // between neighbours are rounded: over many patches, the error of the side would add up.
    const ROUNDED: f64 = 0.05;
    let placed = places.iter().flatten();
    let side = placed.clone().map(side).fold(f64::MIN_POSITIVE, f64::max);
    let mut lines: Vec<f64> = placed.map(|place| place.centre()[axis]).collect();
    lines.sort_by(f64::total_cmp);
    lines.dedup_by(|a, b| a.total_cmp(b).is_eq());
    let gaps = lines.windows(2).map(|pair| {
        let gap = (pair[1] - pair[0]) / side;
        if (gap - gap.round()).abs() < ROUNDED { gap.round() } else { gap }
    });
    let sums = gaps.scan(0.0, |sum, gap| {
        *sum += gap;
        Some(*sum)
    });
    let steps: Vec<f64> = std::iter::once(0.0).chain(sums).collect();
    let step = |place: &PixelBox| steps[lines.partition_point(|line| *line < place.centre()[axis])];
    places.iter().map(|place| place.as_ref().map_or(0.0, step) as f32).collect()
}

/// Weight of a map on keys that are farther than `far` from their queries, summed over rows of which the
/// first is row `first`. Pairs without a distance are not far.
pub fn far_weight(rows: &Matrix, first: usize, distances: &Distances, far: f32) -> f64 {
    let is_far = |query: usize, key: usize| distances.between(query, key).is_some_and(|found| found > far);
    let of_row = |row: usize| {
        let weights = rows.row(row).iter().enumerate();
        weights.filter(|(key, _)| is_far(first + row, *key)).map(|(_, &w)| f64::from(w)).sum::<f64>()
    };
    (0..rows.rows()).map(of_row).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_are_apart_in_the_plane() {
        let items = AxisItem::picture(2, 3);
        let own = Distances::new(Kind::Encoder, 7, &items);
        assert_eq!(
            [own.between(1, 3), own.between(1, 4), own.between(1, 5)],
            [Some(2.0), Some(1.0), Some(2f32.sqrt())]
        );
        assert_eq!([own.between(0, 3), own.between(3, 0)], [None, None]);
        assert_eq!(Distances::new(Kind::Cross, 2, &items), Distances::Absent);
        let Distances::Patches(patches) = own else { panic!("patches") };
        // Of 36 pairs, 6 are of a patch with itself and 14 of neighbours.
        assert_eq!(patches.pairs_beyond(1.0), [16, 20]);
        let mut sums = vec![0.0; 4];
        let moment = patches.add_by_distance(1, 0, &[0.2, 0.3, 0.1, 0.0, 0.0, 0.4, 0.0], &mut sums);
        assert!((moment - 0.1 - 0.4 * 2f64.sqrt()).abs() < 1e-6, "{moment}");
        assert!(sums.iter().zip([0.3, 0.1, 0.4, 0.0]).all(|(a, b)| (a - b).abs() < 1e-6), "{sums:?}");
    }

    #[test]
    fn rounded_places_are_whole_patches_apart() {
        // 97 pixels, divided into 24 patches.
        let place = |at: usize| PixelBox { x: at as f64 * 97.0 / 24.0, y: 0.0, w: 97.0 / 24.0, h: 8.0 };
        let places: Vec<_> = (0..24).map(|at| Some(place(at).rounded())).collect();
        let patches = PatchPlaces::new(&places);
        assert!((0..24).all(|key| patches.distance(0, key) == Some(key as f32)));
        assert_eq!(patches.pairs_beyond(2.0), [462, 114]);
    }

    #[test]
    fn many_rounded_places_are_whole_patches_apart() {
        // 1,200 pixels, divided into 286 patches of 4.1958 pixels, which are written as 4.2.
        let side = 1200.0 / 286.0;
        let place = |at: usize| PixelBox { x: at as f64 * side, y: 0.0, w: side, h: 8.0 };
        let places: Vec<_> = (0..286).map(|at| Some(place(at).rounded())).collect();
        let patches = PatchPlaces::new(&places);
        for query in 0..286 {
            for key in 0..286 {
                assert_eq!(patches.distance(query, key), Some(query.abs_diff(key) as f32), "{query} {key}");
            }
        }
    }

    #[test]
    fn cut_patches_are_nearer() {
        // The last of three patches is cut to half its width.
        let place = |x: f64, w: f64| Some(PixelBox { x, y: 0.0, w, h: 8.0 });
        let patches = PatchPlaces::new(&[None, place(16.0, 4.0), place(0.0, 8.0), place(8.0, 8.0)]);
        assert_eq!(
            [(2, 3), (3, 1), (2, 1)].map(|(a, b)| patches.distance(a, b)),
            [1.0, 0.75, 1.75].map(Some)
        );
        assert_eq!(patches.distance(0, 1), None);
    }

    #[test]
    fn pairs_are_counted_on_any_arrangement() {
        let counted = |places: &[Option<PixelBox>], far: f32| {
            let patches = PatchPlaces::new(places);
            let pairs = || (0..places.len()).flat_map(|a| (0..places.len()).map(move |b| (a, b)));
            let distances = pairs().filter_map(|(a, b)| patches.distance(a, b));
            let beyond = distances.clone().filter(|&distance| distance > far).count();
            assert_eq!(patches.pairs_beyond(far), [beyond, distances.count() - beyond], "{far}");
        };
        let grid: Vec<_> = AxisItem::picture(5, 7).iter().map(AxisItem::place).collect();
        for far in [0.0, 1.0, 1.4, 2.0, 2.5, 3.0, 9.0] {
            counted(&grid, far);
            // With gaps, and without any patch.
            counted(&grid[..20], far);
            counted(&grid[..1], far);
        }
    }

    #[test]
    fn sharp_rows_are_local() {
        let patches = PatchPlaces::of_items(&AxisItem::picture(2, 3)).unwrap();
        let sharp = patches.row_spread(0, &[0.25, 0.75, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(sharp, RowSpread { spread: 0.0, locality: 0.75 });
        let two = patches.row_spread(1, &[0.5, 0.0, 0.5]);
        assert_eq!(two.spread, 10.0);
        assert_eq!(patches.row_spread(0, &[0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]).locality, 0.0);
        assert_eq!(patches.row_spread(0, &[1.0]), RowSpread::default());
    }
}

use super::*;
use crate::simd::{Level, dispatch_at};
use crate::softmax::normaliser;
use crate::test_data::noise;

/// A row of `len` weights, one of them 0.
fn weights(len: usize, seed: u64) -> Vec<f32> {
    let scores: Vec<f32> = noise(len, seed).iter().map(|x| 6.0 * x).collect();
    let (max, sum) = normaliser(&scores);
    let mut weights: Vec<f32> = scores.iter().map(|x| (x - max).exp() / sum).collect();
    weights[len / 2] = 0.0;
    weights
}

#[test]
fn a_block_adds_up_at_every_level() {
    const LEAST: f32 = 0.01;
    for level in Level::available() {
        for (len, split) in
            [(1, 1), (7, 3), (16, 0), (NARROW, 9), (90, 90), (333, 100), (2 * TILE + 77, TILE + 5)]
        {
            // The second row sees fewer columns, and its diagonals lie one further back.
            let short = len - len / 3;
            let rows = [weights(len, 5), weights(short, 6)];
            let stride = len + 3;
            let mut all = vec![f32::NAN; stride + short];
            all[..len].copy_from_slice(&rows[0]);
            all[stride..].copy_from_slice(&rows[1]);
            let place =
                |len, split, diagonals| RowPlace { len, split, origin: split as isize - 1, diagonals };
            let places = [place(len, split, [1, 2]), place(short, split.min(short), [0, 1])];
            let (mut largest, mut received) = (vec![0.25; len], vec![1.0; len]);
            let (mut diagonals, mut cells) = (vec![0.0; len + 2], Vec::new());
            let mut stats = [RowStats { entropy: 7.0, ..RowStats::default() }; 2];
            let block = WeightBlock {
                weights: &all,
                stride,
                places: &places,
                stats: &mut stats,
                largest: &mut largest,
                received: &mut received,
                diagonals: &mut diagonals,
                least: LEAST,
                cells: &mut cells,
                differences: true,
            };
            // SAFETY: the level is available, and the rows lie within the slices.
            unsafe { dispatch_at(level, block) };
            let near = |a: f64, b: f64| {
                assert!((a - b).abs() <= 1e-6 * b.abs().max(1.0), "{level:?} {len}: {a}, {b}");
            };
            let mut expected = vec![0f64; len + 2];
            let mut listed = Vec::new();
            for (row, (weights, place)) in rows.iter().zip(places).enumerate() {
                let wide = |at: usize| f64::from(weights[at]);
                let sides = [0..place.split, place.split..place.len];
                let entropy: f64 =
                    (0..place.len).filter(|&at| wide(at) > 0.0).map(|at| -wide(at) * wide(at).ln()).sum();
                near(stats[row].entropy, entropy);
                for (side, columns) in sides.into_iter().enumerate() {
                    near(stats[row].sums[side], columns.clone().map(wide).sum());
                    let distance = |at: usize| (at as isize - place.origin).abs() as f64;
                    near(stats[row].moments[side], columns.clone().map(|at| wide(at) * distance(at)).sum());
                    columns.for_each(|at| expected[at + place.diagonals[side] as usize] += wide(at));
                }
                let pairs = (0..place.len).flat_map(|at| (0..at).map(move |before| (before, at)));
                let differences = pairs.map(|(a, b)| (wide(a) - wide(b)).abs()).sum::<f64>();
                match stats[row].differences {
                    Some(found) => near(f64::from(found), differences),
                    None => assert!(len > NARROW),
                }
                let mut order: Vec<usize> = (0..place.len).filter(|&at| weights[at] > 0.0).collect();
                order.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]));
                for rank in 0..TOP {
                    let (weight, column) = order.get(rank).map_or((0.0, 0), |&at| (weights[at], at as u32));
                    assert_eq!((stats[row].top[rank], stats[row].top_columns[rank]), (weight, column));
                }
                let strong = (0..place.len).filter(|&at| weights[at] >= LEAST);
                let cell = |at: usize| WeightCell { row: row as u32, column: at as u32, weight: weights[at] };
                listed.extend(strong.map(cell));
            }
            diagonals.iter().zip(&expected).for_each(|(&found, &expected)| near(f64::from(found), expected));
            for at in 0..len {
                let seen = [rows[0][at], rows[1].get(at).copied().unwrap_or(0.0)];
                near(f64::from(received[at]), 1.0 + f64::from(seen[0]) + f64::from(seen[1]));
                assert_eq!(largest[at], seen[0].max(seen[1]).max(0.25));
            }
            cells.sort_by_key(|cell| (cell.row, cell.column));
            assert_eq!(cells, listed, "{level:?} {len}");
            assert_eq!(max(&rows[0]), stats[0].top[0]);
            near(f64::from(sum(&rows[0])), stats[0].sums.iter().sum());
        }
    }
}

#[test]
fn equal_weights_keep_their_order_and_zeros_are_never_listed() {
    for level in Level::available() {
        let row = [0.0, 0.125, 0.25, 0.125, 0.25, 0.125, 0.125, 0.0, 1e-42];
        let (mut largest, mut received, mut diagonals) = ([0.0; 9], [0.0; 9], [0.0; 9]);
        let (mut stats, mut cells) = ([RowStats::default()], Vec::new());
        let place = RowPlace { len: 9, split: 9, origin: 8, diagonals: [0, 0] };
        let block = WeightBlock {
            weights: &row,
            stride: 9,
            places: &[place],
            stats: &mut stats,
            largest: &mut largest,
            received: &mut received,
            diagonals: &mut diagonals,
            least: 0.0,
            cells: &mut cells,
            differences: false,
        };
        // SAFETY: the level is available, and the row lies within the slices.
        unsafe { dispatch_at(level, block) };
        assert_eq!(stats[0].top_columns, [2, 4, 1, 3, 5], "{level:?}");
        assert_eq!(cells.len(), 7, "{level:?}");
        assert_eq!(stats[0].differences, None);
    }
}

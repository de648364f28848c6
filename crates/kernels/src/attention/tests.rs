use super::*;
use crate::test_data::noise;

const PLAIN: AttentionKernel<'static> = AttentionKernel {
    heads: 1,
    kv_heads: 1,
    queries: 1,
    keys: 1,
    width: 1,
    scale: 0.7,
    softcap: None,
    bias: None,
    visible: Visible::All,
    past: 0,
    extra: None,
    masked: &[],
};

/// Returns true if a token is visible to a query, from the definition of each mask.
fn sees(kernel: &AttentionKernel, query: usize, key: usize) -> bool {
    let query = query + kernel.past;
    match kernel.visible {
        Visible::All => true,
        Visible::Causal => key <= query,
        Visible::Near { before, after } => key + before >= query && key <= query + after,
        Visible::Groups { size, shift } => (query + shift) / size == (key + shift) / size,
        Visible::Blocks(size) => {
            let (query, key, last) = (query / size, key / size, (kernel.keys - 1) / size);
            [query, key].iter().any(|block| [0, last].contains(block)) || query.abs_diff(key) <= 1
        }
    }
}

/// Returns the bias of a pair, minus infinity if it is masked; extra keys follow the tokens.
fn added(kernel: &AttentionKernel, head: usize, query: usize, key: usize) -> f64 {
    let AttentionKernel { queries, keys, .. } = *kernel;
    if kernel.masked.contains(&MaskedPair { head, query, key }) {
        return f64::NEG_INFINITY;
    }
    let Some(extra) = key.checked_sub(keys) else {
        return match (sees(kernel, query, key), kernel.bias) {
            (false, _) => f64::NEG_INFINITY,
            (true, None) => 0.0,
            (true, Some(bias)) => {
                f64::from(bias.lines[head * (queries + keys - 1) + queries - 1 + key - query])
            }
        };
    };
    match kernel.extra.map(|keys| (keys.count, keys.bias)) {
        Some((count, ExtraColumnsBias::Blocks { block, lines })) => {
            let own = (query / block).min(count - 1);
            f64::from(lines[head * (2 * count - 1) + count - 1 + extra - own])
        }
        Some((_, ExtraColumnsBias::Inner { block, bias })) => match query / block {
            own if own == 0 || own == (queries - 1) / block => f64::NEG_INFINITY,
            _ => f64::from(bias),
        },
        _ => 0.0,
    }
}

/// Everything in double precision, pair by pair: the maps of both parts, and kernel is read.
fn reference(kernel: &AttentionKernel, q: &[f32], k: &[f32], v: &[f32]) -> ([Vec<f64>; 2], Vec<f64>) {
    let AttentionKernel { heads, kv_heads, queries, keys, width, .. } = *kernel;
    let (mut maps, mut out) = ([Vec::new(), Vec::new()], vec![0f64; queries * heads * width]);
    for h in 0..heads {
        let g = h / (heads / kv_heads);
        for i in 0..queries {
            let score = |j: usize| {
                let q = &q[(i * heads + h) * width..][..width];
                let k = &k[(j * kv_heads + g) * width..][..width];
                let dot: f64 = q.iter().zip(k).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
                let s = dot * f64::from(kernel.scale);
                let s =
                    kernel.softcap.map_or(s, |softcap| f64::from(softcap) * (s / f64::from(softcap)).tanh());
                s + added(kernel, h, i, j)
            };
            let scores: Vec<f64> = (0..kernel.all()).map(score).collect();
            let max = scores.iter().copied().fold(f64::MIN, f64::max);
            let e: Vec<f64> = scores.iter().map(|s| (s - max).exp()).collect();
            let total: f64 = e.iter().sum();
            for (j, e) in e.iter().enumerate() {
                let weight = if total == 0.0 { 0.0 } else { e / total };
                maps[usize::from(j >= keys)].push(weight);
                for d in 0..width {
                    let v = v[(j * kv_heads + g) * width + d];
                    out[(i * heads + h) * width + d] += weight * f64::from(v);
                }
            }
        }
    }
    (maps, out)
}

fn near(found: &[f32], expected: &[f64], name: &str) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (i, (&found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((f64::from(found) - expected).abs() < 1e-5, "{name} at {i}: {found}, {expected}");
    }
}

/// Observer that puts rows together to maps.
struct Seen(std::sync::Mutex<Vec<f32>>, [usize; 2]);

impl RowObserver for Seen {
    fn rows(
        &self,
        head: usize,
        first: usize,
        count: usize,
        columns: Range<usize>,
        weights: &[f32],
        stride: usize,
    ) {
        let (mut seen, [queries, keys]) = (self.0.lock().unwrap(), self.1);
        for row in 0..count {
            let at = (head * queries + first + row) * keys + columns.start;
            seen[at..at + columns.len()].copy_from_slice(&weights[row * stride..][..columns.len()]);
        }
    }
}

/// Compares everything that the kernel computes with [`reference`].
fn check(kernel: &AttentionKernel, name: &str) {
    let AttentionKernel { heads, kv_heads, queries, width, .. } = *kernel;
    let q = noise(queries * heads * width, 1);
    let k = noise(kernel.all() * kv_heads * width, 2);
    let v = noise(kernel.all() * kv_heads * width, 3);
    let query = HeadVectors { data: &q, position: heads * width, head: width };
    let key = HeadVectors { data: &k, position: kv_heads * width, head: width };
    let value = HeadVectors { data: &v, position: kv_heads * width, head: width };
    let (expected_maps, expected) = reference(kernel, &q, &k, &v);
    let columns = kernel.columns();
    let mut maps = columns.map(|columns| ArcBuilder::new(heads * queries * columns));
    let sinks = maps.each_mut().map(|maps| WeightSink { maps: Some(maps), observer: None });
    near(&kernel.run_all(query, key, value, sinks), &expected, name);
    for (maps, expected) in maps.into_iter().zip(&expected_maps) {
        near(&maps.finish(), expected, &format!("{name}: maps"));
    }
    let seen = columns.map(|columns| Seen(vec![0.0; heads * queries * columns].into(), [queries, columns]));
    let sinks = seen.each_ref().map(|seen| WeightSink { maps: None, observer: Some(seen) });
    near(&kernel.run_all(query, key, value, sinks), &expected, name);
    for (Seen(seen, _), expected) in seen.iter().zip(&expected_maps) {
        near(&seen.lock().unwrap(), expected, &format!("{name}: shown"));
    }
    near(&threads::run(1, || kernel.run(query, key, value, None, None)), &expected, name);
    let (head, rows) = (heads - 1, queries / 3..queries);
    for (part, columns) in [(KeyPart::Tokens, columns[0]), (KeyPart::Extra, columns[1])] {
        let again = kernel.weights(part, head, rows.clone(), query, key);
        let expected = &expected_maps[part as usize][(head * queries + rows.start) * columns..];
        near(&again, &expected[..rows.len() * columns], &format!("{name}: again"));
        let seen = Seen(vec![0.0; heads * queries * columns].into(), [queries, columns]);
        kernel.show(part, head, query, key, &seen);
        let seen = seen.0.into_inner().unwrap();
        let expected = &expected_maps[part as usize][head * queries * columns..];
        near(&seen[head * queries * columns..], expected, &format!("{name}: shown again"));
    }
}

#[test]
fn all_shapes_and_masks_match_double_precision() {
    for (heads, kv_heads, queries, keys, width) in [
        (2, 2, 1, 1, 4),
        (2, 1, 3, 40, 64),
        (1, 1, 2, 70, 100),
        (3, 3, 9, 9, 8),
        (4, 2, 50, 77, 33),
        (2, 2, 200, 200, 64),
    ] {
        let lines = noise(heads * (queries + keys - 1), 4);
        let bias = Some(DiagonalBias { lines: &lines });
        // One row loses every key but one, another all of them.
        let (last, first) = (queries - 1, usize::from(queries > 1));
        let lost = |query, from| (from..keys).map(move |key| MaskedPair { head: 0, query, key });
        let masked: Vec<MaskedPair> = lost(last, 0).chain(lost(0, first)).collect();
        for (number, kernel) in [
            AttentionKernel { ..PLAIN },
            AttentionKernel { visible: Visible::Causal, bias, ..PLAIN },
            AttentionKernel { visible: Visible::Near { before: 5, after: 2 }, bias, ..PLAIN },
            AttentionKernel { visible: Visible::Groups { size: 7, shift: 3 }, bias, ..PLAIN },
            AttentionKernel { visible: Visible::Groups { size: 64, shift: 0 }, ..PLAIN },
            AttentionKernel { visible: Visible::Blocks(2), softcap: Some(2.0), ..PLAIN },
            AttentionKernel { visible: Visible::Blocks(9), bias, ..PLAIN },
            AttentionKernel { masked: &masked, bias, softcap: Some(2.0), ..PLAIN },
            AttentionKernel { masked: &masked, visible: Visible::Blocks(16), ..PLAIN },
        ]
        .into_iter()
        .enumerate()
        {
            let past = keys.saturating_sub(queries);
            let kernel = AttentionKernel { heads, kv_heads, queries, keys, width, past, ..kernel };
            check(&kernel, &format!("{queries}x{keys}x{width}, case {number}"));
        }
    }
}

#[test]
fn keys_beside_the_tokens_share_their_softmax() {
    let (heads, queries, width, count, block) = (2, 75, 16, 9, 9);
    let lines = noise(heads * (2 * queries - 1), 4);
    let by_blocks = noise(heads * (2 * count - 1), 5);
    let masked = [3, 40, 74, 75, 80].map(|key| MaskedPair { head: 1, query: 40, key });
    for (number, (visible, bias)) in [
        (Visible::Near { before: 9, after: 9 }, ExtraColumnsBias::Blocks { block, lines: &by_blocks }),
        (Visible::Near { before: 200, after: 0 }, ExtraColumnsBias::Blocks { block: 17, lines: &by_blocks }),
        (Visible::Near { before: 0, after: 0 }, ExtraColumnsBias::None),
        (Visible::Groups { size: 20, shift: 10 }, ExtraColumnsBias::None),
        (Visible::Causal, ExtraColumnsBias::None),
        (Visible::Blocks(block), ExtraColumnsBias::Inner { block, bias: 3f32.ln() }),
    ]
    .into_iter()
    .enumerate()
    {
        let extra = Some(ExtraColumns { count, bias });
        let shape = AttentionKernel { heads, kv_heads: 1, queries, keys: queries, width, extra, ..PLAIN };
        let kernel =
            AttentionKernel { visible, bias: Some(DiagonalBias { lines: &lines }), masked: &masked, ..shape };
        check(&kernel, &format!("case {number}"));
    }
    // Few queries.
    let extra = Some(ExtraColumns { count, bias: ExtraColumnsBias::None });
    check(&AttentionKernel { heads, queries: 2, keys: 5, width, extra, kv_heads: 2, ..PLAIN }, "few");
}

#[test]
fn heads_may_lie_side_by_side_or_one_after_another() {
    let (heads, queries, keys, width) = (3, 20, 30, 16);
    let kernel = AttentionKernel { heads, kv_heads: heads, queries, keys, width, ..PLAIN };
    let side = |data: &[f32], positions: usize| -> Vec<f32> {
        let index = (0..heads * positions * width).map(|i| {
            let (h, p, d) = (i / (positions * width), i / width % positions, i % width);
            data[(p * heads + h) * width + d]
        });
        index.collect()
    };
    let (q, k) = (noise(queries * heads * width, 1), noise(keys * heads * width, 2));
    let (q2, k2) = (side(&q, queries), side(&k, keys));
    let near_to = |data| HeadVectors { data, position: heads * width, head: width };
    let far = |data, positions| HeadVectors { data, position: width, head: positions * width };
    let one = kernel.run(near_to(&q), near_to(&k), near_to(&k), None, None);
    let other = kernel.run(far(&q2, queries), far(&k2, keys), far(&k2, keys), None, None);
    assert_eq!(one, other);
}

use super::*;
use crate::test_data::noise;

const PLAIN: Attention<'static> = Attention {
    heads: 1,
    kv_heads: 1,
    queries: 1,
    keys: 1,
    width: 1,
    scale: 0.7,
    cap: None,
    bias: None,
    visible: Visible::All,
    past: 0,
    beside: None,
    hidden: &[],
};

/// Whether a query sees a token, by the words of [`Visible`].
fn sees(what: &Attention, query: usize, key: usize) -> bool {
    let query = query + what.past;
    match what.visible {
        Visible::All => true,
        Visible::Causal => key <= query,
        Visible::Near { before, after } => key + before >= query && key <= query + after,
        Visible::Groups { size, shift } => (query + shift) / size == (key + shift) / size,
        Visible::Blocks(size) => {
            let (query, key, last) = (query / size, key / size, (what.keys - 1) / size);
            [query, key].iter().any(|block| [0, last].contains(block)) || query.abs_diff(key) <= 1
        }
    }
}

/// What is added to the score of a head's query and key; keys beside the tokens follow them.
fn added(what: &Attention, head: usize, query: usize, key: usize) -> f64 {
    let Attention { queries, keys, .. } = *what;
    if what.hidden.contains(&Hidden { head, query, key }) {
        return f64::NEG_INFINITY;
    }
    let Some(beside) = key.checked_sub(keys) else {
        return match (sees(what, query, key), what.bias) {
            (false, _) => f64::NEG_INFINITY,
            (true, None) => 0.0,
            (true, Some(bias)) => {
                f64::from(bias.lines[head * (queries + keys - 1) + queries - 1 + key - query])
            }
        };
    };
    match what.beside.map(|keys| (keys.count, keys.bias)) {
        Some((count, BesideBias::Blocks { block, lines })) => {
            let own = (query / block).min(count - 1);
            f64::from(lines[head * (2 * count - 1) + count - 1 + beside - own])
        }
        Some((_, BesideBias::Inner { block, bias })) => match query / block {
            own if own == 0 || own == (queries - 1) / block => f64::NEG_INFINITY,
            _ => f64::from(bias),
        },
        _ => 0.0,
    }
}

/// Everything in double precision, pair by pair: the maps of both parts, and what is read.
fn reference(what: &Attention, q: &[f32], k: &[f32], v: &[f32]) -> ([Vec<f64>; 2], Vec<f64>) {
    let Attention { heads, kv_heads, queries, keys, width, .. } = *what;
    let (mut maps, mut out) = ([Vec::new(), Vec::new()], vec![0f64; queries * heads * width]);
    for h in 0..heads {
        let g = h / (heads / kv_heads);
        for i in 0..queries {
            let score = |j: usize| {
                let q = &q[(i * heads + h) * width..][..width];
                let k = &k[(j * kv_heads + g) * width..][..width];
                let dot: f64 = q.iter().zip(k).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
                let s = dot * f64::from(what.scale);
                let s = what.cap.map_or(s, |cap| f64::from(cap) * (s / f64::from(cap)).tanh());
                s + added(what, h, i, j)
            };
            let scores: Vec<f64> = (0..what.all()).map(score).collect();
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

fn near(found: &[f32], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (&found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((f64::from(found) - expected).abs() < 1e-5, "{what} at {i}: {found}, {expected}");
    }
}

/// Sees rows of weights, and puts them where they belong.
struct Seen(std::sync::Mutex<Vec<f32>>, [usize; 2]);

impl Watch for Seen {
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

/// Holds everything that the kernel can be asked for against [`reference`].
fn check(what: &Attention, name: &str) {
    let Attention { heads, kv_heads, queries, width, .. } = *what;
    let q = noise(queries * heads * width, 1);
    let k = noise(what.all() * kv_heads * width, 2);
    let v = noise(what.all() * kv_heads * width, 3);
    let query = Heads { data: &q, position: heads * width, head: width };
    let key = Heads { data: &k, position: kv_heads * width, head: width };
    let value = Heads { data: &v, position: kv_heads * width, head: width };
    let (expected_maps, expected) = reference(what, &q, &k, &v);
    let columns = what.columns();
    let mut maps = columns.map(|columns| vec![MaybeUninit::new(f32::NAN); heads * queries * columns]);
    let wishes = maps.each_mut().map(|maps| Wish { maps: Some(maps), watch: None });
    near(&what.run_all(query, key, value, wishes), &expected, name);
    for (maps, expected) in maps.iter().zip(&expected_maps) {
        // SAFETY: they were numbers before, too.
        let maps: Vec<f32> = maps.iter().map(|v| unsafe { v.assume_init() }).collect();
        near(&maps, expected, &format!("{name}: maps"));
    }
    let seen = columns.map(|columns| Seen(vec![0.0; heads * queries * columns].into(), [queries, columns]));
    let wishes = seen.each_ref().map(|seen| Wish { maps: None, watch: Some(seen) });
    near(&what.run_all(query, key, value, wishes), &expected, name);
    for (Seen(seen, _), expected) in seen.iter().zip(&expected_maps) {
        near(&seen.lock().unwrap(), expected, &format!("{name}: shown"));
    }
    near(&threads::run(1, || what.run(query, key, value, None, None)), &expected, name);
    let (head, rows) = (heads - 1, queries / 3..queries);
    for (part, columns) in [(Part::Tokens, columns[0]), (Part::Beside, columns[1])] {
        let again = what.weights(part, head, rows.clone(), query, key);
        let expected = &expected_maps[part as usize][(head * queries + rows.start) * columns..];
        near(&again, &expected[..rows.len() * columns], &format!("{name}: again"));
        let seen = Seen(vec![0.0; heads * queries * columns].into(), [queries, columns]);
        what.show(part, head, query, key, &seen);
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
        let bias = Some(Diagonals { lines: &lines });
        // One row loses every key but one, another all of them.
        let (last, first) = (queries - 1, usize::from(queries > 1));
        let lost = |query, from| (from..keys).map(move |key| Hidden { head: 0, query, key });
        let hidden: Vec<Hidden> = lost(last, 0).chain(lost(0, first)).collect();
        for (number, what) in [
            Attention { ..PLAIN },
            Attention { visible: Visible::Causal, bias, ..PLAIN },
            Attention { visible: Visible::Near { before: 5, after: 2 }, bias, ..PLAIN },
            Attention { visible: Visible::Groups { size: 7, shift: 3 }, bias, ..PLAIN },
            Attention { visible: Visible::Groups { size: 64, shift: 0 }, ..PLAIN },
            Attention { visible: Visible::Blocks(2), cap: Some(2.0), ..PLAIN },
            Attention { visible: Visible::Blocks(9), bias, ..PLAIN },
            Attention { hidden: &hidden, bias, cap: Some(2.0), ..PLAIN },
            Attention { hidden: &hidden, visible: Visible::Blocks(16), ..PLAIN },
        ]
        .into_iter()
        .enumerate()
        {
            let past = keys.saturating_sub(queries);
            let what = Attention { heads, kv_heads, queries, keys, width, past, ..what };
            check(&what, &format!("{queries}x{keys}x{width}, case {number}"));
        }
    }
}

#[test]
fn keys_beside_the_tokens_share_their_softmax() {
    let (heads, queries, width, count, block) = (2, 75, 16, 9, 9);
    let lines = noise(heads * (2 * queries - 1), 4);
    let by_blocks = noise(heads * (2 * count - 1), 5);
    let hidden = [3, 40, 74, 75, 80].map(|key| Hidden { head: 1, query: 40, key });
    for (number, (visible, bias)) in [
        (Visible::Near { before: 9, after: 9 }, BesideBias::Blocks { block, lines: &by_blocks }),
        (Visible::Near { before: 200, after: 0 }, BesideBias::Blocks { block: 17, lines: &by_blocks }),
        (Visible::Near { before: 0, after: 0 }, BesideBias::None),
        (Visible::Groups { size: 20, shift: 10 }, BesideBias::None),
        (Visible::Causal, BesideBias::None),
        (Visible::Blocks(block), BesideBias::Inner { block, bias: 3f32.ln() }),
    ]
    .into_iter()
    .enumerate()
    {
        let beside = Some(Beside { count, bias });
        let shape = Attention { heads, kv_heads: 1, queries, keys: queries, width, beside, ..PLAIN };
        let what = Attention { visible, bias: Some(Diagonals { lines: &lines }), hidden: &hidden, ..shape };
        check(&what, &format!("case {number}"));
    }
    // A few queries.
    let beside = Some(Beside { count, bias: BesideBias::None });
    check(&Attention { heads, queries: 2, keys: 5, width, beside, kv_heads: 2, ..PLAIN }, "few");
}

#[test]
fn heads_may_lie_side_by_side_or_one_after_another() {
    let (heads, queries, keys, width) = (3, 20, 30, 16);
    let what = Attention { heads, kv_heads: heads, queries, keys, width, ..PLAIN };
    let side = |data: &[f32], positions: usize| -> Vec<f32> {
        let index = (0..heads * positions * width).map(|i| {
            let (h, p, d) = (i / (positions * width), i / width % positions, i % width);
            data[(p * heads + h) * width + d]
        });
        index.collect()
    };
    let (q, k) = (noise(queries * heads * width, 1), noise(keys * heads * width, 2));
    let (q2, k2) = (side(&q, queries), side(&k, keys));
    let near_to = |data| Heads { data, position: heads * width, head: width };
    let far = |data, positions| Heads { data, position: width, head: positions * width };
    let one = what.run(near_to(&q), near_to(&k), near_to(&k), None, None);
    let other = what.run(far(&q2, queries), far(&k2, keys), far(&k2, keys), None, None);
    assert_eq!(one, other);
}

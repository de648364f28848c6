use super::*;
use crate::nn::kernels::test::noise;

struct Case {
    heads: usize,
    kv_heads: usize,
    queries: usize,
    keys: usize,
    width: usize,
}

/// Everything in double precision, pair by pair.
fn reference(what: &Attention, q: &[f32], k: &[f32], v: &[f32]) -> (Vec<f64>, Vec<f64>) {
    let Attention { heads, kv_heads, queries, keys, width, .. } = *what;
    let (mut maps, mut out) = (Vec::new(), vec![0f64; queries * heads * width]);
    for h in 0..heads {
        let g = h / (heads / kv_heads);
        for i in 0..queries {
            let score = |j: usize| {
                let q = &q[(i * heads + h) * width..][..width];
                let k = &k[(j * kv_heads + g) * width..][..width];
                let dot: f64 = q.iter().zip(k).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
                let mut s = dot * f64::from(what.scale);
                if let Some(cap) = what.cap {
                    s = f64::from(cap) * (s / f64::from(cap)).tanh();
                }
                if let Some(bias) = what.bias {
                    s += f64::from(bias.lines[h * (queries + keys - 1) + queries - 1 + j - i]);
                }
                match what.visible {
                    Visible::All => s,
                    Visible::Causal { past } if j > i + past => f64::NEG_INFINITY,
                    Visible::Causal { .. } => s,
                    Visible::Near { past, before, after }
                        if j + before < i + past || j > i + past + after =>
                    {
                        f64::NEG_INFINITY
                    }
                    Visible::Near { .. } => s,
                    Visible::Table(table) => s + f64::from(table[i * keys + j]),
                }
            };
            let scores: Vec<f64> = (0..keys).map(score).collect();
            let max = scores.iter().copied().fold(f64::MIN, f64::max);
            let e: Vec<f64> = scores.iter().map(|s| (s - max).exp()).collect();
            let total: f64 = e.iter().sum();
            for (j, e) in e.iter().enumerate() {
                let weight = if total == 0.0 { 0.0 } else { e / total };
                maps.push(weight);
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

#[test]
fn all_shapes_and_masks_match_double_precision() {
    for Case { heads, kv_heads, queries, keys, width } in [
        Case { heads: 2, kv_heads: 2, queries: 1, keys: 1, width: 4 },
        Case { heads: 2, kv_heads: 1, queries: 3, keys: 40, width: 64 },
        Case { heads: 1, kv_heads: 1, queries: 2, keys: 70, width: 100 },
        Case { heads: 3, kv_heads: 3, queries: 9, keys: 9, width: 8 },
        Case { heads: 4, kv_heads: 2, queries: 50, keys: 77, width: 33 },
        Case { heads: 2, kv_heads: 2, queries: 200, keys: 200, width: 64 },
    ] {
        let q = noise(queries * heads * width, 1);
        let k = noise(keys * kv_heads * width, 2);
        let v = noise(keys * kv_heads * width, 3);
        let lines = noise(heads * (queries + keys - 1), 4);
        let hidden = |i: usize| if i % 3 == 1 || i < keys { f32::NEG_INFINITY } else { 0.25 };
        let table: Vec<f32> = (0..queries * keys).map(hidden).collect();
        let past = keys.saturating_sub(queries);
        for (visible, bias, cap) in [
            (Visible::All, None, None),
            (Visible::Causal { past }, Some(Diagonals { lines: &lines }), None),
            (Visible::Near { past, before: 5, after: 2 }, Some(Diagonals { lines: &lines }), None),
            (Visible::Table(&table), Some(Diagonals { lines: &lines }), Some(2.0)),
        ] {
            let what = Attention {
                heads,
                kv_heads,
                queries,
                keys,
                width,
                scale: 0.7,
                cap,
                bias,
                visible,
                beside: None,
                hidden: &[],
            };
            let query = Heads { data: &q, position: heads * width, head: width };
            let key = Heads { data: &k, position: kv_heads * width, head: width };
            let value = Heads { data: &v, position: kv_heads * width, head: width };
            let (expected_maps, expected) = reference(&what, &q, &k, &v);
            let mut maps = vec![MaybeUninit::new(f32::NAN); heads * queries * keys];
            let name = format!("{queries}x{keys}x{width}");
            near(&what.run(query, key, value, Some(&mut maps), None), &expected, &name);
            // SAFETY: they were numbers before, too.
            let maps: Vec<f32> = maps.iter().map(|v| unsafe { v.assume_init() }).collect();
            near(&maps, &expected_maps, &name);
            let alone = threads::run(1, || what.run(query, key, value, None, None));
            near(&alone, &expected, &name);
        }
    }
}

#[test]
fn heads_may_lie_side_by_side_or_one_after_another() {
    let (heads, queries, keys, width) = (3, 20, 30, 16);
    let what = Attention {
        heads,
        kv_heads: heads,
        queries,
        keys,
        width,
        scale: 1.0,
        cap: None,
        bias: None,
        visible: Visible::All,
        beside: None,
        hidden: &[],
    };
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

#[test]
fn summaries_beside_the_tokens_are_keys_with_a_bias_by_blocks() {
    let (queries, width, count, block) = (75, 16, 4, 17);
    let all = queries + count;
    let (q, k, v) = (noise(queries * width, 1), noise(all * width, 2), noise(all * width, 3));
    let lines = noise(2 * queries - 1, 4);
    let blocks = noise(2 * count - 1, 5);
    let by_rows = |data| Heads { data, position: width, head: width };
    for (before, after) in [(9, 9), (200, 0), (0, 0)] {
        let local = Attention {
            heads: 1,
            kv_heads: 1,
            queries,
            keys: queries,
            width,
            scale: 0.3,
            cap: None,
            bias: Some(Diagonals { lines: &lines }),
            visible: Visible::Near { past: 0, before, after },
            beside: Some(Beside { count, block, lines: &blocks }),
            hidden: &[],
        };
        let added = |i: usize, j: usize| match j.checked_sub(queries) {
            Some(summary) => blocks[count - 1 + summary - (i / block).min(count - 1)],
            None if j + before < i || j > i + after => f32::NEG_INFINITY,
            None => lines[queries - 1 + j - i],
        };
        let table: Vec<f32> = (0..queries * all).map(|at| added(at / all, at % all)).collect();
        let visible = Visible::Table(&table);
        let whole = Attention { keys: all, bias: None, beside: None, visible, ..local };
        let mut maps = vec![MaybeUninit::new(f32::NAN); queries * queries];
        let mut all_maps = vec![MaybeUninit::new(f32::NAN); queries * all];
        let found = local.run(by_rows(&q), by_rows(&k), by_rows(&v), Some(&mut maps), None);
        let expected = whole.run(by_rows(&q), by_rows(&k), by_rows(&v), Some(&mut all_maps), None);
        let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
        near(&found, &wide(&expected), "what is read");
        // SAFETY: they were numbers before, too.
        let read = |maps: &[MaybeUninit<f32>]| -> Vec<f32> {
            maps.iter().map(|v| unsafe { v.assume_init() }).collect()
        };
        let (maps, all_maps) = (read(&maps), read(&all_maps));
        let tokens: Vec<f32> = all_maps.chunks(all).flat_map(|row| &row[..queries]).copied().collect();
        near(&maps, &wide(&tokens), "maps");
        for rows in [0..queries, 3..4, 40..75] {
            let again = local.weights(0, rows.clone(), by_rows(&q), by_rows(&k));
            near(&again, &wide(&maps[rows.start * queries..rows.end * queries]), "again");
        }
    }
}

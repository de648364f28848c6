//! Analyses agree with numpy (`tests/fixtures/make_analysis.py`) and stay within their bounds on random maps.

use attn_tui::analysis::align::{Agreement, Alignment, Convention, Gold, hard_alignment};
use attn_tui::analysis::alti::{alti, alti_plus};
use attn_tui::analysis::merge::{self, Merge};
use attn_tui::analysis::metrics::{HeadMetrics, head_metrics};
use attn_tui::analysis::{MapAxes, knockout, similarity};
use attn_tui::axis::{AxisItem, PixelBox};
use attn_tui::matrix::Matrix;
use attn_tui::site::Kind;
use proptest::prelude::*;
use serde_json::Value;

fn fixture() -> Value {
    serde_json::from_str(include_str!("../fixtures/analysis.json")).unwrap()
}

fn floats(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

fn size(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

fn tokens(ids: &Value, special: Option<&Value>) -> Vec<AxisItem> {
    let ids = ids.as_array().unwrap().iter();
    ids.enumerate()
        .map(|(at, id)| {
            AxisItem::token(
                id.as_u64().unwrap() as u32,
                if id == 0 { ",".into() } else { id.to_string() },
                special.is_some_and(|special| special[at].as_bool().unwrap()),
            )
        })
        .collect()
}

/// Splits an array `[count, rows, cols]` into its maps.
fn maps(value: &Value, rows: usize, cols: usize) -> Vec<Matrix> {
    floats(value).chunks(rows * cols).map(|data| Matrix::new(rows, cols, data.to_vec())).collect()
}

fn assert_near(ours: &[f32], theirs: &[f32], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert!((ours - theirs).abs() <= 1e-5, "{what}: {ours}, numpy says {theirs}");
    }
}

#[test]
fn head_metrics_agree_with_numpy() {
    for (at, case) in fixture()["metrics"].as_array().unwrap().iter().enumerate() {
        let (rows, cols) = (size(&case["rows"]), size(&case["cols"]));
        let map = Matrix::new(rows, cols, floats(&case["map"]));
        let queries = tokens(&case["queries"], None);
        let keys = tokens(&case["keys"], Some(&case["special"]));
        let context = MapAxes::new(case["kind"].as_str().unwrap().parse().unwrap(), &queries, &keys);
        let ours = head_metrics(&map, &context, case["far"].as_f64().unwrap() as f32);
        for column in HeadMetrics::COLUMNS {
            let (ours, theirs) = (ours.get(column.name), case["expected"][column.name].as_f64());
            match (ours, theirs) {
                (Some(ours), Some(theirs)) => {
                    let gap = (f64::from(ours) - theirs).abs();
                    assert!(gap <= 1e-5, "case {at}, {}: {ours}, numpy says {theirs}", column.name);
                }
                _ => assert_eq!(ours.is_some(), theirs.is_some(), "case {at}, {}", column.name),
            }
        }
    }
}

#[test]
fn metrics_of_pictures_agree_with_numpy() {
    for (at, case) in fixture()["pictures"].as_array().unwrap().iter().enumerate() {
        let [columns, rows, queries] = ["columns", "rows", "queries"].map(|name| size(&case[name]));
        let patch = |at: usize| {
            let [x, y] = [at % columns * 10, at / columns * 20].map(|at| at as f64);
            AxisItem::patch(PixelBox { x, y, w: 10.0, h: 20.0 })
        };
        let keys: Vec<AxisItem> =
            [AxisItem::class("[CLS]")].into_iter().chain((0..columns * rows).map(patch)).collect();
        let kind: Kind = case["kind"].as_str().unwrap().parse().unwrap();
        let tokens: Vec<AxisItem> = (0..queries).map(|id| AxisItem::token(id as u32, "x", false)).collect();
        let context = MapAxes::new(kind, if kind == Kind::Encoder { &keys } else { &tokens }, &keys);
        let map = Matrix::new(queries, keys.len(), floats(&case["map"]));
        let ours = head_metrics(&map, &context, case["far"].as_f64().unwrap() as f32);
        for (name, theirs) in case["expected"].as_object().unwrap() {
            match (ours.get(name), theirs.as_f64()) {
                (Some(ours), Some(theirs)) => {
                    let gap = (f64::from(ours) - theirs).abs();
                    assert!(
                        gap <= 1e-4 * theirs.abs().max(1.0),
                        "case {at}, {name}: {ours}, numpy says {theirs}"
                    );
                }
                (ours, theirs) => assert_eq!(ours.is_some(), theirs.is_some(), "case {at}, {name}"),
            }
        }
    }
}

#[test]
fn rollouts_agree_with_numpy() {
    for name in ["rollout", "rollout_uneven"] {
        let case = &fixture()[name];
        let (source, target) = (size(&case["source"]), size(&case["target"]));
        let residual = case["residual"].as_f64().unwrap() as f32;
        let heads = size(&case["heads"]);
        let layers = |kind: &str, rows, cols| -> Vec<Matrix> {
            let maps = maps(&case[kind], rows, cols);
            maps.chunks(heads).map(|heads| merge::merge(heads, Merge::Mean).unwrap()).collect()
        };
        let encoder = merge::rollout(&layers("encoder", source, source), residual).unwrap();
        assert_near(encoder.as_slice(), &floats(&case["encoder_rollout"]), "encoder rollout");
        let (own, cross) = (layers("decoder", target, target), layers("cross", target, source));
        let both = merge::cross_rollout(&encoder, &own, &cross, residual).unwrap();
        assert_near(both.source.as_slice(), &floats(&case["source_rollout"]), "source rollout");
        assert_near(both.prefix.as_slice(), &floats(&case["prefix_rollout"]), "prefix rollout");
        for (t, share) in both.source_shares().into_iter().enumerate() {
            let prefix: f32 = both.prefix.row(t).iter().sum();
            assert!((share + prefix - 1.0).abs() < 1e-5, "row {t} sums to {}", share + prefix);
        }
        let heads = maps(&case["cross"], target, source);
        let divergence = similarity::divergence(&heads[0], &heads[1]).unwrap();
        assert_near(&[divergence], &[case["divergence"].as_f64().unwrap() as f32], "divergence");
    }
}

#[test]
fn likeness_groups_and_merged_maps_agree_with_numpy() {
    let case = &fixture()["similar"];
    let (rows, cols) = (size(&case["rows"]), size(&case["cols"]));
    let maps: Vec<Matrix> =
        case["maps"].as_array().unwrap().iter().map(|map| Matrix::new(rows, cols, floats(map))).collect();
    let distances = similarity::divergences(&maps).unwrap();
    assert_near(distances.as_slice(), &floats(&case["distances"]), "divergences");
    for (count, groups) in case["groups"].as_object().unwrap() {
        let theirs: Vec<usize> = groups.as_array().unwrap().iter().map(size).collect();
        assert_eq!(similarity::cluster(&distances, count.parse().unwrap()), theirs, "{count} groups");
    }
    for (how, name) in [(Merge::Mean, "mean"), (Merge::Max, "max")] {
        assert_near(merge::merge(&maps, how).unwrap().as_slice(), &floats(&case[name]), name);
    }
}

#[test]
fn effects_agree_with_numpy() {
    let case = &fixture()["effects"];
    let (rows, cols) = (size(&case["rows"]), size(&case["vocabulary"]));
    let scores = |name: &str| Matrix::new(rows, cols, floats(&case[name]));
    let target: Vec<u32> = case["target"].as_array().unwrap().iter().map(|id| size(id) as u32).collect();
    let effect = knockout::effect(&scores("scores_before"), &scores("scores_after"), &target).unwrap();
    assert_near(&effect.before, &floats(&case["before"]), "before");
    assert_near(&effect.after, &floats(&case["after"]), "after");
    assert_near(&effect.divergence, &floats(&case["divergence"]), "divergence");
    assert_eq!(effect.changed(), size(&case["changed"]));
}

/// Generates a map whose rows sum to 1 over their visible keys, with its axes.
fn any_map() -> impl Strategy<Value = (Kind, Matrix, Vec<AxisItem>, Vec<AxisItem>)> {
    let shape = (0usize..3, 1usize..14, 1usize..14, any::<u64>());
    shape.prop_map(|(kind, rows, cols, seed)| {
        let kind = Kind::ALL[kind];
        let cols = if kind == Kind::Cross { cols } else { rows };
        let mut state = seed | 1;
        let mut next = move || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as u32
        };
        let mut axis = |len| -> Vec<AxisItem> {
            (0..len).map(|_| AxisItem::token(next() % 5, "x", next() % 4 == 0)).collect()
        };
        let keys = axis(cols);
        let queries = if kind == Kind::Cross { axis(rows) } else { keys.clone() };
        let context = MapAxes::new(kind, &queries, &keys);
        let mut data = vec![0.0; rows * cols];
        for (i, row) in data.chunks_mut(cols).enumerate() {
            let seen = &mut row[context.visible(i)];
            seen.fill_with(|| 1.0 + (next() % 1000) as f32);
            let sum: f32 = seen.iter().sum();
            seen.iter_mut().for_each(|weight| *weight /= sum);
        }
        (kind, Matrix::new(rows, cols, data), queries, keys)
    })
}

proptest! {
    #[test]
    fn metrics_keep_their_bounds((kind, map, queries, keys) in any_map(), far in 0f32..10.0) {
        let context = MapAxes::new(kind, &queries, &keys);
        let metrics = head_metrics(&map, &context, far);
        let most = map.cols() as f32;
        for column in HeadMetrics::COLUMNS {
            let Some(value) = metrics.get(column.name) else { continue };
            let (low, high) = match column.name {
                "entropy" => (0.0, most.ln()),
                "effective_keys" => (1.0, most),
                "mean_distance" | "span90" => (0.0, most.max(1.0)),
                "far_ratio" | "local_ratio" => (0.0, f32::INFINITY),
                "offset" => (-most, most),
                "sink_key" => (0.0, most - 1.0),
                _ => (0.0, 1.0),
            };
            prop_assert!(value >= low - 1e-5 && value <= high + 1e-5, "{}: {value}", column.name);
        }
        prop_assert_eq!(metrics.monotonicity.is_some(), kind == Kind::Cross && map.rows() > 1);
        prop_assert_eq!(metrics.previous.is_some(), kind != Kind::Cross);
    }

    #[test]
    fn merged_and_rolled_out_rows_sum_to_one((kind, map, _, _) in any_map(), residual in 0f32..=1.0) {
        let sums = |map: &Matrix| -> Vec<f32> { (0..map.rows()).map(|i| map.row(i).iter().sum()).collect() };
        let one = |sums: Vec<f32>| sums.iter().all(|sum| (sum - 1.0).abs() < 1e-5);
        let turned = Matrix::from_fn(map.rows(), map.cols(), |i, j| map.row(i)[map.cols() - 1 - j]);
        prop_assert!(one(sums(&merge::merge(&[map.clone(), turned.clone()], Merge::Mean).unwrap())));
        let most = sums(&merge::merge(&[map.clone(), turned.clone()], Merge::Max).unwrap());
        prop_assert!(most.iter().all(|sum| (1.0 - 1e-5..=2.0 + 1e-5).contains(sum)));
        if kind == Kind::Cross {
            return Ok(());
        }
        let layers = [map.clone(), turned.clone()];
        let below = merge::rollout(&layers, residual).unwrap();
        prop_assert!(one(sums(&below)));
        prop_assert!(one(sums(&alti(&layers).unwrap())));
        // used as a cross map of one key fewer, with the last column as the residual's
        let both = merge::cross_rollout(&below, &layers, &layers, residual).unwrap();
        let prefix = sums(&both.prefix);
        prop_assert!(one(both.source_shares().iter().zip(&prefix).map(|(a, b)| a + b).collect()));
        if map.cols() > 1 {
            let encoder = Matrix::from_fn(map.cols() - 1, map.cols() - 1, |i, j| if i == j { 1.0 } else { 0.0 });
            let both = alti_plus(&encoder, &layers, &layers).unwrap();
            let prefix = sums(&both.prefix);
            prop_assert!(one(both.source_shares().iter().zip(&prefix).map(|(a, b)| a + b).collect()));
        }
    }

    #[test]
    fn alignments_keep_their_bounds((_, map, queries, keys) in any_map(), one_more in 0usize..5) {
        let words = |tokens: &[AxisItem]| -> Vec<Option<usize>> {
            tokens.iter().enumerate().map(|(at, token)| (!token.special).then_some(at)).collect()
        };
        for convention in Convention::ALL {
            let found = hard_alignment(&map, &words(&keys), &words(&queries), convention);
            for &(source, target) in &found.0 {
                prop_assert!(!keys[source].special && !queries[target].special);
            }
            prop_assert!(found.0.len() <= map.rows());
            let mut agreement = Agreement::default();
            let gold = Gold { sure: found.0.clone(), possible: found.0.clone() };
            agreement.add(&found, &gold);
            prop_assert!(agreement.error_rate().is_none_or(|rate| rate == 0.0));
            agreement.add(&Alignment([(one_more, 99)].into()), &gold);
            prop_assert!(agreement.error_rate().is_some_and(|rate| (0.0..=1.0).contains(&rate)));
        }
    }

    #[test]
    fn divergence_is_bounded_and_symmetric((_, map, _, _) in any_map()) {
        let turned = Matrix::from_fn(map.rows(), map.cols(), |i, j| map.row(i)[map.cols() - 1 - j]);
        let there = similarity::divergence(&map, &turned).unwrap();
        let back = similarity::divergence(&turned, &map).unwrap();
        prop_assert!((there - back).abs() < 1e-6);
        prop_assert!((0.0..=std::f32::consts::LN_2 + 1e-6).contains(&there));
    }
}

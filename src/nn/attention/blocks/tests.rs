use attn_tui_kernels::attention::{
    DiagonalBias, ExtraColumns, ExtraColumnsBias, HeadVectors, MaskedPair, Visible,
};
use attn_tui_kernels::buffer::ArcBuilder;
use attn_tui_kernels::test_data::noise;
use candle_core::Device;

use super::*;

/// Holds maps, and what is read, against the kernel's, by blocks of a few rows and all at once.
fn check(what: &AttentionKernel, name: &str) {
    let AttentionKernel { heads, kv_heads, queries, width, .. } = *what;
    let columns = what.columns();
    let all = columns[0] + columns[1];
    let q = noise(queries * heads * width, 1);
    let k = noise(all * kv_heads * width, 2);
    let v = noise(all * kv_heads * width, 3);
    let by = |data, heads: usize| HeadVectors { data, position: heads * width, head: width };
    let tensor = |data: &[f32], positions: usize, own: usize| {
        let split = Tensor::from_slice(data, (1, positions, own, 1, width), &Device::Cpu).unwrap();
        let shared = split.expand((1, positions, own, heads / own, width)).unwrap();
        let by_head = shared.reshape((1, positions, heads, width)).unwrap().transpose(1, 2).unwrap();
        by_head.contiguous().unwrap()
    };
    let by_head = [tensor(&q, queries, heads), tensor(&k, all, kv_heads), tensor(&v, all, kv_heads)];
    let empty = || columns.map(|columns| ArcBuilder::new(heads * queries * columns));
    let mut expected_maps = empty();
    let sinks = expected_maps.each_mut().map(|maps| WeightSink { maps: Some(maps), observer: None });
    let expected = what.run_all(by(&q, heads), by(&k, kv_heads), by(&v, kv_heads), sinks);
    let expected_maps = expected_maps.map(ArcBuilder::finish);
    for rows in [1, 7, 64, 512] {
        let mut maps = empty();
        let sinks = maps.each_mut().map(|maps| WeightSink { maps: Some(maps), observer: None });
        let context = run_by(what, &by_head, sinks, rows).unwrap().transpose(1, 2).unwrap();
        let context = context.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        near(&context, &expected, &format!("{name}, {rows} rows"));
        for (maps, expected) in maps.into_iter().zip(&expected_maps) {
            near(&maps.finish(), expected, &format!("{name}, {rows} rows: maps"));
        }
    }
}

fn near(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() < 1e-5, "{what} at {i}: {found}, {expected}");
    }
}

#[test]
fn blocks_of_rows_give_the_kernels_numbers() {
    let (heads, kv_heads, queries, width, count, block) = (4, 2, 75, 16, 9, 9);
    let by_blocks = noise(heads * (2 * count - 1), 5);
    let masked = [3, 40, 74, 75, 80].map(|key| MaskedPair { head: 1, query: 40, key });
    let plain = ExtraColumnsBias::None;
    let summaries = ExtraColumnsBias::Blocks { block, lines: &by_blocks };
    let inner = ExtraColumnsBias::Inner { block, bias: 3f32.ln() };
    for (number, (visible, keys, bias)) in [
        (Visible::All, queries, None),
        (Visible::Causal, queries + 20, None),
        (Visible::Near { before: 5, after: 2 }, queries, None),
        (Visible::Near { before: 0, after: 0 }, queries, Some(plain)),
        (Visible::Groups { size: 20, shift: 10 }, queries, Some(plain)),
        (Visible::Near { before: 9, after: 9 }, queries, Some(summaries)),
        (Visible::Blocks(block), queries, Some(inner)),
        (Visible::Near { before: 2, after: 0 }, 30, None),
    ]
    .into_iter()
    .enumerate()
    {
        let lines = noise(heads * (queries + keys - 1), 4);
        let what = AttentionKernel {
            heads,
            kv_heads,
            queries,
            keys,
            width,
            scale: 0.7,
            softcap: (number % 2 == 1).then_some(2.0),
            bias: Some(DiagonalBias { lines: &lines }),
            visible,
            past: keys.saturating_sub(queries),
            extra: bias.map(|bias| ExtraColumns { count, bias }),
            masked: &masked,
        };
        check(&what, &format!("case {number}"));
    }
}

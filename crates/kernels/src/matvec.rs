//! Selected outputs of a matrix-vector product.

use super::packed::Packed;
use super::simd::dispatch;
use super::simd::element::{Elements, for_elements};
use super::threads;
use super::tile::{PANEL, PanelProduct};

/// Computes the outputs `wanted` (ascending) of `x Wᵀ + bias` for one row `x`, bit for bit as
/// [`super::gemm::multiply`] does. Reads only the panels that hold them.
///
/// # Panics
/// If the lengths do not fit, or an output is out of range.
pub fn selected(x: &[f32], weight: &Packed, bias: Option<&[f32]>, wanted: &[usize]) -> Vec<f32> {
    let (inputs, outputs) = (weight.inputs(), weight.outputs());
    assert!(x.len() == inputs && bias.is_none_or(|bias| bias.len() == outputs));
    assert!(wanted.iter().all(|&output| output < outputs));
    let mut panels: Vec<usize> = wanted.iter().map(|output| output / PANEL).collect();
    panels.dedup();
    let fill = |out: threads::SharedPtr| {
        threads::for_each(panels.len(), panels.len() * inputs * PANEL, |task| {
            let column = panels[task] * PANEL;
            // SAFETY: every task writes its own `PANEL` values of the output; `x` has `inputs` values, the
            // panel `inputs * PANEL`, and the bias those of its columns.
            unsafe {
                let out = out.at(task * PANEL);
                std::ptr::write_bytes(out, 0, PANEL);
                for_elements!(Elements, weight.panels(panels[task]), panel => {
                    dispatch(PanelProduct {
                        rows: 1,
                        depth: inputs,
                        columns: PANEL.min(outputs - column),
                        // A single row in packed form is the row itself.
                        left: x.as_ptr(),
                        panels: panel.as_ptr(),
                        panel_stride: 0,
                        bias: bias.map_or(std::ptr::null(), |bias| bias.as_ptr().add(column)),
                        activation: None,
                        accumulate: false,
                        out,
                        out_stride: PANEL,
                    });
                });
            }
        });
    };
    // SAFETY: the tasks write all panels, each zero-filled first.
    let values = unsafe { threads::filled_vec(panels.len() * PANEL, fill) };
    let mut panel = 0;
    let value = |&output: &usize| {
        while panels[panel] != output / PANEL {
            panel += 1;
        }
        values[panel * PANEL + output % PANEL]
    };
    wanted.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gemm::multiply;
    use crate::test_data::noise;

    #[test]
    fn some_outputs_are_those_of_the_whole_product() {
        let (inputs, outputs) = (150, 300);
        let (x, bias) = (noise(inputs, 1), noise(outputs, 2));
        let weight = Packed::new(&noise(inputs * outputs, 3), outputs, inputs);
        for bias in [None, Some(&bias[..])] {
            let whole = multiply(&x, &weight, bias, None);
            for wanted in [vec![], vec![0], vec![31, 32, 299], (0..outputs).collect()] {
                let expected: Vec<f32> = wanted.iter().map(|&output: &usize| whole[output]).collect();
                assert_eq!(selected(&x, &weight, bias, &wanted), expected);
            }
        }
    }
}

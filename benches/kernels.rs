//! The CPU kernels by themselves: `cargo bench --bench kernels`. Each figure is the median of many runs, and
//! its share of what the multipliers reach from registers right before it: machines throttle and have
//! neighbours.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use attn_tui::analysis::profile::{ProfileAxes, SiteProfiles};
use attn_tui::site::Kind;
use attn_tui_kernels::activation::{Function, apply};
use attn_tui_kernels::attention::{AttentionKernel, DiagonalBias, HeadVectors, Visible};
use attn_tui_kernels::buffer::ArcBuilder;
use attn_tui_kernels::gemm::multiply;
use attn_tui_kernels::norm::{layer_norm, rms_norm};
use attn_tui_kernels::packed::Packed;
use attn_tui_kernels::{simd, threads};

/// Median seconds of a run.
fn time(runs: usize, mut run: impl FnMut()) -> f64 {
    run();
    let once = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    };
    let mut all: Vec<f64> = (0..runs).map(|_| once(&mut run)).collect();
    all.sort_by(f64::total_cmp);
    all[runs / 2]
}

/// GFLOP/s that the multipliers of all threads reach from registers.
fn reachable() -> f64 {
    const STEPS: u64 = 100_000;
    let seconds = time(5, || {
        black_box(fma::operations_done(STEPS));
    });
    fma::operations(STEPS) / seconds / 1e9 * rayon::current_num_threads() as f64
}

fn products() {
    let shapes = [
        (1, 512, 2048),
        (32, 512, 512),
        (128, 512, 2048),
        (512, 512, 512),
        (512, 512, 2048),
        (512, 2048, 512),
    ];
    for (rows, inputs, outputs) in shapes {
        let packed = Packed::new(&vec![0.5; outputs * inputs], outputs, inputs);
        let x = vec![0.25; rows * inputs];
        let best = reachable();
        let seconds = time(21, || drop(black_box(multiply(&x, &packed, None, None))));
        let rate = 2.0 * (rows * inputs * outputs) as f64 / seconds / 1e9;
        println!(
            "product {rows}x{inputs}x{outputs}: {:.3} ms, {rate:.0} GFLOP/s, {:.2}",
            seconds * 1e3,
            rate / best
        );
    }
}

fn attention() {
    let (heads, width) = (8, 64);
    for (queries, keys) in [(1, 512), (128, 128), (512, 512), (512, 2048), (2048, 2048)] {
        let q = vec![0.1; queries * heads * width];
        let k = vec![0.1; keys * heads * width];
        let lines = vec![0.1; heads * (queries + keys - 1)];
        let attention = AttentionKernel {
            heads,
            kv_heads: heads,
            queries,
            keys,
            width,
            scale: 1.0,
            softcap: None,
            bias: Some(DiagonalBias { lines: &lines }),
            visible: Visible::All,
            past: 0,
            extra: None,
            masked: &[],
        };
        let side = |data| HeadVectors { data, position: heads * width, head: width };
        let mut maps = ArcBuilder::new(heads * queries * keys);
        let plain = time(11, || drop(black_box(attention.run(side(&q), side(&k), side(&k), None, None))));
        let kept = time(11, || {
            maps.clear();
            drop(black_box(attention.run(side(&q), side(&k), side(&k), Some(&mut maps), None)));
        });
        let axes = Arc::new(ProfileAxes::new(Kind::Cross, [queries, keys], &[]));
        let watched = time(11, || {
            let profiles = SiteProfiles::new(Arc::clone(&axes), heads);
            drop(black_box(attention.run(side(&q), side(&k), side(&k), None, Some(&profiles))));
        });
        println!(
            "attention {queries}x{keys}: {:.3} ms, with maps {:.3} ms, with profiles {:.3} ms",
            plain * 1e3,
            kept * 1e3,
            watched * 1e3
        );
    }
}

fn elements() {
    for function in [Function::Relu, Function::Gelu, Function::GeluTanh, Function::Silu] {
        let mut x = vec![0.3f32; 1 << 20];
        let seconds = time(21, || apply(function, &mut x));
        println!("{function:?} of 2^20: {:.3} ms", seconds * 1e3);
    }
    let (x, weight) = (vec![0.3f32; 1 << 20], vec![1f32; 512]);
    let layer = time(21, || drop(black_box(layer_norm(&x, &weight, &weight, 1e-5))));
    let rms = time(21, || drop(black_box(rms_norm(&x, &weight, 1e-5))));
    println!("layer norm of 2^20: {:.3} ms, RMS norm {:.3} ms", layer * 1e3, rms * 1e3);
}

/// Measures the machine's peak rates on `count` threads at once: multiply-adds from registers, memory reads and
/// writes. Prints one line of JSON, for benches/peers/run.py.
fn roofline(count: usize) {
    let rate = |work: f64, run: &(dyn Fn() + Sync)| {
        let best = (0..5)
            .map(|_| {
                let start = Instant::now();
                std::thread::scope(|scope| {
                    for _ in 0..count {
                        scope.spawn(run);
                    }
                });
                start.elapsed().as_secs_f64()
            })
            .fold(f64::INFINITY, f64::min);
        work * count as f64 / best / 1e9
    };
    const STEPS: u64 = 20_000_000;
    let flops = fma::operations(1);
    let fma = rate(STEPS as f64 * flops, &|| {
        black_box(fma::operations_done(STEPS));
    });
    const VALUES: usize = 1 << 25;
    let memory = vec![1f32; VALUES];
    let read = rate(4.0 * VALUES as f64, &|| {
        let sum = memory.chunks_exact(32).fold([0f32; 32], |mut sum, part| {
            sum.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
            sum
        });
        black_box(sum);
    });
    println!(
        "{{\"fma_gflops\": {fma:.1}, \"read_gb_s\": {read:.1}, \"kernels\": \"{}\"}}",
        simd::level().name()
    );
}

/// Multiply-adds that never leave the registers.
#[allow(unsafe_code, reason = "instruction sets are chosen at run time")]
mod fma {
    /// Operations of `steps` steps, a multiply-add being two.
    pub fn operations(steps: u64) -> f64 {
        let lanes = if cfg!(target_arch = "x86_64") && wide() { 16.0 } else { 8.0 };
        steps as f64 * 2.0 * 12.0 * lanes
    }

    #[cfg(target_arch = "x86_64")]
    fn wide() -> bool {
        std::is_x86_feature_detected!("avx512f")
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn wide() -> bool {
        false
    }

    /// Does them.
    #[cfg(target_arch = "x86_64")]
    pub fn operations_done(steps: u64) -> f32 {
        use std::arch::x86_64::*;

        #[target_feature(enable = "avx512f")]
        fn run512(steps: u64) -> f32 {
            let (a, b) = (_mm512_set1_ps(0.999), _mm512_set1_ps(1e-6));
            let mut sums = [_mm512_set1_ps(1.0); 12];
            for _ in 0..steps {
                for sum in &mut sums {
                    *sum = _mm512_fmadd_ps(*sum, a, b);
                }
            }
            sums.into_iter().map(|sum| _mm512_reduce_add_ps(sum)).sum()
        }

        #[target_feature(enable = "avx2,fma")]
        fn run256(steps: u64) -> f32 {
            let (a, b) = (_mm256_set1_ps(0.999), _mm256_set1_ps(1e-6));
            let mut sums = [_mm256_set1_ps(1.0); 12];
            for _ in 0..steps {
                for sum in &mut sums {
                    *sum = _mm256_fmadd_ps(*sum, a, b);
                }
            }
            sums.into_iter().map(|sum| _mm256_cvtss_f32(sum)).sum()
        }

        // SAFETY: only what the machine has is called.
        unsafe {
            if wide() {
                run512(steps)
            } else if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
                run256(steps)
            } else {
                plain(steps)
            }
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    pub fn operations_done(steps: u64) -> f32 {
        plain(steps)
    }

    fn plain(steps: u64) -> f32 {
        let mut sums = [[1f32; 8]; 12];
        for _ in 0..steps {
            for value in sums.as_flattened_mut() {
                *value = *value * 0.999 + 1e-6;
            }
        }
        sums.as_flattened().iter().sum()
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--roofline") {
        let count = arguments.get(at + 1).and_then(|count| count.parse().ok());
        return roofline(count.unwrap_or_else(threads::default_count));
    }
    for count in [1, threads::default_count()] {
        threads::run(count, || {
            println!("# {count} threads, {}", simd::level().name());
            products();
            attention();
            elements();
        });
    }
}

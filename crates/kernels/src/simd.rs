//! Vectors of `f32` behind one trait, and the choice among instruction sets while the program runs.
//!
//! A kernel is written once, as a `Task` generic over `Simd`; `dispatch` compiles it for each
//! instruction set and calls the best one that the machine has.

use std::sync::OnceLock;

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Whatever the target has without being asked.
    Baseline,
    /// 128-bit vectors of 64-bit ARM.
    Neon,
    /// 256-bit vectors with fused multiply-add.
    Avx2,
    /// 512-bit vectors.
    Avx512,
}

impl Level {
    /// Its name as shown to the user.
    pub fn name(self) -> &'static str {
        match self {
            Level::Baseline => "baseline",
            Level::Neon => "neon",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }

    fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
            let wide = std::is_x86_feature_detected!("avx512f");
            return if wide { Level::Avx512 } else { Level::Avx2 };
        }
        if cfg!(all(target_arch = "aarch64", target_endian = "little")) {
            Level::Neon
        } else {
            Level::Baseline
        }
    }

    /// Those that this machine can run, the slowest first.
    pub fn available() -> Vec<Self> {
        let all = if cfg!(target_arch = "x86_64") {
            vec![Level::Baseline, Level::Avx2, Level::Avx512]
        } else {
            vec![Level::Baseline, Level::Neon]
        };
        all.into_iter().filter(|&level| level <= Self::best()).collect()
    }
}

/// The level in use: the machine's best, or a lower one named in `ATTN_TUI_KERNELS` (for tests).
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        let asked = std::env::var("ATTN_TUI_KERNELS").unwrap_or_default();
        Level::available().into_iter().find(|level| level.name() == asked).unwrap_or_else(Level::best)
    })
}

/// Work that is compiled once per instruction set.
pub(super) trait Task {
    /// What it gives.
    type Output;

    /// Does it. Implementations are `#[inline(always)]`, or they would be compiled without the instructions.
    ///
    /// # Safety
    /// The machine must have the instructions of `S`.
    unsafe fn run<S: Simd>(self) -> Self::Output;
}

/// Runs `task` with the instructions of [`level`].
///
/// # Safety
/// What the task's fields point to is as they say.
pub(super) unsafe fn dispatch<T: Task>(task: T) -> T::Output {
    // SAFETY: the caller's promise; `level` is available.
    unsafe { dispatch_at(level(), task) }
}

/// Runs `task` with the instructions of `level`.
///
/// # Safety
/// The level is [`Level::available`]; what the task's fields point to is as they say.
pub(super) unsafe fn dispatch_at<T: Task>(level: Level, task: T) -> T::Output {
    match level {
        // SAFETY: a level is only ever one that was detected.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::run_avx512(task) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::run_avx2(task) },
        // SAFETY: every 64-bit ARM machine has it.
        #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
        Level::Neon => unsafe { task.run::<arm::Neon>() },
        // SAFETY: uses no instructions beyond the target's own.
        _ => unsafe { task.run::<Baseline>() },
    }
}

/// Vectors of `f32`.
///
/// # Safety
/// Every function needs the instruction set that the type stands for; pointers must be valid for
/// [`Simd::LANES`] values (of any alignment).
#[allow(clippy::missing_safety_doc)]
pub(super) trait Simd: Copy + 'static {
    /// Values in a vector.
    const LANES: usize;
    /// Rows of a matrix product's tile: as many as the registers hold beside two columns of vectors.
    const TILE_ROWS: usize;
    /// A vector.
    type V: Copy;

    unsafe fn splat(x: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, v: Self::V);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger of each pair; `b` where one is not a number.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// The smaller of each pair; `b` where one is not a number.
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    /// To the nearest integer.
    unsafe fn round(a: Self::V) -> Self::V;
    /// `a * 2^n` for integral `n` in -126..=127.
    unsafe fn scale(a: Self::V, n: Self::V) -> Self::V;
    /// The whole number below the binary logarithm of `a`, which is positive and no smaller than the smallest
    /// normal number.
    unsafe fn exponent(a: Self::V) -> Self::V;
    /// `a`, but 0 in lanes where `x < limit`.
    unsafe fn zero_below(a: Self::V, x: Self::V, limit: Self::V) -> Self::V;

    /// Says that what lies at `from` will be read in a while: it comes into the second cache.
    #[inline(always)]
    unsafe fn prefetch_l2(_from: *const f32) {}

    /// Says that what lies at `from` will be read soon.
    #[inline(always)]
    unsafe fn prefetch(_from: *const f32) {}

    /// Whole numbers of 8 bits as values.
    #[inline(always)]
    unsafe fn load_i8(from: *const i8) -> Self::V {
        unsafe {
            let mut lanes = [0f32; 16];
            for (i, lane) in lanes[..Self::LANES].iter_mut().enumerate() {
                *lane = f32::from(*from.add(i));
            }
            Self::load(lanes.as_ptr())
        }
    }

    /// Whole numbers in -127..=127 to memory in 8 bits.
    #[inline(always)]
    unsafe fn store_i8(to: *mut i8, v: Self::V) {
        unsafe {
            let mut lanes = [0f32; 16];
            Self::store(lanes.as_mut_ptr(), v);
            for (i, &lane) in lanes[..Self::LANES].iter().enumerate() {
                *to.add(i) = lane as i8;
            }
        }
    }

    /// The first `len` values from memory, `fill` in the other lanes.
    #[inline(always)]
    unsafe fn load_part(from: *const f32, len: usize, fill: f32) -> Self::V {
        unsafe {
            let mut lanes = [fill; 16];
            std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), len);
            Self::load(lanes.as_ptr())
        }
    }

    /// The first `len` values to memory.
    #[inline(always)]
    unsafe fn store_part(to: *mut f32, v: Self::V, len: usize) {
        unsafe {
            let mut lanes = [0f32; 16];
            Self::store(lanes.as_mut_ptr(), v);
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, len);
        }
    }

    /// A square of [`Simd::LANES`] rows at distance `stride`, as columns: value `k` of row `r` goes to
    /// `to[k * to_stride + r]`.
    #[inline(always)]
    unsafe fn transpose(from: *const f32, stride: usize, to: *mut f32, to_stride: usize) {
        for row in 0..Self::LANES {
            for k in 0..Self::LANES {
                unsafe { *to.add(k * to_stride + row) = *from.add(row * stride + k) }
            }
        }
    }

    /// The sum of all lanes.
    #[inline(always)]
    unsafe fn sum(v: Self::V) -> f32 {
        unsafe {
            let mut lanes = [0f32; 16];
            Self::store(lanes.as_mut_ptr(), v);
            lanes[..Self::LANES].iter().sum()
        }
    }

    /// The largest lane.
    #[inline(always)]
    unsafe fn max_lane(v: Self::V) -> f32 {
        unsafe {
            let mut lanes = [0f32; 16];
            Self::store(lanes.as_mut_ptr(), v);
            lanes[..Self::LANES].iter().copied().fold(f32::NEG_INFINITY, f32::max)
        }
    }
}

/// Plain arrays; the compiler uses what the target has.
#[derive(Clone, Copy)]
pub(super) struct Baseline;

macro_rules! each {
    ($($v:ident),+ => $e:expr) => {{
        let mut out = [0f32; 4];
        for (i, out) in out.iter_mut().enumerate() {
            let ($($v,)+) = ($($v[i],)+);
            *out = $e;
        }
        out
    }};
}

impl Simd for Baseline {
    const LANES: usize = 4;
    const TILE_ROWS: usize = 4;
    type V = [f32; 4];

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::V {
        [x; 4]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        unsafe { from.cast::<[f32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self::V) {
        unsafe { to.cast::<[f32; 4]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        each!(a, b => a + b)
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        each!(a, b => a - b)
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        each!(a, b => a * b)
    }
    #[inline(always)]
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V {
        each!(a, b => a / b)
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // Not `mul_add`: without the instruction that is a call of a library function.
        each!(a, b, c => a * b + c)
    }
    #[inline(always)]
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
        each!(a, b => if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V {
        each!(a, b => if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn round(a: Self::V) -> Self::V {
        // Adding 1.5 * 2^23 leaves no bits for a fraction.
        each!(a => (a + 12_582_912.0) - 12_582_912.0)
    }
    #[inline(always)]
    unsafe fn scale(a: Self::V, n: Self::V) -> Self::V {
        // The same sum holds the integer in its low bits.
        each!(a, n => a * f32::from_bits(((n + 12_582_912.0).to_bits().wrapping_add(127)) << 23))
    }
    #[inline(always)]
    unsafe fn exponent(a: Self::V) -> Self::V {
        each!(a => (a.to_bits() >> 23) as f32 - 127.0)
    }
    #[inline(always)]
    unsafe fn zero_below(a: Self::V, x: Self::V, limit: Self::V) -> Self::V {
        each!(a, x, limit => if x < limit { 0.0 } else { a })
    }
}

#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod arm;

//! Vectors of `f32` behind one trait, and the choice of an instruction set at run time.
//!
//! A kernel is written once, as a `Task` generic over `Simd`. `dispatch` compiles it for every instruction
//! set and calls the best version that the processor supports.

pub mod element;

use std::sync::OnceLock;

use element::{Bf16, Element, F16};

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The instructions that every processor of the target has.
    Baseline,
    /// NEON: 128-bit vectors of 64-bit ARM.
    Neon,
    /// AVX2, FMA and F16C: 256-bit vectors.
    Avx2,
    /// AVX-512F: 512-bit vectors.
    Avx512,
}

impl Level {
    /// Returns the name that is shown to the user.
    #[inline]
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
        if std::is_x86_feature_detected!("avx2")
            && std::is_x86_feature_detected!("fma")
            && std::is_x86_feature_detected!("f16c")
        {
            let wide = std::is_x86_feature_detected!("avx512f");
            return if wide { Level::Avx512 } else { Level::Avx2 };
        }
        if cfg!(all(target_arch = "aarch64", target_endian = "little")) {
            Level::Neon
        } else {
            Level::Baseline
        }
    }

    /// Returns the levels that this processor supports, slowest first.
    pub fn available() -> Vec<Self> {
        let all = if cfg!(target_arch = "x86_64") {
            vec![Level::Baseline, Level::Avx2, Level::Avx512]
        } else {
            vec![Level::Baseline, Level::Neon]
        };
        all.into_iter().filter(|&level| level <= Self::best()).collect()
    }
}

/// Returns the level in use: the best one supported, or the one named in `ATTN_TUI_KERNELS`.
#[inline]
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        let asked = std::env::var("ATTN_TUI_KERNELS").unwrap_or_default();
        Level::available().into_iter().find(|level| level.name() == asked).unwrap_or_else(Level::best)
    })
}

/// A kernel that is compiled once per instruction set.
pub(super) trait Task {
    /// Type of the result.
    type Output;

    /// Runs the kernel. Implementations must be `#[inline(always)]`, or they are compiled without the
    /// instructions.
    ///
    /// # Safety
    /// The processor has the instructions of `S`, and the fields of the task are as their docs say: pointers
    /// are valid for the given number of values, and nothing else accesses what they are written through.
    unsafe fn run<S: Simd>(self) -> Self::Output;
}

/// Runs `task` with the instructions of [`level`].
///
/// # Safety
/// The fields of the task meet the requirements of [`Task::run`].
pub(super) unsafe fn dispatch<T: Task>(task: T) -> T::Output {
    // SAFETY: `level` returns an available level; the caller ensures the rest.
    unsafe { dispatch_at(level(), task) }
}

/// Runs `task` with the instructions of `level`.
///
/// # Safety
/// The level is among [`Level::available`], and the fields of the task meet the requirements of
/// [`Task::run`].
pub(super) unsafe fn dispatch_at<T: Task>(level: Level, task: T) -> T::Output {
    match level {
        // SAFETY: an available level was detected; the caller ensures the rest.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { x86::run_avx512(task) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::run_avx2(task) },
        // SAFETY: every 64-bit ARM processor has NEON; the caller ensures the rest.
        #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
        Level::Neon => unsafe { task.run::<arm::Neon>() },
        // SAFETY: the baseline needs no further instructions; the caller ensures the rest.
        _ => unsafe { task.run::<Baseline>() },
    }
}

/// A vector of `f32` of some instruction set.
///
/// All functions share one contract: the processor has the instruction set, and pointers are valid for
/// [`Simd::LANES`] values, or for `len` of them where a function takes that (at most `LANES`). They need no
/// alignment.
///
/// # Safety
/// `LANES` is a power of two and at most 16, and implementations read and write no more values than the
/// contract says.
#[allow(clippy::missing_safety_doc, reason = "all functions share the contract of the trait")]
pub(super) unsafe trait Simd: Copy + 'static {
    /// Number of values in a vector.
    const LANES: usize;
    /// Rows of a tile of a matrix product: as many as fit into the registers with two vectors a row.
    const TILE_ROWS: usize;
    /// The vector type.
    type V: Copy;

    unsafe fn splat(x: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, v: Self::V);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    /// Returns `a * b + c`.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// Returns the larger of each pair; `b` where either is NaN.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// Returns the smaller of each pair; `b` where either is NaN.
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    /// Rounds to the nearest integer.
    unsafe fn round(a: Self::V) -> Self::V;
    /// Returns `a * 2^n` for integral `n` in -126..=127.
    unsafe fn scale(a: Self::V, n: Self::V) -> Self::V;
    /// Returns the binary exponent of `a`, `floor(log2(a))`. `a` is positive and normal.
    unsafe fn exponent(a: Self::V) -> Self::V;
    /// Returns `a` with 0 in the lanes where `x < limit`.
    unsafe fn zero_below(a: Self::V, x: Self::V, limit: Self::V) -> Self::V;

    /// Returns the lanes where `a >= limit`, the first one in the lowest bit.
    #[inline(always)]
    unsafe fn at_least(a: Self::V, limit: Self::V) -> u32 {
        // SAFETY: the arrays have room for any vector; the caller ensures the rest.
        unsafe {
            let (mut lanes, mut limits) = ([0f32; 16], [0f32; 16]);
            Self::store(lanes.as_mut_ptr(), a);
            Self::store(limits.as_mut_ptr(), limit);
            let bit = |lane: usize| u32::from(lanes[lane] >= limits[lane]) << lane;
            (0..Self::LANES).fold(0, |bits, lane| bits | bit(lane))
        }
    }

    /// Prefetches the cache line at `from`, which need not be valid, into the second-level cache.
    #[inline(always)]
    unsafe fn prefetch_l2(_from: *const f32) {}

    /// Prefetches the cache line at `from`, which need not be valid, into the first-level cache.
    #[inline(always)]
    unsafe fn prefetch(_from: *const f32) {}

    /// Loads `LANES` 8-bit integers and converts them.
    #[inline(always)]
    unsafe fn load_i8(from: *const i8) -> Self::V {
        // SAFETY: `lanes` has room for any vector; the caller ensures that the pointers are valid.
        unsafe {
            let mut lanes = [0f32; 16];
            for (i, lane) in lanes[..Self::LANES].iter_mut().enumerate() {
                *lane = f32::from(*from.add(i));
            }
            Self::load(lanes.as_ptr())
        }
    }

    /// Converts integral values in -127..=127 to 8 bits and stores them.
    #[inline(always)]
    unsafe fn store_i8(to: *mut i8, v: Self::V) {
        // SAFETY: `lanes` has room for any vector; the caller ensures that the pointers are valid.
        unsafe {
            let mut lanes = [0f32; 16];
            Self::store(lanes.as_mut_ptr(), v);
            for (i, &lane) in lanes[..Self::LANES].iter().enumerate() {
                *to.add(i) = lane as i8;
            }
        }
    }

    /// Loads `LANES` numbers of half precision and widens them.
    #[inline(always)]
    unsafe fn load_f16(from: *const F16) -> Self::V {
        // SAFETY: the caller upholds the contract of the trait.
        unsafe { load_each::<Self, F16>(from) }
    }

    /// Stores numbers that were widened from half precision.
    #[inline(always)]
    unsafe fn store_f16(to: *mut F16, v: Self::V) {
        // SAFETY: the caller upholds the contract of the trait.
        unsafe { store_each::<Self, F16>(to, v) }
    }

    /// Loads `LANES` bfloat16 numbers and widens them.
    #[inline(always)]
    unsafe fn load_bf16(from: *const Bf16) -> Self::V {
        // SAFETY: the caller upholds the contract of the trait.
        unsafe { load_each::<Self, Bf16>(from) }
    }

    /// Stores numbers that were widened from bfloat16.
    #[inline(always)]
    unsafe fn store_bf16(to: *mut Bf16, v: Self::V) {
        // SAFETY: the caller upholds the contract of the trait.
        unsafe { store_each::<Self, Bf16>(to, v) }
    }

    /// Loads `len` values and puts `fill` into the other lanes.
    #[inline(always)]
    unsafe fn load_part(from: *const f32, len: usize, fill: f32) -> Self::V {
        // SAFETY: `lanes` has room for any vector; the caller ensures that the pointers are valid.
        unsafe {
            let mut lanes = [fill; 16];
            std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), len);
            Self::load(lanes.as_ptr())
        }
    }

    /// Stores the first `len` values.
    #[inline(always)]
    unsafe fn store_part(to: *mut f32, v: Self::V, len: usize) {
        // SAFETY: `lanes` has room for any vector; the caller ensures that the pointers are valid.
        unsafe {
            let mut lanes = [0f32; 16];
            Self::store(lanes.as_mut_ptr(), v);
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, len);
        }
    }

    /// Transposes a square of [`Simd::LANES`] rows, `stride` values apart: value `k` of row `r` goes to
    /// `to[k * to_stride + r]`. The values are representable in the type of `to`.
    #[inline(always)]
    unsafe fn transpose<E: Element, T: Element>(from: *const E, stride: usize, to: *mut T, to_stride: usize) {
        for row in 0..Self::LANES {
            for k in 0..Self::LANES {
                // SAFETY: the caller ensures that the square is valid on both sides.
                unsafe { *to.add(k * to_stride + row) = T::narrow((*from.add(row * stride + k)).widen()) }
            }
        }
    }

    /// Returns the sum of all lanes.
    #[inline(always)]
    unsafe fn sum(v: Self::V) -> f32 {
        // SAFETY: `lanes` has room for any vector; the caller ensures that the pointers are valid.
        unsafe {
            let mut lanes = [0f32; 16];
            Self::store(lanes.as_mut_ptr(), v);
            lanes[..Self::LANES].iter().sum()
        }
    }

    /// Returns the largest lane.
    #[inline(always)]
    unsafe fn max_lane(v: Self::V) -> f32 {
        // SAFETY: `lanes` has room for any vector; the caller ensures that the pointers are valid.
        unsafe {
            let mut lanes = [0f32; 16];
            Self::store(lanes.as_mut_ptr(), v);
            lanes[..Self::LANES].iter().copied().fold(f32::NEG_INFINITY, f32::max)
        }
    }
}

/// Loads and widens a vector, element by element.
///
/// # Safety
/// The contract of [`Simd`] holds.
#[inline(always)]
unsafe fn load_each<S: Simd, E: Element>(from: *const E) -> S::V {
    // SAFETY: `lanes` has room for any vector; the caller ensures that the pointers are valid.
    unsafe {
        let mut lanes = [0f32; 16];
        for (i, lane) in lanes[..S::LANES].iter_mut().enumerate() {
            *lane = (*from.add(i)).widen();
        }
        S::load(lanes.as_ptr())
    }
}

/// Narrows and stores a vector, element by element.
///
/// # Safety
/// The contract of [`Simd`] holds.
#[inline(always)]
unsafe fn store_each<S: Simd, E: Element>(to: *mut E, v: S::V) {
    // SAFETY: `lanes` has room for any vector; the caller ensures that the pointers are valid.
    unsafe {
        let mut lanes = [0f32; 16];
        S::store(lanes.as_mut_ptr(), v);
        for (i, &lane) in lanes[..S::LANES].iter().enumerate() {
            *to.add(i) = E::narrow(lane);
        }
    }
}

/// Plain arrays, which the compiler vectorises as far as the target allows.
#[derive(Clone, Copy)]
pub(super) struct Baseline;

/// Evaluates an expression for every lane of the given vectors.
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

// SAFETY: vectors have `LANES` values, and every load and store touches as many.
unsafe impl Simd for Baseline {
    const LANES: usize = 4;
    const TILE_ROWS: usize = 4;
    type V = [f32; 4];

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::V {
        [x; 4]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        // SAFETY: the caller ensures that four values can be read; no alignment is needed.
        unsafe { from.cast::<[f32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self::V) {
        // SAFETY: the caller ensures that four values can be written; no alignment is needed.
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
        // Not `mul_add`, which is a library call where there is no such instruction.
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
        // The sum with 1.5 * 2^23 has no bits for a fraction.
        each!(a => (a + 12_582_912.0) - 12_582_912.0)
    }
    #[inline(always)]
    unsafe fn scale(a: Self::V, n: Self::V) -> Self::V {
        // The same sum has the integer in its low bits.
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

/// Defines functions of [`Simd`] whose bodies are one expression of intrinsics.
#[cfg(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little")))]
macro_rules! by_intrinsics {
    ($(unsafe fn $name:ident($($arg:ident: $type:ty),*) $(-> $out:ty)? = $body:expr;)*) => {$(
        #[inline(always)]
        unsafe fn $name($($arg: $type),*) $(-> $out)? {
            // SAFETY: the caller upholds the contract of `Simd`: the processor has the instructions, and
            // pointers are valid for a vector.
            unsafe { $body }
        }
    )*};
}

#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod arm;

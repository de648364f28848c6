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
        Level::Avx512 => unsafe { x86::run512(task) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { x86::run2(task) },
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
    unsafe fn prefetch_far(_from: *const f32) {}

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
    unsafe fn largest(v: Self::V) -> f32 {
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
mod x86 {
    use super::{Simd, Task};
    use std::arch::x86_64::*;

    #[derive(Clone, Copy)]
    pub(super) struct Avx512;

    #[target_feature(enable = "avx512f,avx2,fma")]
    pub(super) unsafe fn run512<T: Task>(task: T) -> T::Output {
        unsafe { task.run::<Avx512>() }
    }

    impl Simd for Avx512 {
        const LANES: usize = 16;
        const TILE_ROWS: usize = 12;
        type V = __m512;

        #[inline(always)]
        unsafe fn splat(x: f32) -> Self::V {
            unsafe { _mm512_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self::V {
            unsafe { _mm512_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, v: Self::V) {
            unsafe { _mm512_storeu_ps(to, v) }
        }
        #[inline(always)]
        unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm512_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm512_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm512_mul_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn div(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm512_div_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm512_max_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn min(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm512_min_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn round(a: Self::V) -> Self::V {
            unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
        }
        #[inline(always)]
        unsafe fn scale(a: Self::V, n: Self::V) -> Self::V {
            unsafe { _mm512_scalef_ps(a, n) }
        }
        #[inline(always)]
        unsafe fn exponent(a: Self::V) -> Self::V {
            unsafe { _mm512_getexp_ps(a) }
        }
        #[inline(always)]
        unsafe fn zero_below(a: Self::V, x: Self::V, limit: Self::V) -> Self::V {
            unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_NLT_UQ>(x, limit), a) }
        }
        #[inline(always)]
        unsafe fn prefetch(from: *const f32) {
            unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
        }
        #[inline(always)]
        unsafe fn load_i8(from: *const i8) -> Self::V {
            unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.cast()))) }
        }
        #[inline(always)]
        unsafe fn prefetch_far(from: *const f32) {
            unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
        }
        #[inline(always)]
        unsafe fn store_i8(to: *mut i8, v: Self::V) {
            unsafe { _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v))) }
        }
        #[inline(always)]
        unsafe fn load_part(from: *const f32, len: usize, fill: f32) -> Self::V {
            unsafe { _mm512_mask_loadu_ps(_mm512_set1_ps(fill), first(len), from) }
        }
        #[inline(always)]
        unsafe fn store_part(to: *mut f32, v: Self::V, len: usize) {
            unsafe { _mm512_mask_storeu_ps(to, first(len), v) }
        }
        // Clippy would have iterators here, and closures would be compiled without the instruction set.
        #[allow(clippy::needless_range_loop)]
        #[inline(always)]
        unsafe fn transpose(from: *const f32, stride: usize, to: *mut f32, to_stride: usize) {
            unsafe {
                let mut rows = [_mm512_setzero_ps(); 16];
                for r in 0..16 {
                    rows[r] = _mm512_loadu_ps(from.add(r * stride));
                }
                // Within each quarter: 4 x 4 squares of four neighbouring rows.
                let mut quads = rows;
                for r in (0..16).step_by(4) {
                    let (a, b) = (
                        _mm512_castps_pd(_mm512_unpacklo_ps(rows[r], rows[r + 1])),
                        _mm512_castps_pd(_mm512_unpackhi_ps(rows[r], rows[r + 1])),
                    );
                    let (c, d) = (
                        _mm512_castps_pd(_mm512_unpacklo_ps(rows[r + 2], rows[r + 3])),
                        _mm512_castps_pd(_mm512_unpackhi_ps(rows[r + 2], rows[r + 3])),
                    );
                    quads[r] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
                    quads[r + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
                    quads[r + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
                    quads[r + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
                }
                // Column `4 q + k` is quarter q of the four vectors k.
                for k in 0..4 {
                    let (a, b) = (quads[k], quads[k + 4]);
                    let (c, d) = (quads[k + 8], quads[k + 12]);
                    let (low, high) =
                        (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0xdd>(a, b));
                    let (low2, high2) =
                        (_mm512_shuffle_f32x4::<0x88>(c, d), _mm512_shuffle_f32x4::<0xdd>(c, d));
                    _mm512_storeu_ps(to.add(k * to_stride), _mm512_shuffle_f32x4::<0x88>(low, low2));
                    _mm512_storeu_ps(to.add((4 + k) * to_stride), _mm512_shuffle_f32x4::<0x88>(high, high2));
                    _mm512_storeu_ps(to.add((8 + k) * to_stride), _mm512_shuffle_f32x4::<0xdd>(low, low2));
                    _mm512_storeu_ps(to.add((12 + k) * to_stride), _mm512_shuffle_f32x4::<0xdd>(high, high2));
                }
            }
        }
        #[inline(always)]
        unsafe fn sum(v: Self::V) -> f32 {
            unsafe { _mm512_reduce_add_ps(v) }
        }
        #[inline(always)]
        unsafe fn largest(v: Self::V) -> f32 {
            unsafe { _mm512_reduce_max_ps(v) }
        }
    }

    /// A mask of the first `len` lanes.
    #[inline(always)]
    fn first(len: usize) -> __mmask16 {
        ((1u32 << len) - 1) as __mmask16
    }

    #[derive(Clone, Copy)]
    pub(super) struct Avx2;

    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn run2<T: Task>(task: T) -> T::Output {
        unsafe { task.run::<Avx2>() }
    }

    impl Simd for Avx2 {
        const LANES: usize = 8;
        const TILE_ROWS: usize = 6;
        type V = __m256;

        #[inline(always)]
        unsafe fn splat(x: f32) -> Self::V {
            unsafe { _mm256_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self::V {
            unsafe { _mm256_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, v: Self::V) {
            unsafe { _mm256_storeu_ps(to, v) }
        }
        #[inline(always)]
        unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm256_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm256_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm256_mul_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn div(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm256_div_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
            unsafe { _mm256_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm256_max_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn min(a: Self::V, b: Self::V) -> Self::V {
            unsafe { _mm256_min_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn round(a: Self::V) -> Self::V {
            unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
        }
        #[inline(always)]
        unsafe fn scale(a: Self::V, n: Self::V) -> Self::V {
            unsafe {
                let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
                _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
            }
        }
        #[inline(always)]
        unsafe fn exponent(a: Self::V) -> Self::V {
            unsafe {
                let biased = _mm256_srli_epi32::<23>(_mm256_castps_si256(a));
                _mm256_cvtepi32_ps(_mm256_sub_epi32(biased, _mm256_set1_epi32(127)))
            }
        }
        #[inline(always)]
        unsafe fn zero_below(a: Self::V, x: Self::V, limit: Self::V) -> Self::V {
            unsafe { _mm256_and_ps(a, _mm256_cmp_ps::<_CMP_NLT_UQ>(x, limit)) }
        }
        // As above.
        #[allow(clippy::needless_range_loop)]
        #[inline(always)]
        unsafe fn transpose(from: *const f32, stride: usize, to: *mut f32, to_stride: usize) {
            unsafe {
                let mut rows = [_mm256_setzero_ps(); 8];
                for r in 0..8 {
                    rows[r] = _mm256_loadu_ps(from.add(r * stride));
                }
                let mut quads = rows;
                for r in (0..8).step_by(4) {
                    let (a, b) =
                        (_mm256_unpacklo_ps(rows[r], rows[r + 1]), _mm256_unpackhi_ps(rows[r], rows[r + 1]));
                    let (c, d) = (
                        _mm256_unpacklo_ps(rows[r + 2], rows[r + 3]),
                        _mm256_unpackhi_ps(rows[r + 2], rows[r + 3]),
                    );
                    quads[r] = _mm256_shuffle_ps::<0x44>(a, c);
                    quads[r + 1] = _mm256_shuffle_ps::<0xee>(a, c);
                    quads[r + 2] = _mm256_shuffle_ps::<0x44>(b, d);
                    quads[r + 3] = _mm256_shuffle_ps::<0xee>(b, d);
                }
                for k in 0..4 {
                    let (a, b) = (quads[k], quads[k + 4]);
                    _mm256_storeu_ps(to.add(k * to_stride), _mm256_permute2f128_ps::<0x20>(a, b));
                    _mm256_storeu_ps(to.add((4 + k) * to_stride), _mm256_permute2f128_ps::<0x31>(a, b));
                }
            }
        }
        #[inline(always)]
        unsafe fn load_i8(from: *const i8) -> Self::V {
            unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from.cast()))) }
        }
        #[inline(always)]
        unsafe fn store_i8(to: *mut i8, v: Self::V) {
            unsafe {
                let whole = _mm256_cvtps_epi32(v);
                let words =
                    _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256::<1>(whole));
                _mm_storel_epi64(to.cast(), _mm_packs_epi16(words, words));
            }
        }
    }
}

#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod arm {
    use super::Simd;
    use std::arch::aarch64::*;

    #[derive(Clone, Copy)]
    pub(super) struct Neon;

    impl Simd for Neon {
        const LANES: usize = 4;
        const TILE_ROWS: usize = 12;
        type V = float32x4_t;

        #[inline(always)]
        unsafe fn splat(x: f32) -> Self::V {
            unsafe { vdupq_n_f32(x) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self::V {
            unsafe { vld1q_f32(from) }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, v: Self::V) {
            unsafe { vst1q_f32(to, v) }
        }
        #[inline(always)]
        unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
            unsafe { vaddq_f32(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
            unsafe { vsubq_f32(a, b) }
        }
        #[inline(always)]
        unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
            unsafe { vmulq_f32(a, b) }
        }
        #[inline(always)]
        unsafe fn div(a: Self::V, b: Self::V) -> Self::V {
            unsafe { vdivq_f32(a, b) }
        }
        #[inline(always)]
        unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
            unsafe { vfmaq_f32(c, a, b) }
        }
        #[inline(always)]
        unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
            unsafe { vbslq_f32(vcgtq_f32(a, b), a, b) }
        }
        #[inline(always)]
        unsafe fn min(a: Self::V, b: Self::V) -> Self::V {
            unsafe { vbslq_f32(vcltq_f32(a, b), a, b) }
        }
        #[inline(always)]
        unsafe fn round(a: Self::V) -> Self::V {
            unsafe { vrndnq_f32(a) }
        }
        #[inline(always)]
        unsafe fn scale(a: Self::V, n: Self::V) -> Self::V {
            unsafe {
                let exponent = vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127));
                vmulq_f32(a, vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent)))
            }
        }
        #[inline(always)]
        unsafe fn exponent(a: Self::V) -> Self::V {
            unsafe {
                let biased = vshrq_n_u32::<23>(vreinterpretq_u32_f32(a));
                vcvtq_f32_s32(vsubq_s32(vreinterpretq_s32_u32(biased), vdupq_n_s32(127)))
            }
        }
        #[inline(always)]
        unsafe fn zero_below(a: Self::V, x: Self::V, limit: Self::V) -> Self::V {
            unsafe { vbslq_f32(vcltq_f32(x, limit), vdupq_n_f32(0.0), a) }
        }
        #[inline(always)]
        unsafe fn load_i8(from: *const i8) -> Self::V {
            unsafe {
                let bytes = u64::from(from.cast::<u32>().read_unaligned());
                let words = vget_low_s16(vmovl_s8(vcreate_s8(bytes)));
                vcvtq_f32_s32(vmovl_s16(words))
            }
        }
    }
}

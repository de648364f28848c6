//! AVX-512 and AVX2 vectors.

use std::arch::x86_64::*;

use super::{Bf16, Element, F16, Simd, Task};

/// 512-bit vectors of x86-64.
#[derive(Clone, Copy)]
pub(super) struct Avx512;

/// Runs `task` compiled with AVX-512.
///
/// # Safety
/// The processor has AVX-512F, AVX2 and FMA, and the requirements of the task are met.
#[target_feature(enable = "avx512f,avx2,fma")]
pub(super) unsafe fn run_avx512<T: Task>(task: T) -> T::Output {
    // SAFETY: the caller upholds the contract of the task.
    unsafe { task.run::<Avx512>() }
}

// SAFETY: vectors have `LANES` values, and every load and store touches as many, or `len` where it takes
// that.
unsafe impl Simd for Avx512 {
    const LANES: usize = 16;
    const TILE_ROWS: usize = 12;
    type V = __m512;

    by_intrinsics! {
        unsafe fn splat(x: f32) -> Self::V = _mm512_set1_ps(x);
        unsafe fn load(from: *const f32) -> Self::V = _mm512_loadu_ps(from);
        unsafe fn store(to: *mut f32, v: Self::V) = _mm512_storeu_ps(to, v);
        unsafe fn add(a: Self::V, b: Self::V) -> Self::V = _mm512_add_ps(a, b);
        unsafe fn sub(a: Self::V, b: Self::V) -> Self::V = _mm512_sub_ps(a, b);
        unsafe fn mul(a: Self::V, b: Self::V) -> Self::V = _mm512_mul_ps(a, b);
        unsafe fn div(a: Self::V, b: Self::V) -> Self::V = _mm512_div_ps(a, b);
        unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V = _mm512_fmadd_ps(a, b, c);
        unsafe fn max(a: Self::V, b: Self::V) -> Self::V = _mm512_max_ps(a, b);
        unsafe fn min(a: Self::V, b: Self::V) -> Self::V = _mm512_min_ps(a, b);
        unsafe fn round(a: Self::V) -> Self::V =
            _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a);
        unsafe fn scale(a: Self::V, n: Self::V) -> Self::V = _mm512_scalef_ps(a, n);
        unsafe fn exponent(a: Self::V) -> Self::V = _mm512_getexp_ps(a);
        unsafe fn zero_below(a: Self::V, x: Self::V, limit: Self::V) -> Self::V =
            _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_NLT_UQ>(x, limit), a);
        unsafe fn at_least(a: Self::V, limit: Self::V) -> u32 =
            u32::from(_mm512_cmp_ps_mask::<_CMP_GE_OQ>(a, limit));
        unsafe fn prefetch(from: *const f32) = _mm_prefetch::<_MM_HINT_T0>(from.cast());
        unsafe fn load_i8(from: *const i8) -> Self::V =
            _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.cast())));
        unsafe fn load_f16(from: *const F16) -> Self::V = _mm512_cvtph_ps(_mm256_loadu_si256(from.cast()));
        unsafe fn store_f16(to: *mut F16, v: Self::V) =
            _mm256_storeu_si256(to.cast(), _mm512_cvtps_ph::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v));
        unsafe fn load_bf16(from: *const Bf16) -> Self::V = _mm512_castsi512_ps(_mm512_slli_epi32::<16>(
            _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast())),
        ));
        unsafe fn store_bf16(to: *mut Bf16, v: Self::V) = _mm256_storeu_si256(
            to.cast(),
            _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(_mm512_castps_si512(v))),
        );
        unsafe fn prefetch_l2(from: *const f32) = _mm_prefetch::<_MM_HINT_T1>(from.cast());
        unsafe fn store_i8(to: *mut i8, v: Self::V) =
            _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v)));
        unsafe fn load_part(from: *const f32, len: usize, fill: f32) -> Self::V =
            _mm512_mask_loadu_ps(_mm512_set1_ps(fill), first(len), from);
        unsafe fn store_part(to: *mut f32, v: Self::V, len: usize) =
            _mm512_mask_storeu_ps(to, first(len), v);
    }

    #[allow(clippy::needless_range_loop, reason = "closures would be compiled without the instruction set")]
    #[inline(always)]
    unsafe fn transpose<E: Element, T: Element>(from: *const E, stride: usize, to: *mut T, to_stride: usize) {
        // SAFETY: the caller upholds the contract of `Simd`.
        unsafe {
            let mut rows = [_mm512_setzero_ps(); 16];
            for r in 0..16 {
                rows[r] = E::load::<Self>(from.add(r * stride));
            }
            // Transposes the 4 x 4 blocks of each group of four rows.
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
            // Column `4 q + k` is made of the 128-bit lanes q of the four vectors with index k.
            for k in 0..4 {
                let (a, b) = (quads[k], quads[k + 4]);
                let (c, d) = (quads[k + 8], quads[k + 12]);
                let (low, high) = (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0xdd>(a, b));
                let (low2, high2) = (_mm512_shuffle_f32x4::<0x88>(c, d), _mm512_shuffle_f32x4::<0xdd>(c, d));
                T::store::<Self>(to.add(k * to_stride), _mm512_shuffle_f32x4::<0x88>(low, low2));
                T::store::<Self>(to.add((4 + k) * to_stride), _mm512_shuffle_f32x4::<0x88>(high, high2));
                T::store::<Self>(to.add((8 + k) * to_stride), _mm512_shuffle_f32x4::<0xdd>(low, low2));
                T::store::<Self>(to.add((12 + k) * to_stride), _mm512_shuffle_f32x4::<0xdd>(high, high2));
            }
        }
    }
    by_intrinsics! {
        unsafe fn sum(v: Self::V) -> f32 = _mm512_reduce_add_ps(v);
        unsafe fn max_lane(v: Self::V) -> f32 = _mm512_reduce_max_ps(v);
    }
}

/// Returns a mask of the first `len` lanes; `len` is at most 16.
#[inline(always)]
fn first(len: usize) -> __mmask16 {
    ((1u32 << len) - 1) as __mmask16
}

/// 256-bit vectors of x86-64.
#[derive(Clone, Copy)]
pub(super) struct Avx2;

/// Runs `task` compiled with AVX2.
///
/// # Safety
/// The processor has AVX2, FMA and F16C, and the requirements of the task are met.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn run_avx2<T: Task>(task: T) -> T::Output {
    // SAFETY: the caller upholds the contract of the task.
    unsafe { task.run::<Avx2>() }
}

// SAFETY: vectors have `LANES` values, and every load and store touches as many, or `len` where it takes
// that.
unsafe impl Simd for Avx2 {
    const LANES: usize = 8;
    const TILE_ROWS: usize = 6;
    type V = __m256;

    by_intrinsics! {
        unsafe fn splat(x: f32) -> Self::V = _mm256_set1_ps(x);
        unsafe fn load(from: *const f32) -> Self::V = _mm256_loadu_ps(from);
        unsafe fn store(to: *mut f32, v: Self::V) = _mm256_storeu_ps(to, v);
        unsafe fn add(a: Self::V, b: Self::V) -> Self::V = _mm256_add_ps(a, b);
        unsafe fn sub(a: Self::V, b: Self::V) -> Self::V = _mm256_sub_ps(a, b);
        unsafe fn mul(a: Self::V, b: Self::V) -> Self::V = _mm256_mul_ps(a, b);
        unsafe fn div(a: Self::V, b: Self::V) -> Self::V = _mm256_div_ps(a, b);
        unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V = _mm256_fmadd_ps(a, b, c);
        unsafe fn max(a: Self::V, b: Self::V) -> Self::V = _mm256_max_ps(a, b);
        unsafe fn min(a: Self::V, b: Self::V) -> Self::V = _mm256_min_ps(a, b);
        unsafe fn round(a: Self::V) -> Self::V =
            _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a);
    }

    #[inline(always)]
    unsafe fn scale(a: Self::V, n: Self::V) -> Self::V {
        // SAFETY: the caller upholds the contract of `Simd`.
        unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
        }
    }

    #[inline(always)]
    unsafe fn exponent(a: Self::V) -> Self::V {
        // SAFETY: the caller upholds the contract of `Simd`.
        unsafe {
            let biased = _mm256_srli_epi32::<23>(_mm256_castps_si256(a));
            _mm256_cvtepi32_ps(_mm256_sub_epi32(biased, _mm256_set1_epi32(127)))
        }
    }
    by_intrinsics! {
        unsafe fn zero_below(a: Self::V, x: Self::V, limit: Self::V) -> Self::V =
            _mm256_and_ps(a, _mm256_cmp_ps::<_CMP_NLT_UQ>(x, limit));
        unsafe fn at_least(a: Self::V, limit: Self::V) -> u32 =
            _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(a, limit)) as u32;
    }

    #[allow(clippy::needless_range_loop, reason = "closures would be compiled without the instruction set")]
    #[inline(always)]
    unsafe fn transpose<E: Element, T: Element>(from: *const E, stride: usize, to: *mut T, to_stride: usize) {
        // SAFETY: the caller upholds the contract of `Simd`.
        unsafe {
            let mut rows = [_mm256_setzero_ps(); 8];
            for r in 0..8 {
                rows[r] = E::load::<Self>(from.add(r * stride));
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
                T::store::<Self>(to.add(k * to_stride), _mm256_permute2f128_ps::<0x20>(a, b));
                T::store::<Self>(to.add((4 + k) * to_stride), _mm256_permute2f128_ps::<0x31>(a, b));
            }
        }
    }
    by_intrinsics! {
        unsafe fn load_f16(from: *const F16) -> Self::V = _mm256_cvtph_ps(_mm_loadu_si128(from.cast()));
        unsafe fn store_f16(to: *mut F16, v: Self::V) =
            _mm_storeu_si128(to.cast(), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(v));
        unsafe fn load_bf16(from: *const Bf16) -> Self::V = _mm256_castsi256_ps(_mm256_slli_epi32::<16>(
            _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast())),
        ));
        unsafe fn load_i8(from: *const i8) -> Self::V =
            _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from.cast())));
    }

    #[inline(always)]
    unsafe fn store_i8(to: *mut i8, v: Self::V) {
        // SAFETY: the caller upholds the contract of `Simd`.
        unsafe {
            let whole = _mm256_cvtps_epi32(v);
            let words = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256::<1>(whole));
            _mm_storel_epi64(to.cast(), _mm_packs_epi16(words, words));
        }
    }

    #[inline(always)]
    unsafe fn store_bf16(to: *mut Bf16, v: Self::V) {
        // SAFETY: the caller upholds the contract of `Simd`.
        unsafe {
            let upper = _mm256_srli_epi32::<16>(_mm256_castps_si256(v));
            let words = _mm_packus_epi32(_mm256_castsi256_si128(upper), _mm256_extracti128_si256::<1>(upper));
            _mm_storeu_si128(to.cast(), words);
        }
    }
}

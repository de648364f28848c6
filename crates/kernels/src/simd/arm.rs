//! NEON vectors.

use std::arch::aarch64::*;
use std::arch::asm;

use super::{Bf16, F16, Simd};

/// 128-bit vectors of 64-bit ARM.
#[derive(Clone, Copy)]
pub(super) struct Neon;

// SAFETY: vectors have `LANES` values, and every load and store touches as many, or `len` where it takes
// that.
unsafe impl Simd for Neon {
    const LANES: usize = 4;
    const TILE_ROWS: usize = 12;
    type V = float32x4_t;

    by_intrinsics! {
        unsafe fn splat(x: f32) -> Self::V = vdupq_n_f32(x);
        unsafe fn load(from: *const f32) -> Self::V = vld1q_f32(from);
        unsafe fn store(to: *mut f32, v: Self::V) = vst1q_f32(to, v);
        unsafe fn add(a: Self::V, b: Self::V) -> Self::V = vaddq_f32(a, b);
        unsafe fn sub(a: Self::V, b: Self::V) -> Self::V = vsubq_f32(a, b);
        unsafe fn mul(a: Self::V, b: Self::V) -> Self::V = vmulq_f32(a, b);
        unsafe fn div(a: Self::V, b: Self::V) -> Self::V = vdivq_f32(a, b);
        unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V = vfmaq_f32(c, a, b);
        unsafe fn max(a: Self::V, b: Self::V) -> Self::V = vbslq_f32(vcgtq_f32(a, b), a, b);
        unsafe fn min(a: Self::V, b: Self::V) -> Self::V = vbslq_f32(vcltq_f32(a, b), a, b);
        unsafe fn round(a: Self::V) -> Self::V = vrndnq_f32(a);
    }

    #[inline(always)]
    unsafe fn scale(a: Self::V, n: Self::V) -> Self::V {
        // SAFETY: the caller upholds the contract of `Simd`.
        unsafe {
            let exponent = vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127));
            vmulq_f32(a, vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent)))
        }
    }

    #[inline(always)]
    unsafe fn exponent(a: Self::V) -> Self::V {
        // SAFETY: the caller upholds the contract of `Simd`.
        unsafe {
            let biased = vshrq_n_u32::<23>(vreinterpretq_u32_f32(a));
            vcvtq_f32_s32(vsubq_s32(vreinterpretq_s32_u32(biased), vdupq_n_s32(127)))
        }
    }
    by_intrinsics! {
        unsafe fn zero_below(a: Self::V, x: Self::V, limit: Self::V) -> Self::V =
            vbslq_f32(vcltq_f32(x, limit), vdupq_n_f32(0.0), a);
    }

    #[inline(always)]
    unsafe fn at_least(a: Self::V, limit: Self::V) -> u32 {
        // SAFETY: the caller upholds the contract of `Simd`; the array has four values.
        unsafe {
            let bits = vld1q_u32([1, 2, 4, 8].as_ptr());
            vaddvq_u32(vandq_u32(vcgeq_f32(a, limit), bits))
        }
    }

    #[inline(always)]
    unsafe fn load_i8(from: *const i8) -> Self::V {
        // SAFETY: the caller upholds the contract of `Simd`.
        unsafe {
            let bytes = u64::from(from.cast::<u32>().read_unaligned());
            let words = vget_low_s16(vmovl_s8(vcreate_s8(bytes)));
            vcvtq_f32_s32(vmovl_s16(words))
        }
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const F16) -> Self::V {
        // SAFETY: the caller upholds the contract of `Simd`. The conversion is part of every 64-bit ARM
        // processor; its intrinsic is newer than the oldest compiler that the crate builds with.
        unsafe {
            let narrow: uint16x4_t = vcreate_u16(from.cast::<u64>().read_unaligned());
            let wide: float32x4_t;
            asm!(
                "fcvtl {wide:v}.4s, {narrow:v}.4h",
                wide = lateout(vreg) wide,
                narrow = in(vreg) narrow,
                options(pure, nomem, nostack, preserves_flags)
            );
            wide
        }
    }

    #[inline(always)]
    unsafe fn store_f16(to: *mut F16, v: Self::V) {
        // SAFETY: as for `load_f16`.
        unsafe {
            let narrow: uint16x4_t;
            asm!(
                "fcvtn {narrow:v}.4h, {wide:v}.4s",
                narrow = lateout(vreg) narrow,
                wide = in(vreg) v,
                options(pure, nomem, nostack, preserves_flags)
            );
            to.cast::<u64>().write_unaligned(vget_lane_u64::<0>(vreinterpret_u64_u16(narrow)));
        }
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const Bf16) -> Self::V {
        // SAFETY: the caller upholds the contract of `Simd`.
        unsafe {
            let words = vmovl_u16(vcreate_u16(from.cast::<u64>().read_unaligned()));
            vreinterpretq_f32_u32(vshlq_n_u32::<16>(words))
        }
    }

    #[inline(always)]
    unsafe fn store_bf16(to: *mut Bf16, v: Self::V) {
        // SAFETY: the caller upholds the contract of `Simd`.
        unsafe {
            let words = vshrn_n_u32::<16>(vreinterpretq_u32_f32(v));
            to.cast::<u64>().write_unaligned(vget_lane_u64::<0>(vreinterpret_u64_u16(words)));
        }
    }
}

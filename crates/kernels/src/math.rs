//! Elementary functions of a vector, accurate to about one unit in the last place of a float32 unless stated.

use super::simd::Simd;

/// Returns `e^x`: 0 below -87.3, and `e^88` above 88, so never infinity.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn exp<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller ensures that the processor has the instructions; no memory is accessed.
    unsafe {
        let lowest = S::splat(-87.3);
        // The order of arguments lets NaN through.
        let clamped = S::min(S::splat(88.0), S::max(lowest, x));
        let n = S::round(S::mul(clamped, S::splat(std::f32::consts::LOG2_E)));
        // ln 2 is split into two parts; the first has so few bits that its product with n is exact.
        let r = S::fma(n, S::splat(-0.693_359_4), clamped);
        let r = S::fma(n, S::splat(2.121_944_4e-4), r);
        // (e^r - 1 - r) / r^2 on |r| <= ln 2 / 2, as in the Cephes library (Moshier 1989).
        let mut p = S::splat(1.987_569_1e-4);
        for c in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
            p = S::fma(p, r, S::splat(c));
        }
        let e = S::fma(S::mul(r, r), p, S::add(r, S::splat(1.0)));
        S::zero_below(S::scale(e, n), x, lowest)
    }
}

/// Returns `2^x` for `x` up to 126, with a relative error of about 2^-22; 0 below -126.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn exp2<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller ensures that the processor has the instructions; no memory is accessed.
    unsafe {
        let lowest = S::splat(-126.0);
        // The order of arguments lets NaN through.
        let clamped = S::max(lowest, x);
        let n = S::round(clamped);
        let r = S::sub(clamped, n);
        // The polynomial of degree 5 with the smallest relative error on |r| <= 1/2 that has the value and
        // the slope of 2^r at 0.
        let mut p = S::splat(1.330_060_7e-3);
        for c in [9.669_691e-3, 5.550_558_5e-2, 2.402_228_3e-1, std::f32::consts::LN_2, 1.0] {
            p = S::fma(p, r, S::splat(c));
        }
        S::zero_below(S::scale(p, n), x, lowest)
    }
}

/// Returns `ln x` for `x` up to 1; smaller values than the smallest normal number count as that.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn ln<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller ensures that the processor has the instructions; no memory is accessed.
    unsafe {
        let one = S::splat(1.0);
        let x = S::max(x, S::splat(f32::MIN_POSITIVE));
        let exponent = S::exponent(x);
        let m = S::scale(x, S::sub(S::splat(0.0), exponent));
        // A mantissa from the square root of 2 on is halved and the exponent incremented, so that it is near
        // 1.
        let more = S::zero_below(one, m, S::splat(std::f32::consts::SQRT_2));
        let e = S::add(exponent, more);
        let f = S::sub(S::fma(S::mul(m, more), S::splat(-0.5), m), one);
        // (ln(1 + f) - f + f²/2) / f³, as in the Cephes library (Moshier 1989).
        let mut p = S::splat(7.037_683_6e-2);
        for c in [
            -1.151_461e-1,
            1.167_699_9e-1,
            -1.242_014_1e-1,
            1.424_932_3e-1,
            -1.666_805_8e-1,
            2.000_071_4e-1,
            -2.499_999_4e-1,
            3.333_333e-1,
        ] {
            p = S::fma(p, f, S::splat(c));
        }
        let square = S::mul(f, f);
        let small = S::fma(e, S::splat(-2.121_944_4e-4), S::mul(S::mul(p, f), square));
        let small = S::fma(square, S::splat(-0.5), small);
        S::fma(e, S::splat(0.693_359_4), S::add(small, f))
    }
}

/// Returns `1 / (1 + e^-x)`.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn sigmoid<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller ensures that the processor has the instructions; no memory is accessed.
    unsafe {
        let e = exp::<S>(S::sub(S::splat(0.0), x));
        S::div(S::splat(1.0), S::add(S::splat(1.0), e))
    }
}

/// Returns `max(x, 0)`.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn relu<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller ensures that the processor has the instructions; no memory is accessed.
    unsafe { S::max(S::splat(0.0), x) }
}

/// Returns `x σ(x)`.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn silu<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller ensures that the processor has the instructions; no memory is accessed.
    unsafe { S::mul(x, sigmoid::<S>(x)) }
}

/// Returns `tanh x` with an absolute error of 1.2e-7.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn tanh<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller ensures that the processor has the instructions; no memory is accessed.
    unsafe { S::fma(S::splat(2.0), sigmoid::<S>(S::add(x, x)), S::splat(-1.0)) }
}

/// Returns `x Φ(x)`, with an absolute error of `Φ` of 1.5e-7 (Abramowitz & Stegun 1964, 7.1.26).
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn gelu<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller ensures that the processor has the instructions; no memory is accessed.
    unsafe {
        let one = S::splat(1.0);
        let negative = S::sub(S::splat(0.0), x);
        let z = S::mul(S::max(negative, x), S::splat(std::f32::consts::FRAC_1_SQRT_2));
        let t = S::div(one, S::fma(z, S::splat(0.327_591_1), one));
        let mut p = S::splat(1.061_405_4);
        for c in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
            p = S::fma(p, t, S::splat(c));
        }
        // The tail 1 - Φ(|x|), times |x|, is subtracted from max(x, 0).
        let e = exp::<S>(S::sub(S::splat(0.0), S::mul(z, z)));
        let tail = S::mul(S::mul(S::mul(p, t), e), S::splat(0.5));
        let magnitude = S::max(negative, x);
        S::sub(S::max(S::splat(0.0), x), S::mul(magnitude, tail))
    }
}

/// Returns `x/2 (1 + tanh(√(2/π) (x + 0.044715 x³)))` (Hendrycks & Gimpel 2016).
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn gelu_tanh<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller ensures that the processor has the instructions; no memory is accessed.
    unsafe {
        let cube = S::mul(S::mul(x, x), x);
        let inner = S::fma(cube, S::splat(0.044_715), x);
        // (1 + tanh u) / 2 = σ(2u)
        let double = 2.0 * (2.0 / std::f64::consts::PI).sqrt();
        S::mul(x, sigmoid::<S>(S::mul(inner, S::splat(double as f32))))
    }
}

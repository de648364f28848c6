//! Number types in which weights are stored. Arithmetic is in `f32`: values are widened as they are loaded,
//! which is exact.

use super::Simd;

/// IEEE 754 half precision (binary16), little-endian, at any address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct F16(pub [u8; 2]);

/// The upper half of an `f32` (bfloat16), little-endian, at any address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Bf16(pub [u8; 2]);

/// 2^112: the exponents of `f32` are biased by 127, those of half precision by 15.
const BIAS: f32 = f32::from_bits((127 + 112) << 23);

/// 2^-112.
const INVERSE_BIAS: f32 = f32::from_bits((127 - 112) << 23);

impl F16 {
    /// Reinterprets bytes as numbers; a last odd byte is left out.
    #[inline]
    pub fn of_bytes(bytes: &[u8]) -> &[Self] {
        let (pairs, _) = bytes.as_chunks::<2>();
        // SAFETY: the type is transparent over two bytes.
        unsafe { std::slice::from_raw_parts(pairs.as_ptr().cast(), pairs.len()) }
    }
}

impl Bf16 {
    /// Reinterprets bytes as numbers; a last odd byte is left out.
    #[inline]
    pub fn of_bytes(bytes: &[u8]) -> &[Self] {
        let (pairs, _) = bytes.as_chunks::<2>();
        // SAFETY: the type is transparent over two bytes.
        unsafe { std::slice::from_raw_parts(pairs.as_ptr().cast(), pairs.len()) }
    }
}

/// A number type of weights.
///
/// The functions on vectors share the contract of [`Simd`]; pointers need no alignment.
#[allow(clippy::missing_safety_doc, reason = "all functions share the contract of `Simd`")]
pub(crate) trait Element: Copy + Send + Sync + 'static {
    /// Returns the value.
    fn widen(self) -> f32;

    /// Returns the element of a value that was widened from this type. Other values are truncated.
    fn narrow(value: f32) -> Self;

    /// Loads and widens a vector.
    unsafe fn load<S: Simd>(from: *const Self) -> S::V;

    /// Stores a vector of values that were widened from this type.
    unsafe fn store<S: Simd>(to: *mut Self, v: S::V);
}

impl Element for f32 {
    #[inline(always)]
    fn widen(self) -> f32 {
        self
    }

    #[inline(always)]
    fn narrow(value: f32) -> Self {
        value
    }

    #[inline(always)]
    unsafe fn load<S: Simd>(from: *const Self) -> S::V {
        // SAFETY: the caller upholds the contract of `Simd`.
        unsafe { S::load(from) }
    }

    #[inline(always)]
    unsafe fn store<S: Simd>(to: *mut Self, v: S::V) {
        // SAFETY: the caller upholds the contract of `Simd`.
        unsafe { S::store(to, v) }
    }
}

impl Element for F16 {
    #[inline(always)]
    fn widen(self) -> f32 {
        let bits = u32::from(u16::from_le_bytes(self.0));
        let (sign, magnitude) = ((bits & 0x8000) << 16, bits & 0x7fff);
        // The product is exact for subnormal numbers, too. Infinity and NaN have an exponent of ones.
        let value = (f32::from_bits(magnitude << 13) * BIAS).to_bits();
        let ones = if magnitude >= 0x7c00 { 0x7f80_0000 } else { 0 };
        f32::from_bits(sign | value | ones)
    }

    #[inline(always)]
    fn narrow(value: f32) -> Self {
        let sign = (value.to_bits() >> 16) & 0x8000;
        let magnitude = ((value.abs() * INVERSE_BIAS).to_bits() >> 13) & 0x7fff;
        Self(((sign | magnitude) as u16).to_le_bytes())
    }

    #[inline(always)]
    unsafe fn load<S: Simd>(from: *const Self) -> S::V {
        // SAFETY: the caller upholds the contract of `Simd`.
        unsafe { S::load_f16(from) }
    }

    #[inline(always)]
    unsafe fn store<S: Simd>(to: *mut Self, v: S::V) {
        // SAFETY: the caller upholds the contract of `Simd`.
        unsafe { S::store_f16(to, v) }
    }
}

impl Element for Bf16 {
    #[inline(always)]
    fn widen(self) -> f32 {
        f32::from_bits(u32::from(u16::from_le_bytes(self.0)) << 16)
    }

    #[inline(always)]
    fn narrow(value: f32) -> Self {
        Self(((value.to_bits() >> 16) as u16).to_le_bytes())
    }

    #[inline(always)]
    unsafe fn load<S: Simd>(from: *const Self) -> S::V {
        // SAFETY: the caller upholds the contract of `Simd`.
        unsafe { S::load_bf16(from) }
    }

    #[inline(always)]
    unsafe fn store<S: Simd>(to: *mut Self, v: S::V) {
        // SAFETY: the caller upholds the contract of `Simd`.
        unsafe { S::store_bf16(to, v) }
    }
}

/// Elements of a weight in the type in which they are stored.
#[derive(Clone, Copy, Debug)]
pub enum Elements<'a> {
    /// Single precision.
    F32(&'a [f32]),
    /// Half precision.
    F16(&'a [F16]),
    /// bfloat16.
    Bf16(&'a [Bf16]),
}

/// Evaluates an expression with the contents of whichever variant an enum over the number types has.
macro_rules! for_elements {
    ($type:ident, $value:expr, $elements:ident => $result:expr) => {
        match $value {
            $type::F32($elements) => $result,
            $type::F16($elements) => $result,
            $type::Bf16($elements) => $result,
        }
    };
}
pub(crate) use for_elements;

impl Elements<'_> {
    /// Returns the number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        for_elements!(Elements, self, elements => elements.len())
    }

    /// Returns true if there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the elements of `range`.
    ///
    /// # Panics
    /// If they are not all there.
    pub fn part(&self, range: std::ops::Range<usize>) -> Self {
        match self {
            Self::F32(elements) => Self::F32(&elements[range]),
            Self::F16(elements) => Self::F16(&elements[range]),
            Self::Bf16(elements) => Self::Bf16(&elements[range]),
        }
    }

    /// Returns the values.
    pub fn widened(&self) -> Vec<f32> {
        for_elements!(Elements, self, elements => elements.iter().map(|element| element.widen()).collect())
    }
}

impl<'a> From<&'a [f32]> for Elements<'a> {
    fn from(values: &'a [f32]) -> Self {
        Self::F32(values)
    }
}

impl<'a> From<&'a Vec<f32>> for Elements<'a> {
    fn from(values: &'a Vec<f32>) -> Self {
        Self::F32(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Level, Task, dispatch_at};

    /// Value of a number of half precision by its definition.
    fn defined(bits: u16) -> f64 {
        let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
        let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023) / 1024.0);
        match exponent {
            0 => sign * fraction * 2f64.powi(-14),
            31 if fraction == 0.0 => sign * f64::INFINITY,
            31 => f64::NAN,
            _ => sign * (1.0 + fraction) * 2f64.powi(exponent - 15),
        }
    }

    /// Widens all numbers of a type and narrows them again.
    struct RoundTrip<E> {
        from: *const E,
        wide: *mut f32,
        to: *mut E,
        count: usize,
    }

    impl<E: Element> Task for RoundTrip<E> {
        type Output = ();

        #[inline(always)]
        unsafe fn run<S: Simd>(self) {
            for at in (0..self.count).step_by(S::LANES) {
                // SAFETY: all three have `count` elements, a multiple of any number of lanes.
                unsafe {
                    let v = E::load::<S>(self.from.add(at));
                    S::store(self.wide.add(at), v);
                    E::store::<S>(self.to.add(at), v);
                }
            }
        }
    }

    fn check<E: Element + PartialEq + std::fmt::Debug>(make: fn(u16) -> E, value: fn(u16) -> f64) {
        let all: Vec<E> = (0..=u16::MAX).map(make).collect();
        for level in Level::available() {
            let (mut wide, mut back) = (vec![0f32; all.len()], vec![make(1); all.len()]);
            let (from, count) = (all.as_ptr(), all.len());
            // SAFETY: an available level, and slices of the same length.
            unsafe {
                let (wide, to) = (wide.as_mut_ptr(), back.as_mut_ptr());
                dispatch_at(level, RoundTrip { from, wide, to, count });
            }
            for bits in 0..=u16::MAX {
                let at = usize::from(bits);
                let (found, expected) = (wide[at], value(bits));
                if expected.is_nan() {
                    assert!(found.is_nan() && all[at].widen().is_nan(), "{level:?} {bits:#x}: {found}");
                    assert!(back[at].widen().is_nan(), "{level:?} {bits:#x}");
                } else {
                    assert_eq!(f64::from(found).to_bits(), expected.to_bits(), "{level:?} {bits:#x}");
                    assert_eq!(all[at].widen().to_bits(), found.to_bits(), "{bits:#x}");
                    assert_eq!((back[at], E::narrow(found)), (all[at], all[at]), "{level:?} {bits:#x}");
                }
            }
        }
    }

    #[test]
    fn every_number_of_half_precision_widens_to_its_value_and_back() {
        check(|bits| F16(bits.to_le_bytes()), defined);
    }

    #[test]
    fn every_bfloat16_widens_to_its_value_and_back() {
        let value = |bits| f64::from(f32::from_bits(u32::from(bits) << 16));
        check(|bits: u16| Bf16(bits.to_le_bytes()), value);
    }

    #[test]
    fn bytes_are_numbers_at_any_address() {
        let bytes = [0, 0x00, 0x3c, 0x00, 0xc0, 7];
        assert_eq!(Elements::F16(F16::of_bytes(&bytes[1..])).widened(), [1.0, -2.0]);
        assert_eq!(Elements::Bf16(Bf16::of_bytes(&[0x80, 0x3f])).widened(), [1.0]);
    }
}

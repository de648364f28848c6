//! The memory that a model's weights take, compared with what is free.

use crate::human::bytes;
use crate::sys;

/// Size of a model's weights, and the memory that was free when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightsMemory {
    /// Bytes of the weights as they are stored.
    pub weights: u64,
    /// Free bytes, where the system tells them.
    pub free: Option<u64>,
}

impl WeightsMemory {
    /// Compares weights of so many bytes with the memory that is free now.
    pub fn of(weights: u64) -> Self {
        Self { weights, free: sys::free_memory() }
    }

    /// Returns true if copies of the weights may be packed: an eighth of the free memory is left for the pass.
    pub fn fits(&self) -> bool {
        self.free.is_none_or(|free| self.weights <= free - free / 8)
    }

    /// Says how the two compare.
    pub fn sentence(&self) -> String {
        let weights = bytes(self.weights);
        match self.free.map(bytes) {
            None => format!("the weights take {weights}"),
            Some(free) if self.fits() => format!("the weights take {weights}, {free} are free"),
            Some(free) => format!(
                "the weights take {weights} and only {free} are free: they stay in their files, and every \
                 pass reads what it uses of them again, from disk where memory runs short"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_that_do_not_fit_are_said_to_stay_in_their_files() {
        let memory = |weights, free| WeightsMemory { weights, free };
        assert!(memory(700, Some(800)).fits() && !memory(701, Some(800)).fits());
        assert_eq!(memory(700, Some(800)).sentence(), "the weights take 700 B, 800 B are free");
        assert!(memory(900, Some(800)).sentence().starts_with("the weights take 900 B and only 800 B are"));
        assert!(memory(u64::MAX, None).fits());
        assert_eq!(memory(5, None).sentence(), "the weights take 5 B");
    }
}

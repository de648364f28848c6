//! Cache of recomputed maps, least recently used first out, within a budget of bytes.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::matrix::Matrix;
use crate::site::Head;
use crate::sys;

/// Default upper limit in bytes.
const MOST: usize = 1 << 30;

/// Recomputed maps, within a budget of bytes; the least recently used go first.
#[derive(Debug)]
pub struct Recomputed {
    budget: usize,
    clock: u64,
    maps: BTreeMap<Head, (u64, Matrix)>,
}

impl Recomputed {
    /// Creates an empty cache for at most `budget` bytes.
    pub fn new(budget: usize) -> Self {
        Self { budget, clock: 0, maps: BTreeMap::new() }
    }

    /// Budget in bytes.
    pub fn budget(&self) -> usize {
        self.budget
    }

    /// Size of the maps in bytes.
    pub fn held(&self) -> usize {
        self.maps.values().map(|(_, map)| bytes(map)).sum()
    }

    /// Returns a cached map and marks it as used.
    pub fn get(&mut self, head: Head) -> Option<Matrix> {
        self.clock += 1;
        let (used, map) = self.maps.get_mut(&head)?;
        *used = self.clock;
        Some(map.clone())
    }

    /// Caches a map if it fits the budget, and removes the least recently used maps.
    pub fn put(&mut self, head: Head, map: Matrix) {
        if bytes(&map) > self.budget {
            return;
        }
        self.clock += 1;
        self.maps.insert(head, (self.clock, map));
        while self.held() > self.budget {
            let oldest = self.maps.iter().min_by_key(|(_, (used, _))| *used).map(|(head, _)| *head);
            let Some(oldest) = oldest else { break };
            self.maps.remove(&oldest);
        }
    }
}

fn bytes(map: &Matrix) -> usize {
    4 * map.rows() * map.cols()
}

/// Default budget: a quarter of the memory that was free at first, at most [`MOST`].
pub fn default_budget() -> usize {
    static BUDGET: OnceLock<usize> = OnceLock::new();
    let free = || sys::free_memory().map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    *BUDGET.get_or_init(|| MOST.min(free() / 4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::{Kind, Site};

    #[test]
    fn what_was_looked_at_longest_ago_goes_first() {
        let mut recomputed = Recomputed::new(2 * 16);
        let head = |number| Site::new(Kind::Cross, 0).head(number);
        for number in 0..2 {
            recomputed.put(head(number), Matrix::new(2, 2, vec![number as f32; 4]));
        }
        assert!(recomputed.get(head(0)).is_some());
        recomputed.put(head(2), Matrix::new(2, 2, vec![2.0; 4]));
        assert!(recomputed.get(head(1)).is_none());
        assert_eq!(recomputed.get(head(0)).unwrap().as_slice(), [0.0; 4]);
        recomputed.put(head(3), Matrix::new(3, 3, vec![3.0; 9]));
        assert!(recomputed.get(head(3)).is_none() && recomputed.get(head(2)).is_some());
    }
}

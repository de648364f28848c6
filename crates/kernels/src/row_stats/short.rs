//! Statistics of blocks of few columns: as many rows side by side as a vector has lanes. Row by row, most of the
//! time of a short row would go to its last, partial vector and to the list of its largest weights.

use super::super::math::ln;
use super::super::simd::Simd;
use super::{NARROW, RowPlace, TOP, WeightBlock, WeightCell, load, store};

/// Most lanes of a vector.
const MAX_LANES: usize = 16;

/// Adds the rows of a block of at most [`NARROW`] columns to all statistics.
///
/// # Safety
/// Every row lies within the slices of the block; the processor has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn measure<S: Simd>(mut block: WeightBlock) {
    let mut columns = [0f32; NARROW * MAX_LANES];
    for first in (0..block.places.len()).step_by(S::LANES) {
        let places = &block.places[first..block.places.len().min(first + S::LANES)];
        let width = places.iter().map(|place| place.len).max().unwrap_or(0);
        columns[..width * S::LANES].fill(0.0);
        for (lane, place) in places.iter().enumerate() {
            let row = &block.weights[(first + lane) * block.stride..][..place.len];
            for (column, &weight) in row.iter().enumerate() {
                columns[column * S::LANES + lane] = weight;
            }
            for (side, range) in [(0, 0..place.split), (1, place.split..place.len)] {
                if !range.is_empty() {
                    let from = (place.diagonals[side] + range.start as isize) as usize;
                    let sums = &mut block.diagonals[from..][..range.len()];
                    sums.iter_mut().zip(&row[range]).for_each(|(sum, weight)| *sum += weight);
                }
            }
        }
        // SAFETY: there are `width` columns of `LANES` weights.
        unsafe {
            measure_rows::<S>(&mut block, first, &columns[..width * S::LANES]);
        }
    }
    // SAFETY: the contract of this function.
    unsafe { add_columns::<S>(&mut block) };
}

/// Computes the statistics of the rows from `first` on, one in each lane of `columns`, whose weights behind the
/// ends of rows are 0.
///
/// # Safety
/// `columns` has whole vectors; the processor has the instructions of `S`.
#[inline(always)]
unsafe fn measure_rows<S: Simd>(block: &mut WeightBlock, first: usize, columns: &[f32]) {
    let rows = S::LANES.min(block.places.len() - first);
    let places = &block.places[first..first + rows];
    let lanes = |of: fn(&RowPlace) -> f32| {
        let mut lanes = [0f32; MAX_LANES];
        lanes.iter_mut().zip(places).for_each(|(lane, place)| *lane = of(place));
        lanes
    };
    // SAFETY: every vector lies within its array; the caller ensures the rest.
    unsafe {
        let split = S::load(lanes(|place| place.split as f32).as_ptr());
        let origin = S::load(lanes(|place| place.origin as f32).as_ptr());
        let least = S::splat(block.least.max(f32::from_bits(1)));
        let zero = S::splat(0.0);
        let (mut before, mut behind, mut entropy) = ([zero; 2], [zero; 2], zero);
        let (mut top, mut top_columns) = ([zero; TOP], [zero; TOP]);
        for (column, weights) in columns.chunks_exact(S::LANES).enumerate() {
            let (at, w) = (S::splat(column as f32), S::load(weights.as_ptr()));
            let w_behind = S::zero_below(w, at, split);
            let w_before = S::sub(w, w_behind);
            before = [S::add(before[0], w_before), S::fma(w_before, S::sub(origin, at), before[1])];
            behind = [S::add(behind[0], w_behind), S::fma(w_behind, S::sub(at, origin), behind[1])];
            entropy = S::fma(w, ln::<S>(w), entropy);
            // Inserts the weight behind those that are no smaller. The columns are small whole numbers, so
            // that their sums and differences are exact.
            for place in (0..TOP).rev() {
                let (weight, new) = match place.checked_sub(1) {
                    None => (w, at),
                    Some(last) => {
                        let moved = top_columns[last];
                        let new = S::zero_below(S::sub(at, moved), top[last], w);
                        (S::min(top[last], w), S::add(moved, new))
                    }
                };
                let stays = S::zero_below(S::sub(top_columns[place], new), top[place], w);
                top_columns[place] = S::add(new, stays);
                top[place] = S::max(top[place], weight);
            }
            let mut listed = S::at_least(w, least);
            while listed != 0 {
                let lane = listed.trailing_zeros() as usize;
                let row = (first + lane) as u32;
                block.cells.push(WeightCell { row, column: column as u32, weight: weights[lane] });
                listed &= listed - 1;
            }
        }
        let differences = block.differences.then(|| {
            let ends = S::load(lanes(|place| place.len as f32).as_ptr());
            stored::<S>(differences::<S>(columns, ends))
        });
        let [before, behind] = [before, behind].map(|sums| sums.map(|sum| stored::<S>(sum)));
        let entropy = stored::<S>(entropy);
        let (top, top_columns) = (top.map(|top| stored::<S>(top)), top_columns.map(|top| stored::<S>(top)));
        for (lane, stats) in block.stats[first..first + rows].iter_mut().enumerate() {
            stats.sums = [before[0][lane], behind[0][lane]].map(f64::from);
            stats.moments = [before[1][lane], behind[1][lane]].map(f64::from);
            stats.entropy = f64::from(-entropy[lane]);
            stats.top = top.map(|top| top[lane]);
            stats.top_columns = top_columns.map(|top| top[lane] as u32);
            stats.differences = differences.map(|differences| differences[lane]);
        }
    }
}

/// Returns the sum of `|a - b|` over all pairs of weights of each row, each pair once. `ends` has the
/// lengths of the rows.
///
/// # Safety
/// `columns` has whole vectors; the processor has the instructions of `S`.
#[inline(always)]
unsafe fn differences<S: Simd>(columns: &[f32], ends: S::V) -> S::V {
    // SAFETY: the caller ensures that the vectors are whole.
    unsafe {
        let mut total = S::splat(0.0);
        for (column, weights) in columns.chunks_exact(S::LANES).enumerate() {
            let w = S::load(weights.as_ptr());
            let mut sum = S::splat(0.0);
            for other in columns[..column * S::LANES].chunks_exact(S::LANES) {
                let other = S::load(other.as_ptr());
                sum = S::add(sum, S::max(S::sub(w, other), S::sub(other, w)));
            }
            total = S::add(total, S::zero_below(sum, ends, S::splat((column + 1) as f32)));
        }
        total
    }
}

/// Adds all rows to the statistics of the columns.
///
/// # Safety
/// As for [`measure`].
#[inline(always)]
unsafe fn add_columns<S: Simd>(block: &mut WeightBlock) {
    let columns = block.largest.len();
    for from in (0..columns).step_by(S::LANES) {
        let len = S::LANES.min(columns - from);
        // SAFETY: every access is below `columns`, or below the length of the row.
        unsafe {
            let (largest, received) =
                (block.largest.as_mut_ptr().add(from), block.received.as_mut_ptr().add(from));
            let (mut most, mut sum) = (load::<S>(largest, len), load::<S>(received, len));
            for (row, place) in block.places.iter().enumerate().filter(|(_, place)| place.len > from) {
                let weights = block.weights.as_ptr().add(row * block.stride + from);
                let w = load::<S>(weights, len.min(place.len - from));
                most = S::max(w, most);
                sum = S::add(sum, w);
            }
            store::<S>(largest, most, len);
            store::<S>(received, sum, len);
        }
    }
}

/// Returns the lanes of a vector.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn stored<S: Simd>(vector: S::V) -> [f32; MAX_LANES] {
    let mut lanes = [0f32; MAX_LANES];
    // SAFETY: no vector has more lanes than the array.
    unsafe { S::store(lanes.as_mut_ptr(), vector) };
    lanes
}

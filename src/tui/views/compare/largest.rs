//! The largest differences of the selected head, one after the other.

use super::maps::ShownMaps;
use super::state::{cursor, set_cursor};
use crate::matrix::Matrix;
use crate::tui::app::App;

/// Largest number of differences that are listed.
const MOST: usize = 50;

/// Smallest difference that counts: less is no change to speak of.
const LEAST: f32 = 0.005;

/// A difference: its value, and its places on the orders of queries and keys.
pub type Difference = (f32, usize, usize);

/// Returns the largest differences of a map, by their absolute value.
pub fn largest(difference: &Matrix) -> Vec<Difference> {
    let cells = (0..difference.rows())
        .flat_map(|row| difference.row(row).iter().enumerate().map(move |(col, &value)| (value, row, col)));
    let mut cells: Vec<Difference> = cells.filter(|(value, ..)| value.abs() >= LEAST).collect();
    let by_size =
        |a: &Difference, b: &Difference| b.0.abs().total_cmp(&a.0.abs()).then((a.1, a.2).cmp(&(b.1, b.2)));
    if cells.len() > MOST {
        cells.select_nth_unstable_by(MOST, by_size);
        cells.truncate(MOST);
    }
    cells.sort_by(by_size);
    cells
}

/// Goes to the next or the previous of the largest differences.
pub fn next(app: &mut App, forward: bool) {
    let Some(maps) = ShownMaps::new(app, app.selection.head) else {
        app.notice = Some("nothing is compared yet".into());
        return;
    };
    let all = maps.maps.difference.as_ref().map(largest).unwrap_or_default();
    if all.is_empty() {
        app.notice = Some(format!("{} changes nowhere by {LEAST} or more", app.selection.head));
        return;
    }
    let at = all.iter().position(|&(_, row, col)| cursor(app) == Some((row, col)));
    let next = match (at, forward) {
        (None, true) => 0,
        (None, false) => all.len() - 1,
        (Some(at), true) => (at + 1) % all.len(),
        (Some(at), false) => (at + all.len() - 1) % all.len(),
    };
    if let Some(&(_, row, col)) = all.get(next) {
        app.leave();
        set_cursor(app, row, col);
        app.notice = Some(format!("change {} of {}", next + 1, all.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_sorted_by_size_and_missing_cells_left_out() {
        let map = Matrix::new(2, 3, vec![0.1, f32::NAN, -0.4, 0.001, 0.4, 0.0]);
        assert_eq!(largest(&map), [(-0.4, 0, 2), (0.4, 1, 1), (0.1, 0, 0)]);
        let many = Matrix::from_fn(20, 20, |i, j| (i * 20 + j) as f32 / 400.0);
        assert_eq!((largest(&many).len(), largest(&many)[0]), (MOST, (399.0 / 400.0, 19, 19)));
    }
}

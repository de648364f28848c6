//! Panics of other crates, caught where they are called.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};

thread_local! {
    /// Number of calls of [`catch`] on this thread that have not returned.
    static CATCHING: Cell<usize> = const { Cell::new(0) };
}

/// Calls a function of another crate that may panic on broken input. It must not keep state that a panic
/// leaves half changed.
///
/// # Errors
/// The message of the panic.
pub fn catch<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    CATCHING.set(CATCHING.get() + 1);
    let result = panic::catch_unwind(AssertUnwindSafe(call));
    CATCHING.set(CATCHING.get() - 1);
    result.map_err(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_string());
        text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".into())
    })
}

/// Returns true if a panic of this thread would be caught, so that a panic hook need not report it.
pub fn are_caught() -> bool {
    CATCHING.get() > 0
}

/// Installs a panic hook that reports only panics that are not caught.
pub fn install_hook() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !are_caught() {
            report(info);
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_and_the_next_call_goes_on() {
        let list = [1, 2];
        let at = list.len();
        assert!(catch(|| list[at]).unwrap_err().contains("index out of bounds"));
        assert!(!are_caught());
        assert_eq!(catch(|| (list[0], are_caught())), Ok((1, true)));
    }
}

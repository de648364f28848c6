//! Signals that end a command while it writes a file, or ask it to stop.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
#[cfg(unix)]
use std::sync::atomic::Ordering;

/// Removes incomplete output files if SIGINT, SIGTERM or SIGHUP ends the program from now on.
#[cfg(unix)]
pub fn remove_parts_on_signals() {
    handle_signals(None);
}

/// Returns a flag that the first SIGINT, SIGTERM or SIGHUP raises from now on. The second ends the program.
#[cfg(unix)]
pub fn flag_on_signals() -> Arc<AtomicBool> {
    let flag = Arc::default();
    handle_signals(Some(Arc::clone(&flag)));
    flag
}

/// Starts to handle signals: the first raises `flag` if there is one, the next ends the program. Only the first
/// call has an effect.
#[cfg(unix)]
fn handle_signals(flag: Option<Arc<AtomicBool>>) {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    static STARTED: std::sync::Once = std::sync::Once::new();
    STARTED.call_once(|| {
        // Without the handler a signal leaves the file, which is no reason to fail.
        let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM]) else { return };
        std::thread::spawn(move || {
            for signal in signals.forever() {
                if flag.as_ref().is_some_and(|flag| !flag.swap(true, Ordering::Relaxed)) {
                    continue;
                }
                crate::files::remove_parts();
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        });
    });
}

/// Does nothing: this platform has no such signals.
#[cfg(not(unix))]
pub fn remove_parts_on_signals() {}

/// Returns a flag that nothing raises: this platform has no such signals.
#[cfg(not(unix))]
pub fn flag_on_signals() -> Arc<AtomicBool> {
    Arc::default()
}

//! Signals that end a command while it writes a file.

/// Removes incomplete output files if SIGINT, SIGTERM or SIGHUP ends the program from now on.
#[cfg(unix)]
pub fn remove_parts_on_signals() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    static STARTED: std::sync::Once = std::sync::Once::new();
    STARTED.call_once(|| {
        // Without the handler a signal leaves the file, which is no reason to fail.
        let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM]) else { return };
        std::thread::spawn(move || {
            for signal in signals.forever() {
                crate::files::remove_parts();
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        });
    });
}

/// Does nothing: this platform has no such signals.
#[cfg(not(unix))]
pub fn remove_parts_on_signals() {}

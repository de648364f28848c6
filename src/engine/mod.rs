//! Opens a model and runs it: in place for the command line, behind the screen for the explorer.

mod models;
mod protocol;
mod session;
mod timings;
mod worker;

pub use models::Models;
pub use protocol::{AblatedRun, Device, Event, ModelInfo, OpenOptions, Request, RunOptions};
pub use session::{Opened, Session, open};
pub use timings::Timings;
pub use worker::Worker;

/// The instruction set in use on the CPU.
pub fn kernels() -> &'static str {
    crate::model::kernel_level()
}

/// Threads of the engine where `wish` is what the user asked for.
pub fn threads(wish: Option<usize>) -> usize {
    wish.unwrap_or_else(attn_tui_kernels::threads::default_count)
}

/// Tells the system's allocator to keep what is freed: every layer asks for buffers of the sizes that the layer
/// before it gave back, and fresh memory costs a page fault every 4 KiB. For programs, once, at their start.
pub fn reuse_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const KEPT: libc::c_int = 1 << 30;
        // SAFETY: settings of the allocator; where it does not know one, nothing changes.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, 1);
            libc::mallopt(libc::M_MMAP_MAX, 0);
            libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
        }
    }
}

//! Calls into the operating system, and the program's only unsafe code.

#![allow(unsafe_code, reason = "system calls and memory maps; the rest of the program has none")]

mod gpus;
mod memory;
mod screen_output;

use std::fs::File;
use std::ops::{Deref, Range};
use std::path::Path;
#[cfg(unix)]
use std::time::Duration;

pub use gpus::nvidia_gpus;
pub use memory::free_memory;
pub use screen_output::ScreenOutput;

/// A read-only memory map of a whole file.
pub struct FileMap(memmap2::Mmap);

impl FileMap {
    /// Maps the file at `path`, which must not be empty.
    ///
    /// # Errors
    /// Those of opening and mapping it.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let file = File::open(path)?;
        // SAFETY: the map is read-only. Files in the model cache are renamed into place when they are
        // complete and never written again; a file that its owner truncates while it is mapped ends the
        // program with a message (`report_fatal_signals`).
        unsafe { memmap2::Mmap::map(&file) }.map(Self)
    }

    /// Gives the pages behind `range` back to the system; the next access reads them from the file again.
    pub fn release(&self, range: Range<usize>) {
        #[cfg(unix)]
        if range.end <= self.0.len() {
            let advice = memmap2::UncheckedAdvice::DontNeed;
            // SAFETY: the map is read-only and backed by a file, so a dropped page is read again with the
            // same contents. Advice that the system does not follow changes nothing.
            let _ = unsafe { self.0.unchecked_advise_range(advice, range.start, range.len()) };
        }
        #[cfg(not(unix))]
        drop(range);
    }
}

impl Deref for FileMap {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Reinterprets little-endian bytes as floats, without a copy. `None` where they are not aligned for `f32`,
/// are no whole number of values, or the machine is big-endian.
pub fn as_floats(bytes: &[u8]) -> Option<&[f32]> {
    // SAFETY: every bit pattern is a valid f32.
    let (before, values, after) = unsafe { bytes.align_to::<f32>() };
    (cfg!(target_endian = "little") && before.is_empty() && after.is_empty()).then_some(values)
}

/// Returns the memory of `values` as little-endian bytes; `None` on a big-endian machine.
pub fn as_bytes(values: &[f32]) -> Option<&[u8]> {
    // SAFETY: an f32 has no padding, and every byte is a valid u8.
    let (before, bytes, after) = unsafe { values.align_to::<u8>() };
    (cfg!(target_endian = "little") && before.is_empty() && after.is_empty()).then_some(bytes)
}

/// Makes the allocator keep freed memory for reuse instead of returning it to the system. Every layer
/// allocates buffers of the sizes that the layer before it freed, and fresh memory costs a page fault every 4
/// KiB. Call it once, when the program starts.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const TRIM_THRESHOLD: libc::c_int = 1 << 30;
        // SAFETY: `mallopt` takes integers and may be called at any time; it ignores options that it does not
        // know.
        unsafe {
            libc::mallopt(libc::M_MMAP_MAX, 0);
            libc::mallopt(libc::M_TRIM_THRESHOLD, TRIM_THRESHOLD);
        }
    }
}

/// State to which a terminal is returned if the program dies in raw mode.
#[cfg(unix)]
struct SavedTerminal {
    file: libc::c_int,
    modes: libc::termios,
    /// Escape sequences that undo what was sent to it.
    reset: &'static str,
}

#[cfg(unix)]
static SAVED_TERMINAL: std::sync::OnceLock<SavedTerminal> = std::sync::OnceLock::new();

/// True while the terminal is in another state than the saved one.
#[cfg(unix)]
static TERMINAL_CHANGED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Saves the modes of the terminal, before they are changed, for [`report_fatal_signals`]. `reset` holds the
/// escape sequences that undo what will be sent to it.
pub fn save_terminal(reset: &'static str) {
    #[cfg(unix)]
    {
        SAVED_TERMINAL.get_or_init(|| {
            // SAFETY: both calls take a file descriptor or a string that ends in a zero byte.
            let file = unsafe {
                match libc::isatty(libc::STDIN_FILENO) {
                    1 => libc::STDIN_FILENO,
                    _ => libc::open(c"/dev/tty".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC),
                }
            };
            // SAFETY: all zeros are a valid `termios`.
            let mut modes: libc::termios = unsafe { std::mem::zeroed() };
            // SAFETY: the pointer is valid for writes of one `termios`; an invalid descriptor is an error.
            let known = unsafe { libc::tcgetattr(file, &raw mut modes) } == 0;
            SavedTerminal { file: if known { file } else { -1 }, modes, reset }
        });
        TERMINAL_CHANGED.store(true, std::sync::atomic::Ordering::SeqCst);
    }
    #[cfg(not(unix))]
    let _ = reset;
}

/// Tells that the terminal is in its saved state again.
pub fn terminal_restored() {
    #[cfg(unix)]
    TERMINAL_CHANGED.store(false, std::sync::atomic::Ordering::SeqCst);
}

/// Makes the program end with a message and exit status 1, and the terminal restored, when it would be killed
/// because a mapped file was cut short or an allocation failed. Call it once, when the program starts.
pub fn report_fatal_signals() {
    #[cfg(unix)]
    for signal in [libc::SIGBUS, libc::SIGABRT] {
        // SAFETY: all zeros are a valid `sigaction`, with an empty mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        let handler: extern "C" fn(libc::c_int) = die;
        action.sa_sigaction = handler as libc::sighandler_t;
        action.sa_flags = libc::SA_ONSTACK;
        // SAFETY: the action is valid, and its handler calls only functions that are safe in a signal
        // handler.
        unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    }
}

/// Handles a signal that ends the program. It calls only functions that are safe in a signal handler.
#[cfg(unix)]
extern "C" fn die(signal: libc::c_int) {
    const CUT: &str = "error: an open file was cut short while it was read\n\
                       hint: do not change a model's or capture's file while it is open; open it again\n";
    const MEMORY: &str = "error: the program had to stop, most likely because no memory was left\n\
                          hint: a shorter text, fewer beams or a smaller --memory take less\n";
    // Several threads may read the same file. The first one ends the program; the others wait for it.
    static ENDING: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    while ENDING.swap(true, std::sync::atomic::Ordering::SeqCst) {
        // SAFETY: `pause` may be called at any time.
        unsafe { libc::pause() };
    }
    let write = |file: libc::c_int, text: &str| {
        // SAFETY: the pointer is valid for reads of `text.len()` bytes.
        let _ = unsafe { libc::write(file, text.as_ptr().cast(), text.len()) };
    };
    if TERMINAL_CHANGED.swap(false, std::sync::atomic::Ordering::SeqCst)
        && let Some(saved) = SAVED_TERMINAL.get()
    {
        write(libc::STDOUT_FILENO, saved.reset);
        // SAFETY: the pointer is to a `termios`; an invalid descriptor is an error, which nobody can be told.
        let _ = unsafe { libc::tcsetattr(saved.file, libc::TCSANOW, &raw const saved.modes) };
    }
    write(libc::STDERR_FILENO, if signal == libc::SIGBUS { CUT } else { MEMORY });
    // SAFETY: `_exit` may be called at any time and does not return.
    unsafe { libc::_exit(1) }
}

/// Returns the largest resident set of this process so far, in bytes, where the system tells it.
pub fn peak_memory() -> Option<u64> {
    // On Linux, `getrusage` starts from the memory of the process that started this one.
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
        return Some(kib * 1024);
    }
    #[cfg(unix)]
    {
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::uninit();
        // SAFETY: the pointer is valid for writes of one `rusage`.
        if unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) } != 0 {
            return None;
        }
        // SAFETY: the call succeeded, so it filled the structure.
        let usage = unsafe { usage.assume_init() };
        // macOS counts bytes, other systems KiB.
        let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
        u64::try_from(usage.ru_maxrss).ok().map(|size| size * unit)
    }
    #[cfg(not(unix))]
    None
}

/// Returns how many bytes this user may still write to the file system of `folder`, where the system tells
/// it.
#[cfg(unix)]
#[allow(clippy::unnecessary_cast, reason = "the types of the fields differ between systems")]
pub fn free_space(folder: &Path) -> Option<u64> {
    use std::os::unix::ffi::OsStrExt;

    let folder = std::ffi::CString::new(folder.as_os_str().as_bytes()).ok()?;
    let mut stat = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `folder` ends in a zero byte, and the pointer is valid for writes of one `statvfs`.
    if unsafe { libc::statvfs(folder.as_ptr(), stat.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: the call succeeded, so it filled the structure.
    let stat = unsafe { stat.assume_init() };
    Some((stat.f_bavail as u64).saturating_mul(stat.f_frsize as u64))
}

/// Returns how many bytes this user may still write to the file system of `folder`, where the system tells
/// it.
#[cfg(not(unix))]
pub fn free_space(_folder: &Path) -> Option<u64> {
    None
}

/// A terminal as a source of bytes: standard input, or the controlling terminal where standard input is
/// something else.
#[cfg(unix)]
pub struct TerminalInput(File);

#[cfg(unix)]
impl TerminalInput {
    /// Opens the terminal.
    ///
    /// # Errors
    /// There is none.
    pub fn open() -> std::io::Result<Self> {
        use std::io::IsTerminal;
        use std::os::fd::AsFd;

        let stdin = std::io::stdin();
        if stdin.is_terminal() {
            return stdin.as_fd().try_clone_to_owned().map(|file| Self(file.into()));
        }
        File::open("/dev/tty").map(Self)
    }

    /// Waits for bytes, up to `patience` if there is one, and reads what has arrived into `buffer`. Returns the
    /// number of bytes, 0 if the terminal is closed; `None` if nothing arrived.
    ///
    /// # Errors
    /// Those of reading.
    pub fn read(&mut self, patience: Option<Duration>, buffer: &mut [u8]) -> std::io::Result<Option<usize>> {
        use std::io::Read;
        use std::os::fd::AsRawFd;

        let milliseconds = patience.map_or(-1, |patience| {
            // Rounded up: a wait must not end before its time.
            libc::c_int::try_from(patience.as_millis() + 1).unwrap_or(libc::c_int::MAX)
        });
        let mut wanted = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: the pointer is to one `pollfd`, as the count says, which outlives the call.
        let found = unsafe { libc::poll(&raw mut wanted, 1, milliseconds) };
        let read = match found {
            0 => return Ok(None),
            1.. => self.0.read(buffer).map(Some),
            _ => Err(std::io::Error::last_os_error()),
        };
        match read {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Ok(None),
            read => read,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_and_bytes_are_one_memory() {
        let values = [1.5f32, -2.0, 0.0];
        if let Some(bytes) = as_bytes(&values) {
            assert_eq!(bytes, values.map(f32::to_le_bytes).concat());
            assert_eq!(as_floats(bytes), Some(&values[..]));
            assert_eq!(as_floats(&bytes[1..]), None);
            assert_eq!(as_floats(&bytes[..5]), None);
        }
    }

    #[test]
    fn the_system_tells_memory_and_disk() {
        if cfg!(unix) {
            assert!(peak_memory().is_some_and(|bytes| bytes > 1 << 20));
            assert!(free_space(Path::new("/")).is_some());
            assert_eq!(free_space(Path::new("/no such folder")), None);
        }
    }
}

//! Standard output that is directed to the terminal, whatever it was connected to.

#[cfg(windows)]
use std::os::windows::io::IntoRawHandle;

/// Standard output while it is directed to the terminal that controls the process. Dropping it gives standard
/// output back.
pub struct ScreenOutput {
    #[cfg(unix)]
    saved: libc::c_int,
    #[cfg(windows)]
    saved: console::Handle,
}

/// Calls of the Windows console. The functions are part of kernel32, which every program there has.
#[cfg(windows)]
mod console {
    /// Handle of a file or a device.
    pub type Handle = *mut std::ffi::c_void;

    /// Number of the standard output, for [`GetStdHandle`].
    pub const STD_OUTPUT_HANDLE: u32 = -11i32 as u32;

    #[link(name = "kernel32")]
    unsafe extern "system" {
        pub fn GetStdHandle(which: u32) -> Handle;
        pub fn SetStdHandle(which: u32, handle: Handle) -> i32;
        pub fn CloseHandle(handle: Handle) -> i32;
    }
}

impl ScreenOutput {
    /// Directs standard output to the terminal of the process.
    ///
    /// # Errors
    /// There is no such terminal, or the platform has none.
    #[cfg(unix)]
    pub fn open() -> std::io::Result<Self> {
        let failed = std::io::Error::last_os_error;
        // SAFETY: the calls take strings that end in a zero byte and file descriptors; an invalid descriptor is
        // an error, and `terminal` is closed exactly once.
        unsafe {
            let terminal = libc::open(c"/dev/tty".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
            if terminal < 0 {
                return Err(failed());
            }
            let saved = libc::fcntl(libc::STDOUT_FILENO, libc::F_DUPFD_CLOEXEC, 3);
            let directed = saved >= 0 && libc::dup2(terminal, libc::STDOUT_FILENO) >= 0;
            let error = failed();
            libc::close(terminal);
            if directed { Ok(Self { saved }) } else { Err(error) }
        }
    }

    /// Directs standard output to the console of the process, which programs open as `CONOUT$`.
    ///
    /// # Errors
    /// The process has no console.
    #[cfg(windows)]
    pub fn open() -> std::io::Result<Self> {
        let console = std::fs::OpenOptions::new().read(true).write(true).open("CONOUT$")?.into_raw_handle();
        // SAFETY: `console` is an open handle that is given up to the process. The standard library asks for the
        // handle of standard output anew at every write.
        unsafe {
            let saved = console::GetStdHandle(console::STD_OUTPUT_HANDLE);
            if console::SetStdHandle(console::STD_OUTPUT_HANDLE, console.cast()) == 0 {
                let error = std::io::Error::last_os_error();
                console::CloseHandle(console.cast());
                return Err(error);
            }
            Ok(Self { saved })
        }
    }

    /// Fails: the platform has no terminal.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(any(unix, windows)))]
    pub fn open() -> std::io::Result<Self> {
        Err(std::io::Error::from(std::io::ErrorKind::Unsupported))
    }
}

impl Drop for ScreenOutput {
    #[cfg(unix)]
    fn drop(&mut self) {
        // SAFETY: `saved` is a descriptor that this value owns.
        unsafe {
            libc::dup2(self.saved, libc::STDOUT_FILENO);
            libc::close(self.saved);
        }
    }

    #[cfg(windows)]
    fn drop(&mut self) {
        // SAFETY: `saved` was the handle of standard output, and the present one is that of the console, which
        // `open` opened and nobody else closes.
        unsafe {
            let console = console::GetStdHandle(console::STD_OUTPUT_HANDLE);
            console::SetStdHandle(console::STD_OUTPUT_HANDLE, self.saved);
            console::CloseHandle(console);
        }
    }

    #[cfg(not(any(unix, windows)))]
    fn drop(&mut self) {}
}

//! The real program in a pseudo-terminal, which it must restore however it ends.

#![allow(unsafe_code, reason = "the standard library opens no pseudo-terminals")]

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use attn_tui::capture::Precision;

/// Longest wait for an expected output, generous for slow machines.
const PATIENCE: Duration = Duration::from_secs(60);

struct Terminal {
    master: File,
    child: Child,
    screen: Arc<Mutex<vt100::Parser>>,
    /// All output of the program.
    sent: Arc<Mutex<Vec<u8>>>,
    modes: libc::termios,
    /// Folder of the program's session file.
    home: tempfile::TempDir,
}

fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).expect("at least one")
}

fn open_pty(columns: u16, rows: u16) -> (OwnedFd, OwnedFd) {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let (mut master, mut slave) = (0, 0);
    // SAFETY: openpty writes both file descriptors; name and modes may be null.
    let done =
        unsafe { libc::openpty(&mut master, &mut slave, std::ptr::null_mut(), std::ptr::null(), &size) };
    assert_eq!(done, 0, "openpty: {}", std::io::Error::last_os_error());
    for file in [master, slave] {
        // Or a program would keep its own terminal, and those of other tests, open.
        // SAFETY: both descriptors are open.
        assert_eq!(unsafe { libc::fcntl(file, libc::F_SETFD, libc::FD_CLOEXEC) }, 0);
    }
    // SAFETY: openpty has just opened both descriptors, and nothing else owns them.
    unsafe { (OwnedFd::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) }
}

fn modes(terminal: &impl AsRawFd) -> libc::termios {
    // SAFETY: termios is plain data that tcgetattr fills.
    unsafe {
        let mut modes = std::mem::zeroed();
        assert_eq!(libc::tcgetattr(terminal.as_raw_fd(), &mut modes), 0);
        modes
    }
}

impl Terminal {
    fn start(columns: u16, rows: u16, variables: &[(&str, &str)], arguments: &[&str]) -> Self {
        let (master, slave) = open_pty(columns, rows);
        let before = modes(&master);
        let home = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_attn-tui"));
        command
            .args(arguments)
            .env("TERM", "xterm-256color")
            .env("COLORTERM", "truecolor")
            .env("LANG", "C.UTF-8")
            .env("RUST_BACKTRACE", "0")
            .env("XDG_STATE_HOME", home.path())
            .env_remove("NO_COLOR")
            .envs(variables.iter().copied())
            .stdin(slave.try_clone().expect("a copy"))
            .stdout(slave.try_clone().expect("a copy"))
            .stderr(slave);
        // SAFETY: the closure makes only calls that are safe after fork; it starts a session with this
        // terminal.
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                libc::ioctl(0, libc::TIOCSCTTY as _, 0);
                Ok(())
            });
        }
        let child = command.spawn().expect("the program starts");
        drop(command);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(cells(rows), cells(columns), 0)));
        let master = File::from(master);
        let (mut reader, seen) = (master.try_clone().expect("a copy"), Arc::clone(&screen));
        let sent = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&sent);
        thread::spawn(move || {
            let mut buffer = [0; 65536];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                log.lock().expect("the bytes").extend_from_slice(&buffer[..count]);
                seen.lock().expect("the screen").process(&buffer[..count]);
            }
        });
        Self { master, child, screen, sent, modes: before, home }
    }

    fn text(&self) -> String {
        self.screen.lock().expect("the screen").screen().contents()
    }

    /// Waits until `done`; `problem` says what is wrong if that takes too long.
    fn wait_until(&self, done: impl Fn() -> bool, problem: &str) {
        let start = Instant::now();
        while !done() {
            assert!(start.elapsed() < PATIENCE, "{problem}:\n{}", self.text());
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn wait_for(&self, wanted: &str) {
        self.wait_until(|| self.text().contains(wanted), &format!("no {wanted:?} on the screen"));
    }

    /// Returns the number of times that the program has sent a sequence.
    fn count(&self, sequence: &str) -> usize {
        String::from_utf8_lossy(&self.sent.lock().expect("the bytes")).matches(sequence).count()
    }

    fn wait_for_sent(&self, sequence: &str, times: usize) {
        self.wait_until(|| self.count(sequence) >= times, &format!("not {times} times {sequence:?}"));
    }

    fn wait_until_gone(&self, unwanted: &str) {
        self.wait_until(|| !self.text().contains(unwanted), &format!("still {unwanted:?} on the screen"));
    }

    fn press(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).expect("keys");
    }

    fn signal(&self, signal: i32) {
        // SAFETY: the child has not been waited for, so its id is still valid.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }

    fn resize(&self, columns: u16, rows: u16) {
        let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        self.screen.lock().expect("the screen").screen_mut().set_size(cells(rows), cells(columns));
        // SAFETY: the ioctl reads a `winsize`, which is valid.
        assert_eq!(unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCSWINSZ as _, &size) }, 0);
    }

    /// Waits until the child ends.
    fn end(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the child") {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "the program does not end:\n{}", self.text());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asserts that the terminal is restored.
    fn is_restored(&self) {
        // the program's last output may not have arrived yet
        let left = || !self.screen.lock().expect("the screen").screen().alternate_screen();
        self.wait_until(left, "still on the alternate screen");
        let screen = self.screen.lock().expect("the screen");
        let screen = screen.screen();
        assert!(!screen.hide_cursor(), "the cursor is hidden");
        assert!(!screen.bracketed_paste(), "bracketed paste is on");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None, "the mouse is captured");
        let now = modes(&self.master);
        assert_eq!((now.c_lflag, now.c_iflag), (self.modes.c_lflag, self.modes.c_iflag), "raw mode is on");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // a failed test must not leave the program running
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn walk_type_and_quit() {
    let mut terminal = Terminal::start(120, 40, &[], &[]);
    terminal.wait_for("looks at");
    // the survey chooses the first head, so jump to a known one
    terminal.press(":cross 0.0\r");
    terminal.wait_for("head ◂ 0 ▸");
    terminal.press("]");
    terminal.wait_for("head ◂ 1 ▸");
    terminal.press("}");
    terminal.wait_for("layer ◂ 1 ▸");
    for (key, sign) in [
        ("2", "prefix, by"),
        ("3", "heads across"),
        ("4", "far mass"),
        ("5", "special tokens"),
        ("6", "through all layers"),
        ("7", "Nothing is pinned"),
        ("1", "strongest keys"),
        ("?", "Move one key"),
    ] {
        terminal.press(key);
        terminal.wait_for(sign);
    }
    terminal.press("\x1b");
    terminal.wait_until_gone("Move one key");
    terminal.press("s");
    terminal.wait_for("text for the encoder");
    terminal.press("\x15A small dog is running.\r");
    terminal.wait_until_gone("text for the encoder");
    terminal.wait_for("small dog");
    terminal.resize(30, 8);
    terminal.wait_until_gone("looks at");
    terminal.resize(80, 24);
    terminal.wait_for("strongest 6 of 7");
    terminal.press("q");
    assert!(terminal.end().success());
    terminal.is_restored();
}

#[test]
fn a_signal_restores_the_terminal() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        let mut terminal = Terminal::start(80, 24, &[], &[]);
        terminal.wait_for("looks at");
        terminal.signal(signal);
        assert_eq!(terminal.end().signal(), Some(signal));
        terminal.is_restored();
    }
}

#[cfg(debug_assertions)]
#[test]
fn a_panic_restores_the_terminal_and_is_reported() {
    let mut terminal = Terminal::start(80, 24, &[("ATTN_TUI_PANIC", "1")], &[]);
    terminal.wait_for("looks at");
    terminal.press("j");
    assert_eq!(terminal.end().code(), Some(101));
    terminal.is_restored();
    terminal.wait_for("asked to panic");
}

#[test]
fn an_abort_restores_the_terminal_and_is_reported() {
    let mut terminal = Terminal::start(80, 24, &[], &[]);
    terminal.wait_for("looks at");
    // as the allocator does when there is no memory left
    terminal.signal(libc::SIGABRT);
    assert_eq!(terminal.end().code(), Some(1));
    terminal.is_restored();
    terminal.wait_for("no memory was left");
}

#[test]
fn a_file_cut_short_while_it_is_open_restores_the_terminal_and_is_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("c.safetensors");
    let capture = super::made::capture(&["▁a"; 200], &["▁b"; 200], 2, 2);
    std::fs::write(&path, super::made::file_of(&capture, Precision::F32)).expect("a file");
    let path = path.to_str().expect("a path");
    let mut terminal = Terminal::start(80, 24, &[], &[path, "--memory", "1K"]);
    terminal.wait_for("looks at");
    File::options().write(true).open(path).and_then(|file| file.set_len(100)).expect("a shorter file");
    // every other head is read from the file
    terminal.press("]]}");
    assert_eq!(terminal.end().code(), Some(1));
    terminal.is_restored();
    terminal.wait_for("was cut short");
}

#[test]
fn a_closed_terminal_ends_the_program_quietly() {
    // In the test's own session, so that no signal tells the program.
    let (master, slave) = open_pty(80, 24);
    let home = tempfile::tempdir().expect("a folder");
    let errors = home.path().join("errors");
    let mut child = Command::new(env!("CARGO_BIN_EXE_attn-tui"))
        .env("XDG_STATE_HOME", home.path())
        .stdin(slave.try_clone().expect("a copy"))
        .stdout(slave)
        .stderr(File::create(&errors).expect("a file"))
        .spawn()
        .expect("the program starts");
    let mut master = File::from(master);
    let mut screen = vt100::Parser::new(cells(24), cells(80), 0);
    let mut buffer = [0; 65536];
    while !screen.screen().contents().contains("looks at") {
        let count = master.read(&mut buffer).expect("output");
        screen.process(&buffer[..count]);
    }
    drop(master);
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("the child") {
            break status;
        }
        if start.elapsed() > PATIENCE {
            child.kill().expect("the child");
            panic!("the program does not end");
        }
        thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(status.signal(), Some(libc::SIGHUP));
    assert_eq!(std::fs::read_to_string(&errors).expect("a file"), "");
}

#[test]
fn a_paste_without_its_end_swallows_no_keys() {
    let mut terminal = Terminal::start(80, 24, &[], &[]);
    terminal.wait_for("looks at");
    // A pasted text opens the editor of the source.
    terminal.press("\x1b[200~abc");
    terminal.wait_for("text for the encoder");
    terminal.press("def");
    terminal.wait_for("abcdef");
    terminal.press("\x1b");
    terminal.wait_until_gone("text for the encoder");
    terminal.press("\x1b[200~whole\x1b[201~");
    terminal.wait_for("whole");
    terminal.press("\x1b");
    terminal.wait_until_gone("text for the encoder");
    terminal.press("q");
    assert!(terminal.end().success());
    terminal.is_restored();
}

#[test]
fn an_error_is_shown_and_quitting_restores() {
    let mut terminal = Terminal::start(80, 24, &[("HF_HUB_OFFLINE", "1")], &["/nowhere/at/all"]);
    terminal.wait_for("╭─ error ");
    terminal.press("\x1b");
    terminal.wait_until_gone("╭─ error ");
    terminal.press("q");
    assert!(terminal.end().success());
    terminal.is_restored();
}

#[test]
fn suspended_and_continued() {
    let mut terminal = Terminal::start(80, 24, &[("NO_COLOR", "1")], &[]);
    terminal.wait_for("looks at");
    terminal.press("\x1a");
    let mut status = 0;
    // SAFETY: the child is valid; WUNTRACED reports that it stopped without reaping it.
    let stopped = unsafe { libc::waitpid(terminal.child.id() as i32, &mut status, libc::WUNTRACED) };
    assert_eq!(stopped, terminal.child.id() as i32);
    assert!(libc::WIFSTOPPED(status));
    terminal.is_restored();
    terminal.signal(libc::SIGCONT);
    terminal.wait_for("looks at");
    terminal.press(":cross 0.0\r");
    terminal.wait_for("head ◂ 0 ▸");
    terminal.press("]");
    terminal.wait_for("head ◂ 1 ▸");
    terminal.press("\x03");
    assert!(terminal.end().success());
    terminal.is_restored();
}

#[test]
fn a_session_is_resumed() {
    let mut first = Terminal::start(80, 24, &[], &["-s", "A small dog is running."]);
    first.wait_for("looks at");
    first.press(":enc 1.2\r");
    first.wait_for("head ◂ 2 ▸");
    first.press("w2");
    first.wait_for("encoder.1.2");
    first.press("q");
    assert!(first.end().success());
    let home = first.home.path().to_string_lossy().into_owned();
    let second = Terminal::start(80, 24, &[("XDG_STATE_HOME", &home)], &["--resume"]);
    second.wait_for("source, by encoder.1.2");
    second.wait_for("small dog");
    second.wait_for("words: keys");
}

#[test]
fn options_apply_to_the_example_too() {
    let mut terminal = Terminal::start(160, 50, &[], &["--fast-generate", "--max-new-tokens", "3"]);
    terminal.wait_for("demo · 8-bit text · marian");
    terminal.wait_for("femme → </s>");
    terminal.press("q");
    assert!(terminal.end().success());
}

#[test]
fn a_head_is_switched_off_in_the_real_model() {
    let mut terminal = Terminal::start(80, 24, &[], &[]);
    terminal.wait_for("looks at");
    terminal.press(":cross 0.0\r");
    terminal.wait_for("head ◂ 0 ▸");
    terminal.press("X");
    terminal.wait_for("likeliest tokens change");
    terminal.wait_for("new  ");
    terminal.press("X");
    terminal.wait_until_gone("without cross.0.0");
    terminal.press("q");
    assert!(terminal.end().success());
}

#[test]
fn a_light_background_gets_dark_text() {
    let mut terminal = Terminal::start(120, 40, &[], &[]);
    terminal.press("\x1b]11;rgb:ffff/ffff/ffff\x1b\\\x1b[?62c");
    terminal.wait_for("looks at");
    let start = Instant::now();
    let accent = || {
        let parser = terminal.screen.lock().expect("the screen");
        parser.screen().cell(0, 1).map(|cell| cell.fgcolor())
    };
    while accent() != Some(vt100::Color::Rgb(0, 92, 160)) {
        assert!(start.elapsed() < PATIENCE, "still {:?}", accent());
        thread::sleep(Duration::from_millis(20));
    }
    terminal.press("q");
    assert!(terminal.end().success());
    terminal.is_restored();
}

#[test]
fn pixels_are_shown_moved_and_removed() {
    const PICTURE: &str = "\x1b_Ga=T,f=100,i=31,";
    const DELETE: &str = "\x1b_Ga=d,d=I,i=31,q=2\x1b\\";
    let mut terminal = Terminal::start(80, 24, &[("ATTN_TUI_PIXELS", "kitty")], &[]);
    terminal.wait_for("looks at");
    assert_eq!(terminal.count(PICTURE), 0, "cells with labels are text");
    terminal.press("z");
    terminal.wait_for_sent(PICTURE, 1);
    terminal.press("j");
    terminal.wait_for_sent(PICTURE, 2);
    assert_eq!(terminal.count(DELETE), 0, "the same place takes the next picture");
    terminal.press("?");
    terminal.wait_for_sent(DELETE, 1);
    terminal.press("\x1b");
    terminal.wait_for_sent(PICTURE, 3);
    terminal.press("q");
    assert!(terminal.end().success());
    terminal.wait_for_sent(DELETE, 2);
    assert_eq!(terminal.count(PICTURE), 3);
    terminal.is_restored();
}

#[test]
fn pictures_and_spectra_are_shown_in_pixels_and_removed() {
    const PICTURE: &str = "\x1b_Ga=T,f=100,i=31,";
    const DELETE: &str = "\x1b_Ga=d,d=I,i=31,q=2\x1b\\";
    for model in ["demo-ocr", "demo-speech"] {
        let mut terminal = Terminal::start(120, 40, &[("ATTN_TUI_PIXELS", "kitty")], &[model]);
        terminal.wait_for("looks at");
        terminal.wait_for_sent(PICTURE, 1);
        terminal.press("4");
        terminal.wait_for("heads of all kinds");
        terminal.wait_for_sent(DELETE, 1);
        let shown = terminal.count(PICTURE);
        terminal.press("1");
        terminal.wait_for_sent(PICTURE, shown + 1);
        // A zoomed-out map is the first picture, and the other one the second.
        terminal.press("z");
        terminal.wait_for_sent("\x1b_Ga=T,f=100,i=32,", 1);
        terminal.press("\x07");
        terminal.wait_for_sent("\x1b_Ga=d,d=I,i=32,q=2\x1b\\", 2);
        terminal.press("q");
        assert!(terminal.end().success());
        terminal.is_restored();
    }
}

#[test]
fn a_terminal_with_sixel_gets_sixel() {
    let plain = [("TMUX", ""), ("STY", ""), ("ZELLIJ", ""), ("TERM_PROGRAM", ""), ("LC_TERMINAL", "")];
    let mut terminal = Terminal::start(80, 24, &plain, &[]);
    terminal.press("\x1b]11;rgb:0/0/0\x1b\\\x1b[6;16;8t\x1b[?62;4;22c");
    terminal.wait_for("looks at");
    terminal.press("z");
    terminal.wait_for_sent("\x1bP0;1;0q\"1;1;", 1);
    terminal.press("\x07");
    terminal.wait_for("drawn in cells");
    terminal.press("q");
    assert!(terminal.end().success());
    assert_eq!(terminal.count("\x1b_Ga=T"), 0);
    terminal.is_restored();
}

#[test]
fn the_tour_starts_and_steps() {
    let mut terminal = Terminal::start(100, 30, &[], &["tour"]);
    terminal.wait_for("1/11 One vector");
    terminal.wait_for("how probable");
    terminal.press("a");
    terminal.wait_for("2/11 Attention");
    terminal.wait_for("rouge");
    terminal.press("q");
    assert!(terminal.end().success());
    terminal.is_restored();
}

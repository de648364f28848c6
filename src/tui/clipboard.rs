//! Ways to the clipboard of the machine that the user sits at.

use std::io::Write;
use std::process::{Command, Stdio};

use base64::prelude::{BASE64_STANDARD, Engine as _};

/// The way that copied text takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClipboardRoute {
    /// An escape sequence to the terminal (OSC 52), which also works over SSH.
    #[default]
    Terminal,
    /// The same through GNU screen, which passes on device control strings.
    Screen,
    /// tmux, which keeps the text in a buffer and hands it to the terminal.
    Tmux,
    /// The program `clip` of Windows.
    Console,
}

impl ClipboardRoute {
    /// Chooses the way by the environment variables.
    pub fn detect(var: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| var(name).is_some_and(|value| !value.is_empty());
        let remote = set("SSH_CONNECTION") || set("SSH_TTY");
        if set("TMUX") {
            Self::Tmux
        } else if set("STY") {
            Self::Screen
        } else if cfg!(windows) && !remote {
            Self::Console
        } else {
            Self::Terminal
        }
    }

    /// Returns the escape sequence that carries the text; `None` where a program carries it.
    pub fn sequence(self, text: &str) -> Option<String> {
        match self {
            Self::Terminal => Some(osc_52(text)),
            Self::Screen => Some(through_screen(&osc_52(text))),
            Self::Tmux | Self::Console => None,
        }
    }

    /// Describes the way, after "copied the row".
    pub fn name(self) -> &'static str {
        match self {
            Self::Terminal => "through the terminal (OSC 52)",
            Self::Screen => "through screen (OSC 52)",
            Self::Tmux => "through tmux",
            Self::Console => "on the clipboard",
        }
    }
}

/// Returns the escape sequence that sets the clipboard.
fn osc_52(text: &str) -> String {
    format!("\x1b]52;c;{}\x07", BASE64_STANDARD.encode(text))
}

/// Wraps a sequence for GNU screen, which passes on device control strings of at most 768 bytes.
fn through_screen(sequence: &str) -> String {
    const LONGEST: usize = 512;
    let pieces = sequence.as_bytes().chunks(LONGEST).map(String::from_utf8_lossy);
    pieces.map(|piece| format!("\x1bP{piece}\x1b\\")).collect()
}

/// Wraps a sequence for tmux, which passes it on if `allow-passthrough` is set.
pub fn through_tmux(text: &str) -> String {
    format!("\x1bPtmux;{}\x1b\\", osc_52(text).replace('\x1b', "\x1b\x1b"))
}

/// The outcome of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carried {
    /// The text was sent this way.
    Sent(ClipboardRoute),
    /// tmux keeps the text in its buffer, but does not hand it to the terminal itself.
    BufferOnly,
    /// The program failed, for this reason.
    Failed(String),
}

/// Hands the text to the program of a route, and waits for its exit status.
pub fn carry(route: ClipboardRoute, text: &str) -> Carried {
    let outcome = match route {
        ClipboardRoute::Console => {
            // The program reads UTF-16 after a byte order mark.
            let bytes = std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes);
            pipe("clip", &[], &bytes.collect::<Vec<_>>())
        }
        _ => match pipe("tmux", &["load-buffer", "-w", "-"], text.as_bytes()) {
            Ok(()) => Ok(()),
            // tmux before 3.2 has no `-w`.
            Err(_) => match pipe("tmux", &["load-buffer", "-"], text.as_bytes()) {
                Ok(()) => return Carried::BufferOnly,
                Err(why) => Err(why),
            },
        },
    };
    outcome.map_or_else(Carried::Failed, |()| Carried::Sent(route))
}

/// Runs a program with bytes on its standard input.
fn pipe(program: &str, arguments: &[&str], input: &[u8]) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{program}: {error}");
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(input));
    let status = child.wait().map_err(failed)?;
    match (status.success(), written) {
        (true, Ok(())) => Ok(()),
        (true, Err(error)) => Err(failed(error)),
        (false, _) => Err(format!("{program}: {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_tells_the_way() {
        let route = |set: &'static [&str]| {
            ClipboardRoute::detect(move |name| set.contains(&name).then(|| "x".to_string()))
        };
        assert_eq!(route(&["TMUX", "STY", "SSH_TTY"]), ClipboardRoute::Tmux);
        assert_eq!(route(&["STY", "SSH_TTY"]), ClipboardRoute::Screen);
        assert_eq!(route(&["SSH_CONNECTION"]), ClipboardRoute::Terminal);
    }

    #[test]
    fn sequences_pass_multiplexers() {
        assert_eq!(ClipboardRoute::Terminal.sequence("é").unwrap(), "\x1b]52;c;w6k=\x07");
        assert_eq!(through_tmux("é"), "\x1bPtmux;\x1b\x1b]52;c;w6k=\x07\x1b\\");
        let long = ClipboardRoute::Screen.sequence(&"x".repeat(3000)).unwrap();
        let pieces: Vec<&str> = long.split("\x1b\\").filter(|piece| !piece.is_empty()).collect();
        assert!(pieces.len() > 2);
        assert!(pieces.iter().all(|piece| piece.starts_with("\x1bP") && piece.len() < 768));
        let inner: String = pieces.iter().map(|piece| &piece[2..]).collect();
        assert_eq!(inner, osc_52(&"x".repeat(3000)));
        assert_eq!(ClipboardRoute::Tmux.sequence("x"), None);
    }

    #[cfg(unix)]
    #[test]
    fn the_exit_status_of_a_program_counts() {
        assert_eq!(pipe("sh", &["-c", "test \"$(cat)\" = text"], b"text"), Ok(()));
        assert!(pipe("sh", &["-c", "cat; exit 3"], b"text").unwrap_err().contains('3'));
        assert!(pipe("no-such-program-here", &[], b"").is_err());
    }
}

//! The thread that reads the terminal.

use std::sync::mpsc::Sender;
use std::thread;

use super::answers::Question;
use super::message::{HANGUP, Message};

/// Starts the thread. It sends the terminal's events, its replies to `asked`, and last of all that the
/// terminal is gone.
pub fn start(sender: Sender<Message>, asked: Question) {
    thread::spawn(move || {
        forward(&sender, asked);
        // The receiver is gone once the program ends.
        let _ = sender.send(Message::End(HANGUP));
    });
}

/// Sends what the terminal sends, until it is gone or the program ends.
///
/// Crossterm's reader is not used because it waits without a limit for the end of a pasted text, and turns
/// replies to questions into keys.
#[cfg(unix)]
fn forward(sender: &Sender<Message>, asked: Question) {
    use std::time::Instant;

    use super::decoder::{Decoder, Input};
    use crate::sys::TerminalInput;

    let Ok(mut terminal) = TerminalInput::open() else { return };
    let mut decoder = Decoder::default();
    let mut buffer = [0; 4096];
    loop {
        let patience = decoder.deadline().map(|at| at.saturating_duration_since(Instant::now()));
        let inputs = match terminal.read(patience, &mut buffer) {
            Ok(Some(0)) | Err(_) => return,
            Ok(Some(count)) => decoder.decode(&buffer[..count], Instant::now()),
            Ok(None) => decoder.expire(Instant::now()),
        };
        let messages = inputs.into_iter().filter_map(|input| match input {
            Input::Event(event) => Some(Message::Terminal(event)),
            Input::Reply(reply) => answered(asked, reply),
        });
        for message in messages {
            if sender.send(message).is_err() {
                return;
            }
        }
    }
}

/// Returns the message of a reply; none if nobody asked.
#[cfg(unix)]
fn answered(asked: Question, reply: super::answers::Reply) -> Option<Message> {
    use super::answers::Reply;
    use super::pixels::Protocol;

    let takes = |protocol| asked.pictures.then_some(Message::Pictures { takes: Some(protocol), cell: None });
    match reply {
        Reply::Background { light } => asked.background.then_some(Message::Background { light }),
        // Asked before the attributes, and preferred: the first protocol stays.
        Reply::Kitty => takes(Protocol::Kitty),
        Reply::Attributes { sixel } => takes(Protocol::Sixel).filter(|_| sixel),
        Reply::Cell(width, height) => {
            asked.cell.then_some(Message::Pictures { takes: None, cell: Some((width, height)) })
        }
    }
}

/// Sends the terminal's events, until it is gone or the program ends.
#[cfg(not(unix))]
fn forward(sender: &Sender<Message>, _: Question) {
    while let Ok(event) = ratatui::crossterm::event::read() {
        if sender.send(Message::Terminal(event)).is_err() {
            return;
        }
    }
}

use ratatui::crossterm::event::{KeyEventKind, MouseButton, MouseEvent, MouseEventKind};

use super::*;

/// A decoder and the time at which its bytes arrive.
struct Typing {
    decoder: Decoder,
    now: Instant,
}

impl Typing {
    fn new() -> Self {
        Self { decoder: Decoder::default(), now: Instant::now() }
    }

    fn read(&mut self, bytes: impl AsRef<[u8]>) -> Vec<Input> {
        self.decoder.decode(bytes.as_ref(), self.now)
    }

    /// Lets time pass, and the decoder expire where it asks for that.
    fn wait(&mut self, milliseconds: u64) -> Vec<Input> {
        self.now += Duration::from_millis(milliseconds);
        self.decoder.expire(self.now)
    }
}

/// Returns what `bytes` mean, read at once and, as it must be the same, byte by byte.
fn inputs(bytes: impl AsRef<[u8]>) -> Vec<Input> {
    let bytes = bytes.as_ref();
    let mut typing = Typing::new();
    let mut whole = typing.read(bytes);
    whole.extend(typing.wait(5_000));
    let mut typing = Typing::new();
    let mut single: Vec<Input> = bytes.iter().flat_map(|byte| typing.read([*byte])).collect();
    single.extend(typing.wait(5_000));
    assert_eq!(whole, single, "{:?}", String::from_utf8_lossy(bytes));
    assert_eq!(typing.decoder.deadline(), None);
    whole
}

fn press(code: KeyCode, modifiers: KeyModifiers) -> Input {
    Input::Event(TerminalEvent::Key(KeyEvent::new(code, modifiers)))
}

fn letter(letter: char) -> Input {
    press(KeyCode::Char(letter), KeyModifiers::NONE)
}

fn paste(text: &str) -> Input {
    Input::Event(TerminalEvent::Paste(text.into()))
}

#[test]
fn keys_are_decoded() {
    const NONE: KeyModifiers = KeyModifiers::NONE;
    const ALT: KeyModifiers = KeyModifiers::ALT;
    const SHIFT: KeyModifiers = KeyModifiers::SHIFT;
    const CONTROL: KeyModifiers = KeyModifiers::CONTROL;
    for (bytes, code, modifiers) in [
        ("j", KeyCode::Char('j'), NONE),
        ("é", KeyCode::Char('é'), NONE),
        ("😀", KeyCode::Char('😀'), NONE),
        ("G", KeyCode::Char('G'), SHIFT),
        ("\r", KeyCode::Enter, NONE),
        ("\t", KeyCode::Tab, NONE),
        ("\x7f", KeyCode::Backspace, NONE),
        ("\0", KeyCode::Char(' '), CONTROL),
        ("\x03", KeyCode::Char('c'), CONTROL),
        ("\n", KeyCode::Char('j'), CONTROL),
        ("\x1f", KeyCode::Char('7'), CONTROL),
        ("\x1b", KeyCode::Esc, NONE),
        ("\x1bx", KeyCode::Char('x'), ALT),
        ("\x1bé", KeyCode::Char('é'), ALT),
        ("\x1b\x7f", KeyCode::Backspace, ALT),
        ("\x1b[", KeyCode::Char('['), ALT),
        ("\x1bO", KeyCode::Char('O'), ALT | SHIFT),
        ("\x1b]", KeyCode::Char(']'), ALT),
        ("\x1b[A", KeyCode::Up, NONE),
        ("\x1bOB", KeyCode::Down, NONE),
        ("\x1bOM", KeyCode::Enter, NONE),
        ("\x1bOq", KeyCode::Char('1'), NONE),
        ("\x1bOS", KeyCode::F(4), NONE),
        ("\x1b[1;5D", KeyCode::Left, CONTROL),
        ("\x1b[1;2P", KeyCode::F(1), SHIFT),
        ("\x1b[1;2R", KeyCode::F(3), SHIFT),
        ("\x1b[R", KeyCode::F(3), NONE),
        ("\x1b[[E", KeyCode::F(5), NONE),
        ("\x1b[Z", KeyCode::BackTab, SHIFT),
        ("\x1b[3~", KeyCode::Delete, NONE),
        ("\x1b[6;3~", KeyCode::PageDown, ALT),
        ("\x1b[24~", KeyCode::F(12), NONE),
        ("\x1b[34~", KeyCode::F(17), NONE),
        ("\x1b[27;5;9~", KeyCode::Tab, CONTROL),
        ("\x1b[97u", KeyCode::Char('a'), NONE),
        ("\x1b[97;5u", KeyCode::Char('a'), CONTROL),
        ("\x1b[97:65;2u", KeyCode::Char('A'), SHIFT),
        ("\x1b[27u", KeyCode::Esc, NONE),
        ("\x1b[9;2u", KeyCode::BackTab, SHIFT),
        ("\x1b[57376u", KeyCode::F(13), NONE),
        ("\x1b[57414u", KeyCode::Enter, NONE),
        ("\x1b[57426u", KeyCode::Delete, NONE),
    ] {
        assert_eq!(inputs(bytes), [press(code, modifiers)], "{bytes:?}");
    }
    let release = KeyEvent::new_with_kind(KeyCode::Up, NONE, KeyEventKind::Release);
    assert_eq!(inputs("\x1b[1;1:3A"), [Input::Event(TerminalEvent::Key(release))]);
    assert_eq!(
        inputs("\x1b[I\x1b[O"),
        [TerminalEvent::FocusGained, TerminalEvent::FocusLost].map(Input::Event)
    );
}

#[test]
fn the_mouse_is_decoded() {
    const NONE: KeyModifiers = KeyModifiers::NONE;
    for (bytes, kind, column, row, modifiers) in [
        ("\x1b[<0;10;5M", MouseEventKind::Down(MouseButton::Left), 9, 4, NONE),
        ("\x1b[<0;10;5m", MouseEventKind::Up(MouseButton::Left), 9, 4, NONE),
        ("\x1b[<2;300;1M", MouseEventKind::Down(MouseButton::Right), 299, 0, NONE),
        ("\x1b[<32;1;1M", MouseEventKind::Drag(MouseButton::Left), 0, 0, NONE),
        ("\x1b[<35;1;1M", MouseEventKind::Moved, 0, 0, NONE),
        ("\x1b[<64;1;1M", MouseEventKind::ScrollUp, 0, 0, NONE),
        ("\x1b[<69;1;1M", MouseEventKind::ScrollDown, 0, 0, KeyModifiers::SHIFT),
        ("\x1b[<66;1;1M", MouseEventKind::ScrollLeft, 0, 0, NONE),
        ("\x1b[M !\"", MouseEventKind::Down(MouseButton::Left), 0, 1, NONE),
    ] {
        let event = MouseEvent { kind, column, row, modifiers };
        assert_eq!(inputs(bytes), [Input::Event(TerminalEvent::Mouse(event))], "{bytes:?}");
    }
}

#[test]
fn what_means_nothing_is_dropped_alone() {
    for bytes in [
        &b"\x1b[999~j"[..],
        b"\x1b[<0;0;0Mj",
        b"\x1b[<0;1Mj",
        b"\x1b[<999999999999;1;1Mj",
        b"\x1b[12;30Rj",
        b"\x1b[99999999999999999999uj",
        b"\x1b[57441uj",
        b"\x1b[\xffj",
        b"\x80\xc3j",
        b"\xf0\x9f\x98j",
        b"\x1bO!j",
        b"\x1b]0;title\x07j",
        b"\x1bP1$r0m\x1b\\j",
        b"\x1b[201~j",
    ] {
        assert_eq!(inputs(bytes).last(), Some(&letter('j')), "{:?}", String::from_utf8_lossy(bytes));
    }
    // A sequence is cut off by the next.
    assert_eq!(inputs("\x1b[1;\x1b[A"), [press(KeyCode::Up, KeyModifiers::NONE)]);
    assert_eq!(inputs("\x1b]11;rgb:\x1b[A"), [press(KeyCode::Up, KeyModifiers::NONE)]);
    // Whatever follows endless ones, keys work again.
    for start in ["\x1b[", "\x1b]", "\x1b_"] {
        let mut typing = Typing::new();
        typing.read(format!("{start}{}", "1".repeat(5_000)));
        typing.wait(1_000);
        assert_eq!(typing.read("j"), [letter('j')], "{start:?}");
    }
}

#[test]
fn a_lone_escape_waits_for_a_moment() {
    let mut typing = Typing::new();
    assert_eq!(typing.read("\x1b"), []);
    assert_eq!(typing.wait(20), []);
    assert_eq!(typing.read("[A"), [press(KeyCode::Up, KeyModifiers::NONE)], "the key came in two parts");
    assert_eq!(typing.read("\x1b"), []);
    assert_eq!(typing.wait(60), [press(KeyCode::Esc, KeyModifiers::NONE)]);
    assert_eq!(typing.read("j"), [letter('j')]);
    assert_eq!(typing.read("\x1b\x1b"), [press(KeyCode::Esc, KeyModifiers::NONE)]);
    assert_eq!(typing.wait(60), [press(KeyCode::Esc, KeyModifiers::NONE)]);
}

#[test]
fn pasted_text_arrives_as_one() {
    assert_eq!(inputs("\x1b[200~a\r\nb é\x1b[201~j"), [paste("a\r\nb é"), letter('j')]);
    assert_eq!(inputs("\x1b[200~\x1b[201\x1b[201~"), [paste("\x1b[201")]);
    assert_eq!(inputs("\x1b[200~\x1b[201~"), [paste("")]);
    let mut typing = Typing::new();
    // Long ones come in parts, with pauses.
    assert_eq!(typing.read("\x1b[200~first part "), []);
    assert_eq!(typing.wait(900), []);
    assert_eq!(typing.read("second part "), []);
    assert_eq!(typing.wait(900), []);
    assert_eq!(typing.read("third part\x1b[2"), []);
    assert_eq!(typing.wait(100), []);
    assert_eq!(typing.read("01~"), [paste("first part second part third part")]);
    let long = format!("\x1b[200~{}\x1b[201~j", "x".repeat(LONGEST_PASTE + 5_000));
    let mut typing = Typing::new();
    let inputs: Vec<Input> = long.as_bytes().chunks(4095).flat_map(|part| typing.read(part)).collect();
    assert_eq!(inputs, [paste(&"x".repeat(LONGEST_PASTE)), letter('j')]);
}

#[test]
fn a_paste_without_its_end_is_given_up() {
    let mut typing = Typing::new();
    assert_eq!(typing.read("\x1b[200~abc"), []);
    assert_eq!(typing.wait(900), []);
    // Keys do not keep it open.
    assert_eq!(typing.read("j"), []);
    assert_eq!(typing.wait(200), [paste("abcj")]);
    assert_eq!(typing.read("j"), [letter('j')]);
    // Nor does anything keep Ctrl-C and Esc.
    typing.read("\x1b[200~abc");
    assert_eq!(typing.read("\x03"), [paste("abc"), press(KeyCode::Char('c'), KeyModifiers::CONTROL)]);
    typing.read("\x1b[200~abc");
    assert_eq!(typing.read("\x1b"), []);
    assert_eq!(typing.wait(60), [paste("abc"), press(KeyCode::Esc, KeyModifiers::NONE)]);
    assert_eq!(typing.read("j"), [letter('j')]);
}

#[test]
fn replies_are_told_from_keys() {
    use Reply::{Attributes, Background, Cell, Kitty};
    let reply = |reply| vec![Input::Reply(reply)];
    assert_eq!(inputs("\x1b]11;rgb:ffff/ffff/ffff\x1b\\"), reply(Background { light: true }));
    assert_eq!(inputs("\x1b]11;rgb:1e/1e/2e\x07"), reply(Background { light: false }));
    assert_eq!(inputs("\x1b_Gi=31;OK\x1b\\"), reply(Kitty));
    assert_eq!(inputs("\x1b_Gi=31;ENOTSUPPORTED\x1b\\"), []);
    assert_eq!(inputs("\x1b[?62;4;22c"), reply(Attributes { sixel: true }));
    assert_eq!(inputs("\x1b[6;20;9t"), reply(Cell(9, 20)));
    assert_eq!(
        inputs("j\x1b]11;rgb:0/0/0\x1b\\é\x1b[?6c\r"),
        [
            letter('j'),
            Input::Reply(Background { light: false }),
            letter('é'),
            Input::Reply(Attributes { sixel: false }),
            press(KeyCode::Enter, KeyModifiers::NONE),
        ]
    );
    // One that comes in parts, and one without its end.
    let mut typing = Typing::new();
    assert_eq!(typing.read("\x1b]11;rg"), []);
    assert_eq!(typing.wait(500), []);
    assert_eq!(typing.read("b:0/0/0\x07"), reply(Background { light: false }));
    assert_eq!(typing.read("\x1b]11;rg"), []);
    assert_eq!(typing.wait(1_100), []);
    assert_eq!(typing.read("j"), [letter('j')]);
}

//! The moving picture of a session: frames of the explorer, one after the other, in one SVG.

use std::collections::BTreeMap;
use std::fmt::Write;

use ratatui::crossterm::event::KeyCode;

use super::Explorer;
use super::svg;

/// Columns and rows of the terminal; two more rows show the keys.
const SIZE: (u16, u16) = (110, 30);

/// Seconds that a frame stays.
const SECONDS: f32 = 2.0;

/// Keys that lead to each frame, and its caption.
const STEPS: [(&[KeyCode], &str); 13] = [
    (&[], "the built-in model has translated a sentence: one head's map beside the tokens"),
    (&[KeyCode::Down], "the arrow keys walk over the map; the weight under the cursor is always a number"),
    (&[KeyCode::Char(']')], "] shows the next head"),
    (&[KeyCode::Char('}')], "} shows the next layer: this head aligns the words"),
    (&[KeyCode::Char('g')], "g: all heads of this kind of attention, with what they do"),
    (&[KeyCode::Char('5')], "5: the strongest long-range links over all heads"),
    (&[KeyCode::Home, KeyCode::Down, KeyCode::Down, KeyCode::Down], "each with its tokens in both texts"),
    (&[KeyCode::Enter], "Enter opens the map at that link"),
    (&[KeyCode::Char('*')], "*: the same link in every head, strongest first"),
    (
        &[KeyCode::Char('1'), KeyCode::Char('X')],
        "X: the run without this head; the panel says what the output loses",
    ),
    (&[KeyCode::Char('2')], "2: the source shaded by what a target token reads"),
    (&[KeyCode::Char('8')], "8: the two sequences joined by lines"),
    (&[KeyCode::Char('6')], "6: attention rolled out through all layers"),
];

/// Draws the session. A row that several frames share is in the picture once.
pub fn draw() -> String {
    let mut explorer = Explorer::open("demo", SIZE);
    let mut rows: BTreeMap<String, usize> = BTreeMap::new();
    let mut frames = String::new();
    let mut style = format!(
        "<style>.f{{visibility:hidden;animation:{:.0}s step-end infinite}}\n",
        SECONDS * STEPS.len() as f32
    );
    for (at, (keys, caption)) in STEPS.iter().enumerate() {
        keys.iter().for_each(|&key| explorer.press(key));
        let share = 100.0 / STEPS.len() as f32;
        let (from, to) = (share * at as f32, share * (at + 1) as f32);
        let _ = writeln!(
            style,
            "@keyframes k{at}{{0%{{visibility:hidden}}{from:.2}%{{visibility:visible}}{to:.2}%{{visibility:hidden}}}}"
        );
        let _ = writeln!(frames, "<g class=\"f\" style=\"animation-name:k{at}\">");
        for y in 0..SIZE.1 {
            let count = rows.len();
            let row = *rows.entry(svg::row(&explorer.frame, y)).or_insert(count);
            let _ = writeln!(frames, "<use href=\"#r{row}\" y=\"{:.0}\"/>", f32::from(y) * svg::CELL.1);
        }
        let base = f32::from(SIZE.1 + 1) * svg::CELL.1 + 10.0;
        let _ =
            writeln!(frames, "<text x=\"0\" y=\"{base:.0}\" font-style=\"italic\">{caption}</text>\n</g>");
    }
    // Readers who ask for less motion see the first frame.
    style += "@media (prefers-reduced-motion:reduce){.f{animation:none}.f:first-of-type{visibility:visible}}</style>\n";
    let mut shared: Vec<_> = rows.iter().collect();
    shared.sort_by_key(|(_, number)| **number);
    let shared: String =
        shared.iter().map(|(row, number)| format!("<g id=\"r{number}\">\n{row}</g>\n")).collect();
    svg::terminal(SIZE.0, SIZE.1 + 2, &style, &format!("<defs>\n{shared}</defs>\n{frames}"))
}

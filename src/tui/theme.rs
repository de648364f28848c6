//! Colours: what the terminal can show, and what the program shows with it.

use ratatui::style::{Color, Modifier, Style};

use crate::paint::{Colormap, Ramp, ink};

/// How many colours the terminal shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// None: `NO_COLOR`, or a dumb terminal. Weights are glyphs.
    Mono,
    /// The sixteen named colours. Weights are glyphs.
    Ansi16,
    /// The 256-colour palette.
    Ansi256,
    /// 24-bit colour.
    #[default]
    True,
}

impl Depth {
    /// Reads the depth from the environment: `NO_COLOR`, `COLORTERM`, `TERM`.
    pub fn detect(var: impl Fn(&str) -> Option<String>) -> Self {
        if var("NO_COLOR").is_some_and(|value| !value.is_empty()) {
            return Depth::Mono;
        }
        let term = var("TERM").unwrap_or_default();
        let color = var("COLORTERM").unwrap_or_default().to_ascii_lowercase();
        if term == "dumb" {
            Depth::Mono
        } else if color.contains("truecolor") || color.contains("24bit") || term.ends_with("-direct") {
            Depth::True
        } else if term.contains("256color") || var("WT_SESSION").is_some() {
            Depth::Ansi256
        } else {
            Depth::Ansi16
        }
    }
}

/// Shades that a colour map is quantised to: fewer colours mean fewer bytes to the terminal.
pub const LEVELS: usize = 32;

/// How weights become cells, and which style everything else has.
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    /// What the terminal shows.
    pub depth: Depth,
    /// Whether the terminal's background is light.
    pub light: bool,
    /// The colour map of weights.
    pub colormap: Colormap,
    /// Draw weights as glyphs, whatever the terminal shows.
    pub glyphs: bool,
    /// Draw glyphs with ASCII alone.
    pub ascii: bool,
}

impl Default for Theme {
    fn default() -> Self {
        Self { depth: Depth::True, light: false, colormap: Colormap::Magma, glyphs: false, ascii: false }
    }
}

/// What a weight looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shade {
    /// Background, where the terminal has the colours for it.
    pub color: Option<Color>,
    /// Ink on that background that is easy to read.
    pub ink: Color,
    /// The glyph, where weights are drawn as glyphs.
    pub glyph: char,
}

impl Theme {
    /// A theme for the terminal that the environment describes.
    pub fn detect(var: impl Fn(&str) -> Option<String>) -> Self {
        let depth = Depth::detect(&var);
        // COLORFGBG is "foreground;background": 7 and 15 are white
        let light = var("COLORFGBG")
            .and_then(|v| v.rsplit(';').next()?.parse::<u8>().ok())
            .is_some_and(|bg| bg == 7 || bg == 15);
        let utf8 = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .find_map(|name| var(name).filter(|value| !value.is_empty()))
            .is_none_or(|value| value.to_ascii_lowercase().replace('-', "").contains("utf8"));
        Self { depth, ascii: !utf8, ..Self::default() }.on(light)
    }

    /// The theme on a light or a dark background, with the colour map that suits it.
    pub fn on(self, light: bool) -> Self {
        let colormap = if light { Colormap::Ink } else { Colormap::Magma };
        Self { light, colormap, ..self }
    }

    /// Whether weights are drawn as glyphs.
    pub fn draws_glyphs(&self) -> bool {
        self.glyphs || self.depth <= Depth::Ansi16
    }

    /// The look of a weight scaled to `0..=1`.
    pub fn shade(&self, level: f32) -> Shade {
        let level = if level.is_finite() { level.clamp(0.0, 1.0) } else { 0.0 };
        let glyph = self.glyph(level);
        if self.draws_glyphs() {
            return Shade { color: None, ink: Color::Reset, glyph };
        }
        let step = (level * (LEVELS - 1) as f32).round() / (LEVELS - 1) as f32;
        let color = self.colormap.color(step);
        Shade { color: Some(self.color(color)), ink: self.color(ink(color)), glyph }
    }

    fn glyph(&self, level: f32) -> char {
        let ramp = if self.ascii { Ramp::Ascii } else { Ramp::Blocks };
        // anything above a fiftieth leaves a trace
        if level < 0.02 { ' ' } else { ramp.glyph(level.max(0.15)) }
    }

    fn color(&self, [r, g, b]: [u8; 3]) -> Color {
        match self.depth {
            Depth::True => Color::Rgb(r, g, b),
            _ => Color::Indexed(nearest_256([r, g, b])),
        }
    }

    fn ink(&self, dark: [u8; 3], light: [u8; 3], named: Color) -> Style {
        match self.depth {
            Depth::Mono => Style::new(),
            Depth::Ansi16 => Style::new().fg(named),
            _ => Style::new().fg(self.color(if self.light { light } else { dark })),
        }
    }

    /// Ordinary text.
    pub fn text(&self) -> Style {
        Style::new()
    }

    /// Text that matters less.
    pub fn dim(&self) -> Style {
        match self.depth {
            Depth::Mono => Style::new().add_modifier(Modifier::DIM),
            _ => self.ink([128, 134, 142], [110, 114, 120], Color::DarkGray),
        }
    }

    /// Lines and frames.
    pub fn line(&self) -> Style {
        match self.depth {
            Depth::Mono => Style::new().add_modifier(Modifier::DIM),
            _ => self.ink([72, 78, 88], [190, 194, 200], Color::DarkGray),
        }
    }

    /// The one accent: what is selected.
    pub fn accent(&self) -> Style {
        self.ink([110, 200, 255], [0, 92, 160], Color::Cyan).add_modifier(Modifier::BOLD)
    }

    /// The query's tokens, where query and key both show.
    pub fn query(&self) -> Style {
        self.accent()
    }

    /// A selected item of a list, a tab, a button.
    pub fn selected(&self) -> Style {
        match self.depth {
            Depth::Mono => Style::new().add_modifier(Modifier::REVERSED),
            Depth::Ansi16 => Style::new().fg(Color::Black).bg(Color::Cyan),
            _ if self.light => Style::new().fg(self.color([255, 255, 255])).bg(self.color([0, 92, 160])),
            _ => Style::new().fg(self.color([10, 20, 30])).bg(self.color([110, 200, 255])),
        }
    }

    /// Something went wrong.
    pub fn error(&self) -> Style {
        self.ink([255, 120, 110], [180, 30, 20], Color::Red).add_modifier(Modifier::BOLD)
    }

    /// Bars of lists.
    pub fn bar(&self) -> Style {
        self.ink([230, 150, 70], [190, 100, 20], Color::Yellow)
    }

    /// The look of a change in `-1..=1`: one hue for more, another for less, nothing for none.
    pub fn change(&self, change: f32) -> (char, Style) {
        let size = if change.is_finite() { change.abs().min(1.0) } else { 0.0 };
        if self.draws_glyphs() {
            let glyph = match (size >= 0.05, change > 0.0, size >= 0.5) {
                (false, ..) => '·',
                (_, true, true) => '#',
                (_, true, false) => '+',
                (_, false, true) => '=',
                (_, false, false) => '-',
            };
            return (glyph, if size >= 0.05 { self.text() } else { self.line() });
        }
        let step = (size * (LEVELS - 1) as f32).round() / (LEVELS - 1) as f32;
        let (from, to) = match (self.light, change > 0.0) {
            (false, true) => ([18.0, 18.0, 22.0], [255.0, 120.0, 80.0]),
            (false, false) => ([18.0, 18.0, 22.0], [90.0, 150.0, 255.0]),
            (true, true) => ([247.0, 247.0, 247.0], [178.0, 24.0, 43.0]),
            (true, false) => ([247.0, 247.0, 247.0], [33.0, 102.0, 172.0]),
        };
        let mut mixed = [0u8; 3];
        for (out, (a, b)) in mixed.iter_mut().zip(std::iter::zip(from, to)) {
            *out = (a + (b - a) * step) as u8;
        }
        (' ', Style::new().bg(self.color(mixed)))
    }

    /// Style of text on a shade: its background where there is colour; else the stronger, the more marked.
    pub fn shaded_text(&self, level: f32) -> Style {
        let shade = self.shade(level);
        if let Some(color) = shade.color {
            return Style::new().fg(shade.ink).bg(color);
        }
        let style = match level {
            l if l >= 0.6 => Style::new().add_modifier(Modifier::REVERSED),
            l if l >= 0.3 => Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
            l if l >= 0.1 => Style::new().add_modifier(Modifier::UNDERLINED),
            _ => Style::new().add_modifier(Modifier::DIM),
        };
        if self.depth == Depth::Ansi16 && level >= 0.1 { style.fg(Color::Yellow) } else { style }
    }
}

/// The nearest colour of the 256-colour palette's cube and greys.
fn nearest_256([r, g, b]: [u8; 3]) -> u8 {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let nearest = |v: u8| {
        (0..6u8).min_by_key(|&i| STEPS.get(usize::from(i)).map_or(255, |s| s.abs_diff(v))).unwrap_or(0)
    };
    let step = |i: u8| STEPS.get(usize::from(i)).copied().unwrap_or(0);
    let distance = |x: (u8, u8, u8)| {
        [(x.0, r), (x.1, g), (x.2, b)].iter().map(|(p, q)| u32::from(p.abs_diff(*q)).pow(2)).sum::<u32>()
    };
    let cube = (nearest(r), nearest(g), nearest(b));
    let mean = (u32::from(r) + u32::from(g) + u32::from(b)) / 3;
    let grey = (mean.saturating_sub(3) / 10).min(23) as u8;
    let grey_value = 8 + grey * 10;
    if distance((grey_value, grey_value, grey_value)) < distance((step(cube.0), step(cube.1), step(cube.2))) {
        232 + grey
    } else {
        16 + 36 * cube.0 + 6 * cube.1 + cube.2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(vars: &[(&str, &str)]) -> Depth {
        Depth::detect(|name| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string()))
    }

    #[test]
    fn the_environment_tells_the_depth() {
        assert_eq!(depth(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]), Depth::True);
        assert_eq!(depth(&[("TERM", "xterm-256color")]), Depth::Ansi256);
        assert_eq!(depth(&[("TERM", "linux")]), Depth::Ansi16);
        assert_eq!(depth(&[("TERM", "xterm-256color"), ("NO_COLOR", "1")]), Depth::Mono);
        assert_eq!(depth(&[("TERM", "xterm-256color"), ("NO_COLOR", "")]), Depth::Ansi256);
        assert_eq!(depth(&[("TERM", "dumb"), ("COLORTERM", "truecolor")]), Depth::Mono);
    }

    #[test]
    fn the_palette_holds_its_own_colours() {
        assert_eq!(nearest_256([0, 0, 0]), 16);
        assert_eq!(nearest_256([255, 255, 255]), 231);
        assert_eq!(nearest_256([95, 135, 175]), 67);
        assert_eq!(nearest_256([128, 128, 128]), 244);
    }

    #[test]
    fn weights_become_more_ink() {
        let theme = Theme { depth: Depth::Mono, ..Theme::default() };
        let glyphs: Vec<char> = [0.0, 0.03, 0.5, 1.0].iter().map(|&w| theme.shade(w).glyph).collect();
        assert_eq!(glyphs, [' ', '·', '▒', '█']);
        assert_eq!(theme.shade(1.0).color, None);
        assert_eq!(theme.shade(f32::NAN).glyph, ' ');
    }
}

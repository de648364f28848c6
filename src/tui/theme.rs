//! The theme: terminal colour depth, styles of the interface, and colours of weights.

use ratatui::style::{Color, Modifier, Style};

use super::palette::{Chosen, Palette, Rgb};
use crate::config::Background;
use crate::paint::{Colormap, Ramp, ink, xterm};

/// Colour depth of the terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// No colours: `NO_COLOR` or a dumb terminal. Weights are drawn as glyphs.
    Mono,
    /// The 16 named colours. Weights are drawn as glyphs.
    Ansi16,
    /// The 256-colour palette.
    Ansi256,
    /// 24-bit colour.
    #[default]
    True,
}

impl Depth {
    /// Detects the depth from the environment variables `NO_COLOR`, `COLORTERM`, `TERM` and `WT_SESSION`.
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

/// Number of shades that a colour map is quantised to. Fewer colours mean less output to the terminal.
pub const LEVELS: usize = 32;

/// Colours and styles of the screen.
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    /// Colour depth of the terminal.
    pub depth: Depth,
    /// True if the terminal's background is light.
    pub light: bool,
    /// Colours of everything except weights.
    pub palette: Palette,
    /// Theme file of the user.
    pub chosen: Option<Chosen>,
    /// Colour map of weights.
    pub colormap: Colormap,
    /// True to draw weights as glyphs at any colour depth.
    pub glyphs: bool,
    /// True to use only ASCII characters as glyphs.
    pub ascii: bool,
}

impl Default for Theme {
    fn default() -> Self {
        Self {
            depth: Depth::True,
            light: false,
            palette: Palette::DARK,
            chosen: None,
            colormap: Colormap::Magma,
            glyphs: false,
            ascii: false,
        }
    }
}

/// Appearance of a weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shade {
    /// Background colour; `None` if weights are drawn as glyphs.
    pub color: Option<Color>,
    /// Text colour with good contrast on the background.
    pub ink: Color,
    /// Glyph to draw if there is no background colour.
    pub glyph: char,
}

impl Theme {
    /// Creates a theme for the terminal described by the environment variables.
    pub fn detect(var: impl Fn(&str) -> Option<String>) -> Self {
        let depth = Depth::detect(&var);
        // COLORFGBG is "foreground;background"; 7 and 15 are white.
        let light = var("COLORFGBG")
            .and_then(|v| v.rsplit(';').next()?.parse::<u8>().ok())
            .is_some_and(|bg| bg == 7 || bg == 15);
        let utf8 = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .find_map(|name| var(name).filter(|value| !value.is_empty()))
            .is_none_or(|value| value.to_ascii_lowercase().replace('-', "").contains("utf8"));
        Self { depth, ascii: !utf8, ..Self::default() }.on(light)
    }

    /// Returns the theme for a light or dark background, with the default colour map for it unless the user
    /// chose one.
    pub fn on(self, light: bool) -> Self {
        let suits = |light: bool| if light { Colormap::Ink } else { Colormap::Magma };
        let colormap = if self.colormap == suits(self.light) { suits(light) } else { self.colormap };
        let palette = Palette::on(light);
        let palette = self.chosen.as_ref().map_or(palette, |chosen| chosen.over(palette));
        Self { light, colormap, palette, ..self }
    }

    /// Returns the theme with the colours of a theme file.
    pub fn with(self, chosen: Chosen) -> Self {
        let light = match chosen.background {
            Background::Auto => self.light,
            Background::Dark => false,
            Background::Light => true,
        };
        let colormap = chosen.colormap;
        let theme = Self { chosen: Some(chosen), ..self }.on(light);
        Self { colormap: colormap.unwrap_or(theme.colormap), ..theme }
    }

    /// Returns true if weights are drawn as glyphs.
    pub fn draws_glyphs(&self) -> bool {
        self.glyphs || self.depth <= Depth::Ansi16
    }

    /// Returns the appearance of a weight that is scaled to `0..=1`.
    pub fn shade(&self, level: f32) -> Shade {
        let level = if level.is_finite() { level.clamp(0.0, 1.0) } else { 0.0 };
        let glyph = self.glyph(level);
        if self.draws_glyphs() {
            return Shade { color: None, ink: Color::Reset, glyph };
        }
        let step = (level * (LEVELS - 1) as f32).round() / (LEVELS - 1) as f32;
        let color = self.colormap.color(step);
        let ground = match self.depth {
            Depth::True => self.color(color),
            _ => Color::Indexed(self.colormap.indexed(step)),
        };
        Shade { color: Some(ground), ink: self.color(ink(color)), glyph }
    }

    /// Returns the colour of a weight that is scaled to `0..=1`.
    pub fn weight_color(&self, level: f32) -> Rgb {
        let step = (level.clamp(0.0, 1.0) * (LEVELS - 1) as f32).round() / (LEVELS - 1) as f32;
        self.colormap.color(step)
    }

    /// Returns the colour of a picture that is not known.
    pub fn paper(&self) -> Rgb {
        if self.light { [235; 3] } else { [40; 3] }
    }

    /// Returns the terminal's colour for red, green and blue.
    pub fn rgb(&self, rgb: Rgb) -> Color {
        self.color(rgb)
    }

    fn glyph(&self, level: f32) -> char {
        let ramp = if self.ascii { Ramp::Ascii } else { Ramp::Blocks };
        // Everything from 0.02 on shows at least the faintest glyph.
        if level < 0.02 { ' ' } else { ramp.glyph(level.max(0.15)) }
    }

    fn color(&self, [r, g, b]: Rgb) -> Color {
        match self.depth {
            Depth::True => Color::Rgb(r, g, b),
            _ => Color::Indexed(xterm::nearest([r, g, b])),
        }
    }

    fn ink(&self, color: Rgb, named: Color) -> Style {
        match self.depth {
            Depth::Mono => Style::new(),
            Depth::Ansi16 => Style::new().fg(self.named(named)),
            _ => Style::new().fg(self.color(color)),
        }
    }

    /// Returns a named colour or, in place of one that is pale on a light background, a dark one.
    fn named(&self, color: Color) -> Color {
        match color {
            Color::Cyan if self.light => Color::Blue,
            Color::Yellow if self.light => Color::Magenta,
            other => other,
        }
    }

    /// Returns the style of ordinary text.
    pub fn text(&self) -> Style {
        Style::new()
    }

    /// Returns the style of secondary text.
    pub fn dim(&self) -> Style {
        match self.depth {
            Depth::Mono => Style::new().add_modifier(Modifier::DIM),
            _ => self.ink(self.palette.dim, Color::DarkGray),
        }
    }

    /// Returns the style of lines and frames.
    pub fn line(&self) -> Style {
        match self.depth {
            Depth::Mono => Style::new().add_modifier(Modifier::DIM),
            _ => self.ink(self.palette.line, Color::DarkGray),
        }
    }

    /// Returns the accent style, for the selection and for keys.
    pub fn accent(&self) -> Style {
        self.ink(self.palette.accent, Color::Cyan).add_modifier(Modifier::BOLD)
    }

    /// Returns the style of the selected query's tokens where the key's tokens show, too.
    pub fn query(&self) -> Style {
        self.accent()
    }

    /// Returns the style of a selected list item, tab or button.
    pub fn selected(&self) -> Style {
        match self.depth {
            Depth::Mono => Style::new().add_modifier(Modifier::REVERSED),
            Depth::Ansi16 => Style::new().fg(Color::Black).bg(Color::Cyan),
            _ => {
                let (text, ground) = (self.palette.selected, self.palette.selected_ground);
                Style::new().fg(self.color(text)).bg(self.color(ground))
            }
        }
    }

    /// Returns the style of errors.
    pub fn error(&self) -> Style {
        self.ink(self.palette.error, Color::Red).add_modifier(Modifier::BOLD)
    }

    /// Returns the style of bars in lists.
    pub fn bar(&self) -> Style {
        self.ink(self.palette.bar, Color::Yellow)
    }

    /// Returns the glyph and style of a change in `-1..=1`: one hue for an increase, another for a decrease.
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
        (' ', Style::new().bg(self.color(self.mixed(change))))
    }

    /// Returns the appearance of a signed value scaled to `-1..=1`, in the hues of [`Theme::change`].
    pub fn signed(&self, level: f32) -> Shade {
        let (glyph, style) = self.change(level);
        if self.draws_glyphs() {
            return Shade { color: None, ink: Color::Reset, glyph };
        }
        let ground = self.mixed(level);
        Shade { color: style.bg, ink: self.color(ink(ground)), glyph }
    }

    /// Returns the colour of a change in `-1..=1`.
    fn mixed(&self, change: f32) -> Rgb {
        let size = if change.is_finite() { change.abs().min(1.0) } else { 0.0 };
        let step = (size * (LEVELS - 1) as f32).round() / (LEVELS - 1) as f32;
        let to = if change > 0.0 { self.palette.more } else { self.palette.less };
        mix(self.palette.same, &[(to, step)])
    }

    /// Returns the style for the name of the marked head number `at`.
    pub fn hue(&self, at: usize) -> Style {
        let Some(&(color, named)) = HUES.get(at % HUES.len()) else { return Style::new() };
        let style = if self.depth == Depth::Ansi16 { Style::new().fg(named) } else { self.ink(color, named) };
        style.add_modifier(Modifier::BOLD)
    }

    /// Number of hues that tell heads apart.
    pub const HUES: usize = HUES.len();

    /// Returns the colour of a line of a strength in `0..=1`, in a hue or, for `None`, in the colour map.
    pub fn stroke_color(&self, hue: Option<usize>, level: f32) -> Rgb {
        let step = (level.clamp(0.0, 1.0) * (LEVELS - 1) as f32).round() / (LEVELS - 1) as f32;
        let ground = if self.light { [255, 255, 255] } else { [0, 0, 0] };
        match hue.and_then(|hue| HUES.get(hue % HUES.len())) {
            // The faintest line is still told from the background.
            Some((color, _)) => mix(ground, &[(*color, 0.15 + 0.85 * step)]),
            None => self.colormap.color(0.15 + 0.85 * step),
        }
    }

    /// Returns the style of a line of a strength in `0..=1`, as [`Theme::stroke_color`] or, with fewer colours, dim,
    /// plain or bold.
    pub fn stroke(&self, hue: Option<usize>, level: f32) -> Style {
        if !self.draws_glyphs() {
            return Style::new().fg(self.color(self.stroke_color(hue, level)));
        }
        let style = match (self.depth, hue.and_then(|hue| HUES.get(hue % HUES.len()))) {
            (Depth::Mono, _) | (_, None) => Style::new(),
            (_, Some((_, named))) => Style::new().fg(*named),
        };
        match level {
            level if level >= 0.6 => style.add_modifier(Modifier::BOLD),
            level if level >= 0.25 => style,
            _ => style.add_modifier(Modifier::DIM),
        }
    }

    /// Returns the style of text that several heads shade at once, each in its hue at its level in `0..=1`.
    /// With 16 colours it is the hue of the strongest head, without colours that of [`Theme::shaded_text`].
    pub fn overlaid_text(&self, levels: &[f32]) -> Style {
        let strongest = levels.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        let Some((at, level)) = strongest else { return Style::new() };
        if self.draws_glyphs() {
            let style = self.shaded_text(level);
            let colored = self.depth == Depth::Ansi16 && level >= 0.1;
            return if colored { style.patch(self.hue(at)) } else { style };
        }
        let ground = if self.light { [255, 255, 255] } else { [0, 0, 0] };
        let steps = (LEVELS - 1) as f32;
        let over: Vec<(Rgb, f32)> = levels
            .iter()
            .enumerate()
            .filter_map(|(at, level)| Some((HUES.get(at % HUES.len())?.0, (level * steps).round() / steps)))
            .collect();
        let mixed = mix(ground, &over);
        Style::new().fg(self.color(ink(mixed))).bg(self.color(mixed))
    }

    /// Returns the style of text shaded by a level in `0..=1`: a background colour or, without colours, dim,
    /// underlined, bold or reversed text.
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
        match self.depth == Depth::Ansi16 && level >= 0.1 {
            true => style.fg(self.named(Color::Yellow)),
            false => style,
        }
    }
}

/// Mixes colours over a background, each by its share in `0..=1`. Shares add up, so that two overlapping
/// colours both stay visible.
fn mix(ground: Rgb, over: &[(Rgb, f32)]) -> Rgb {
    let mut mixed = [0u8; 3];
    for (channel, out) in mixed.iter_mut().enumerate() {
        let of = |color: Rgb| color.get(channel).copied().map_or(0.0, f32::from);
        let sum: f32 = over.iter().map(|&(color, share)| (of(color) - of(ground)) * share).sum();
        *out = (of(ground) + sum).clamp(0.0, 255.0) as u8;
    }
    mixed
}

/// Hues that people with colour-vision deficiency can tell apart (Okabe and Ito 2008), each with the nearest
/// of the 16 named colours.
const HUES: [(Rgb, Color); 6] = [
    ([230, 159, 0], Color::Yellow),
    ([86, 180, 233], Color::Cyan),
    ([0, 158, 115], Color::Green),
    ([204, 121, 167], Color::Magenta),
    ([213, 94, 0], Color::Red),
    ([0, 114, 178], Color::Blue),
];

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
    fn named_colours_are_dark_on_a_light_background() {
        let theme = |light| Theme { depth: Depth::Ansi16, ..Theme::default() }.on(light);
        assert_eq!(
            (theme(false).accent().fg, theme(true).accent().fg),
            (Some(Color::Cyan), Some(Color::Blue))
        );
        let shaded = |light| theme(light).shaded_text(0.9).fg;
        assert_eq!((shaded(false), shaded(true)), (Some(Color::Yellow), Some(Color::Magenta)));
        assert_ne!(theme(true).hue(0), theme(true).hue(3));
    }

    #[test]
    fn hues_add_up() {
        assert_eq!(mix([0, 0, 0], &[([200, 0, 0], 0.5), ([0, 100, 0], 1.0)]), [100, 100, 0]);
        assert_eq!(mix([255, 255, 255], &[([55, 255, 255], 1.0), ([155, 255, 255], 1.0)]), [0, 255, 255]);
        let theme = Theme::default();
        assert_eq!(theme.overlaid_text(&[0.0, 0.0]).bg, Some(Color::Rgb(0, 0, 0)));
        assert_eq!(theme.overlaid_text(&[1.0, 0.0]).bg, Some(Color::Rgb(230, 159, 0)));
        assert_eq!(theme.overlaid_text(&[]), Style::new());
    }

    #[test]
    fn a_chosen_colour_map_outlives_the_background() {
        assert_eq!(Theme::default().on(true).colormap, Colormap::Ink);
        let chosen = Theme { colormap: Colormap::Cividis, ..Theme::default() };
        assert_eq!(chosen.on(true).colormap, Colormap::Cividis);
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

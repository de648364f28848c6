//! The 256-colour palette of xterm: a 6 x 6 x 6 cube and 24 greys.

/// Levels of a channel of the cube.
const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// Returns the number of the palette's nearest colour by red, green and blue.
pub fn nearest(color: [u8; 3]) -> u8 {
    let level = |channel: u8| (0..CUBE.len()).min_by_key(|&at| CUBE[at].abs_diff(channel)).unwrap_or(0);
    let [r, g, b] = color.map(level);
    let cube = (16 + 36 * r + 6 * g + b, [CUBE[r], CUBE[g], CUBE[b]]);
    let mean = color.iter().map(|&channel| usize::from(channel)).sum::<usize>() / 3;
    let step = (mean.saturating_sub(3) / 10).min(23);
    let grey = (232 + step, [(8 + 10 * step) as u8; 3]);
    let distance = |shade: [u8; 3]| -> u32 {
        shade.iter().zip(color).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
    };
    (if distance(grey.1) < distance(cube.1) { grey.0 } else { cube.0 }) as u8
}

/// Returns the numbers of the palette's colours that look most like those of a colour map, from its lower end on.
/// If the lightness of the map only rises or only falls (`monotone`), so does that of the returned colours: the
/// nearest colours alone would make a stronger weight look weaker, as the palette has few dark colours.
pub fn ramp(colors: &[[u8; 3]], monotone: bool) -> Vec<u8> {
    let palette: Vec<(u8, Oklab)> = (16..=255).map(|number| (number, Oklab::of(color(number)))).collect();
    let wanted: Vec<Oklab> = colors.iter().map(|&color| Oklab::of(color)).collect();
    let rises =
        wanted.first().zip(wanted.last()).is_some_and(|(first, last)| first.lightness < last.lightness);
    let mut reached = if rises { f32::MIN } else { f32::MAX };
    let mut numbers = Vec::with_capacity(wanted.len());
    for wanted in wanted {
        let goes_on = |lightness: f32| if rises { lightness >= reached } else { lightness <= reached };
        let allowed = palette.iter().filter(|(_, shade)| !monotone || goes_on(shade.lightness));
        let best = allowed.min_by(|a, b| a.1.distance(wanted).total_cmp(&b.1.distance(wanted)));
        if let Some((number, shade)) = best {
            reached = shade.lightness;
            numbers.push(*number);
        }
    }
    numbers
}

/// Returns the red, green and blue of a colour of the cube or of the greys.
fn color(number: u8) -> [u8; 3] {
    match usize::from(number.saturating_sub(16)) {
        at @ 0..216 => [CUBE[at / 36], CUBE[at / 6 % 6], CUBE[at % 6]],
        at => [(8 + 10 * (at - 216)) as u8; 3],
    }
}

/// A colour in the space Oklab, in which distances are as the eye sees them (Ottosson 2020, "A perceptual color
/// space for image processing").
#[derive(Clone, Copy)]
struct Oklab {
    lightness: f32,
    a: f32,
    b: f32,
}

impl Oklab {
    fn of(color: [u8; 3]) -> Self {
        let [r, g, b] = color.map(|channel| {
            let value = f32::from(channel) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        });
        let long = (0.412_221_46 * r + 0.536_332_55 * g + 0.051_445_995 * b).cbrt();
        let middle = (0.211_903_5 * r + 0.680_699_5 * g + 0.107_396_96 * b).cbrt();
        let short = (0.088_302_46 * r + 0.281_718_85 * g + 0.629_978_7 * b).cbrt();
        Self {
            lightness: 0.210_454_26 * long + 0.793_617_8 * middle - 0.004_072_047 * short,
            a: 1.977_998_5 * long - 2.428_592_2 * middle + 0.450_593_7 * short,
            b: 0.025_904_037 * long + 0.782_771_77 * middle - 0.808_675_77 * short,
        }
    }

    fn distance(self, other: Self) -> f32 {
        (self.lightness - other.lightness).powi(2) + (self.a - other.a).powi(2) + (self.b - other.b).powi(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paint::Colormap;

    #[test]
    fn the_palette_holds_its_own_colours() {
        for (color, number) in [
            ([0, 0, 0], 16),
            ([255, 255, 255], 231),
            ([255, 0, 0], 196),
            ([95, 135, 175], 67),
            ([128, 128, 128], 244),
        ] {
            assert_eq!(nearest(color), number);
            assert_eq!(super::color(number), color);
        }
    }

    #[test]
    fn a_stronger_weight_never_looks_weaker() {
        let steps = |map: Colormap| (0..32).map(move |step| map.indexed(step as f32 / 31.0));
        let lightness = |number: u8| Oklab::of(color(number)).lightness;
        for map in [Colormap::Viridis, Colormap::Cividis, Colormap::Magma, Colormap::Grays] {
            let levels: Vec<f32> = steps(map).map(lightness).collect();
            assert!(levels.is_sorted(), "{map}: {levels:?}");
            let mut numbers: Vec<u8> = steps(map).collect();
            numbers.dedup();
            assert!(numbers.len() >= 8, "{map}: {numbers:?}");
        }
        assert!(steps(Colormap::Ink).map(lightness).is_sorted_by(|a, b| a >= b));
        // The nearest colours of magma turn to navy, which is darker than the grey before it.
        let nearest = (0..32).map(|step| lightness(nearest(Colormap::Magma.color(step as f32 / 31.0))));
        assert!(!nearest.is_sorted());
    }
}

//! Weights over a picture.

/// Share of a pixel's own brightness where no weight lies on it.
const DARKENED: f32 = 0.45;

/// Largest share of a weight's colour in a pixel, so that strokes stay visible under it.
const OVERLAID: f32 = 0.75;

/// Lays the colour of a weight, scaled to `0..=1`, over a pixel, which is the darker the less weight there is.
pub fn overlay(own: [u8; 3], color: [u8; 3], level: f32) -> [u8; 3] {
    let level = if level.is_finite() { level.clamp(0.0, 1.0) } else { 0.0 };
    let share = OVERLAID * level;
    let dark = DARKENED + (1.0 - DARKENED) * level;
    [0, 1, 2].map(|at| (f32::from(own[at]) * dark * (1.0 - share) + f32::from(color[at]) * share) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_lights_a_pixel() {
        assert_eq!(overlay([200; 3], [9; 3], 0.0), [90; 3]);
        assert_eq!(overlay([200; 3], [9; 3], f32::NAN), [90; 3]);
        let lit = overlay([200, 0, 0], [255, 255, 0], 1.0);
        assert!(lit[0] > 200 && lit[1] > 150, "{lit:?}");
    }
}

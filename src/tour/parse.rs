//! The tour file format: Markdown in which each step begins with TOML front matter between two lines of
//! `+++`.

use super::front_matter::FrontMatter;
use super::step::Tour;
use crate::error::{Error, Result};

/// Files of the built-in tour, one per step.
static STEPS: [&str; 10] = [
    include_str!("../../assets/tour/1-one-vector.md"),
    include_str!("../../assets/tour/2-attention.md"),
    include_str!("../../assets/tour/3-self-attention.md"),
    include_str!("../../assets/tour/4-causal.md"),
    include_str!("../../assets/tour/5-cross-attention.md"),
    include_str!("../../assets/tour/6-many-heads.md"),
    include_str!("../../assets/tour/7-distance.md"),
    attn_tui_demo_speech::TOUR_STEP,
    attn_tui_demo_ocr::TOUR_STEP,
    include_str!("../../assets/tour/8-try-it.md"),
];

/// Parses the built-in tour: `assets/tour`, and before its last step those of the crates of built-in data.
///
/// # Errors
/// [`Error::BadFile`] if the files are malformed, which a test rules out.
pub fn built_in() -> Result<Tour> {
    parse("assets/tour", &STEPS.join("\n"))
}

/// Parses a tour; errors name it `file`.
///
/// # Errors
/// [`Error::BadFile`] with the number of the step and what is wrong with it.
pub fn parse(file: &str, text: &str) -> Result<Tour> {
    let mut title = None;
    let mut steps = Vec::new();
    for (front, body) in blocks(file, text)? {
        let number = steps.len() + 1;
        let bad_step =
            |why: String| Error::BadFile { file: file.into(), why: format!("step {number}: {why}") };
        let front: FrontMatter =
            toml::from_str(&front).map_err(|error| bad_step(error.to_string().trim_end().to_string()))?;
        title = title.or(front.tour.clone());
        steps.push(front.step(&body).map_err(bad_step)?);
    }
    if steps.is_empty() {
        return Err(Error::BadFile {
            file: file.into(),
            why: "no step: each step begins with front matter between two lines of +++".into(),
        });
    }
    Ok(Tour { title: title.unwrap_or_else(|| file.to_string()), steps })
}

/// Line before and after the front matter.
const FENCE: &str = "+++";

/// Splits a tour into the front matter and the text of each step.
fn blocks(file: &str, text: &str) -> Result<Vec<(String, String)>> {
    let mut blocks: Vec<(String, String)> = Vec::new();
    let mut in_front = false;
    for line in text.lines() {
        if line.trim_end() == FENCE {
            in_front = !in_front;
            if in_front {
                blocks.push(Default::default());
            }
        } else if let Some((front, body)) = blocks.last_mut() {
            let part = if in_front { front } else { body };
            part.push_str(line);
            part.push('\n');
        } else if !line.trim().is_empty() {
            return Err(Error::BadFile {
                file: file.into(),
                why: format!("text before the first front matter: \"{}\"", line.trim()),
            });
        }
    }
    if in_front {
        return Err(Error::BadFile {
            file: file.into(),
            why: "the last front matter has no closing +++".into(),
        });
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::super::step::{Lookup, StepView};
    use super::*;
    use crate::site::Kind;

    const ONE: &str = "+++\ntour = \"T\"\ntitle = \"One\"\n[[run]]\nname = \"a\"\nmodel = \"demo\"\nsource = \"x\"\n\
                       [head.h]\nrun = \"a\"\nkind = \"encoder\"\nmax = \"entropy\"\n+++\nFirst\nline.\n\nSecond.\n";

    #[test]
    fn a_step_has_front_matter_and_paragraphs() {
        let tour = parse("t.md", ONE).unwrap();
        assert_eq!(tour.title, "T");
        let step = &tour.steps[0];
        assert_eq!((step.text.as_str(), step.show, step.view), ("First line.\n\nSecond.", 0, StepView::Map));
        assert!(matches!(step.lookups["h"], Lookup::Head { kind: Kind::Encoder, largest: true, .. }));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let why = |text: &str| parse("t.md", text).unwrap_err().to_string();
        assert!(why("").contains("no step"));
        assert!(why("hello").contains("hello"));
        assert!(why("+++\ntitle = \"x\"").contains("closing"));
        assert!(why(&ONE.replace("entropy", "beauty")).contains("beauty"));
        assert!(why(&ONE.replace("run = \"a\"", "run = \"b\"")).contains("no run is called 'b'"));
        assert!(why(&ONE.replace("tour = \"T\"", "colour = 1")).contains("colour"));
        assert!(why(&ONE.replace("tour = \"T\"", "view = \"moon\"")).contains("moon"));
        assert!(why(&ONE.replace("tour = \"T\"", "at = \"moon\"")).contains("moon"));
    }

    #[test]
    fn every_step_of_the_built_in_tour_cites_its_sources() {
        let tour = built_in().unwrap();
        assert_eq!(tour.steps.len(), STEPS.len());
        for step in &tour.steps {
            assert!(!step.sources.is_empty() || step.own, "{} cites nothing", step.title);
        }
    }
}

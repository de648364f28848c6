//! Roles of heads: what a head does, named by rules over its metrics.
//!
//! A name needs the majority of a head's weight or rows wherever its pattern allows one, so that two patterns
//! without a common key cannot both be named. Of patterns that contain one another the narrower stands first.

use super::metrics::HeadMetrics;

/// A rule that names a head.
#[derive(Debug, PartialEq)]
pub struct HeadRole {
    /// Stable name: value of the column `role`.
    pub name: &'static str,
    /// The metric that is the role's score, from 0 to 1.
    pub score: &'static str,
    /// Smallest score at which a head has the role.
    pub at_least: f32,
    /// Further metrics and their smallest values.
    pub also: &'static [(&'static str, f32)],
    /// The metric that says more, such as the offset of a positional head.
    pub detail: Option<&'static str>,
    /// A phrase on such a head, with the paper, in Markdown.
    pub about: &'static str,
}

/// The roles in the order in which they are tried.
pub const ROLES: &[HeadRole] = &[
    HeadRole {
        name: "broad",
        score: "entropy_norm",
        at_least: 0.9,
        also: &[],
        detail: None,
        about: "spreads over all keys almost evenly, as a mean of them (Clark et al. 2019, section 3.3)",
    },
    HeadRole {
        name: "induction",
        score: "induction",
        at_least: 0.25,
        also: &[],
        detail: None,
        about: "attends to what followed an earlier copy of the token (Olsson et al. 2022). Rows without an \
                earlier copy count, too, so that a text that says everything twice reaches about 0.5",
    },
    HeadRole {
        name: "duplicate",
        score: "duplicate",
        at_least: 0.25,
        also: &[],
        detail: None,
        about: "attends to earlier copies of the token (Wang et al. 2023, \"Interpretability in the Wild\"). \
                Rows without an earlier copy count, too",
    },
    HeadRole {
        name: "previous",
        score: "previous",
        at_least: 0.5,
        also: &[],
        detail: None,
        about: "attends to the token before (Vig and Belinkov 2019, section 5.1; Olsson et al. 2022)",
    },
    HeadRole {
        name: "diagonal",
        score: "diagonal",
        at_least: 0.9,
        also: &[],
        detail: None,
        about: "attends to its own position, in cross-attention to the place of a word-for-word alignment \
                (Kovaleva et al. 2019, \"diagonal\" pattern)",
    },
    HeadRole {
        name: "positional",
        score: "offset_share",
        at_least: 0.9,
        also: &[],
        detail: Some("offset"),
        about: "attends to the key at one offset, the column `offset` (Voita et al. 2019, section 5.2, with \
                this threshold)",
    },
    HeadRole {
        name: "sink",
        score: "sink",
        at_least: 0.5,
        also: &[],
        detail: None,
        about: "rests on one key, `sink_key`, whatever the query: a no-op (Clark et al. 2019, section 3.2; \
                Xiao et al. 2023). Gu et al. 2024 call a key a sink from 0.3 on; a head is named after it \
                only if it takes half of the weight",
    },
    HeadRole {
        name: "separator",
        score: "separator_mass",
        at_least: 0.5,
        also: &[],
        detail: None,
        about: "attends to special tokens and punctuation (Clark et al. 2019, section 3.2)",
    },
    HeadRole {
        name: "aligning",
        score: "confidence",
        at_least: 0.5,
        also: &[("monotonicity", 0.75)],
        detail: None,
        about: "walks through the source with sharp rows, as alignment heads do (Garg et al. 2019). \
                Cross-attention only",
    },
    HeadRole {
        name: "local",
        score: "local_mass",
        at_least: 0.5,
        also: &[("local_ratio", 1.5)],
        detail: None,
        about: "attends to a few neighbours, an n-gram (Raganato and Tiedemann 2018)",
    },
    HeadRole {
        name: "long-range",
        score: "far_mass",
        at_least: 0.5,
        also: &[("far_ratio", 1.0)],
        detail: None,
        about: "attends beyond the distance `d` (`--far`), and more than uniform rows would",
    },
];

/// A head's role and how clearly it has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoleScore {
    /// The role.
    pub role: &'static HeadRole,
    /// Its score, at least [`HeadRole::at_least`].
    pub score: f32,
}

/// Names a head by its metrics: the first of [`ROLES`] all of whose conditions hold; `None` if there is none.
pub fn role(metric: impl Fn(&str) -> Option<f32>) -> Option<RoleScore> {
    let reaches = |name: &str, least: f32| metric(name).is_some_and(|value| value >= least);
    let role = ROLES.iter().find(|role| {
        reaches(role.score, role.at_least) && role.also.iter().all(|(name, least)| reaches(name, *least))
    })?;
    Some(RoleScore { role, score: metric(role.score)? })
}

impl HeadMetrics {
    /// Names the head, see [`role`].
    pub fn role(&self) -> Option<RoleScore> {
        role(|name| self.get(name))
    }

    /// The name of the head's role with its detail, such as `positional -2`.
    pub fn role_label(&self) -> Option<String> {
        let RoleScore { role, .. } = self.role()?;
        let detail = role.detail.and_then(|name| self.get(name));
        Some(detail.map_or_else(|| role.name.into(), |value| format!("{} {value:+.0}", role.name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::MapAxes;
    use crate::analysis::metrics::{FAR, head_metrics};
    use crate::axis::AxisItem;
    use crate::matrix::Matrix;
    use crate::site::Kind;

    /// Sixteen tokens: `a b c d e f , g`, twice, the last one special.
    fn axis() -> Vec<AxisItem> {
        let piece = |at: usize| ["a", "b", "c", "d", "e", "f", ",", "g"][at % 8];
        (0..16).map(|at| AxisItem::token((at % 8) as u32, piece(at), at == 15)).collect()
    }

    /// The label of a map whose row `i` has the weight `weight(i, j)` before rows are scaled to sum to 1.
    fn label(kind: Kind, weight: impl Fn(usize, usize) -> f32) -> Option<String> {
        let axis = axis();
        let axes = MapAxes::new(kind, &axis, &axis);
        let cell = |i: usize, j: usize| if axes.visible(i).contains(&j) { weight(i, j) } else { 0.0 };
        let sum = |i: usize| (0..16).map(|j| cell(i, j)).sum::<f32>();
        head_metrics(&Matrix::from_fn(16, 16, |i, j| cell(i, j) / sum(i)), &axes, FAR).role_label()
    }

    fn pick(test: bool) -> f32 {
        if test { 1.0 } else { 1e-3 }
    }

    #[test]
    fn heads_are_named_after_what_they_attend_to() {
        let name = |kind, weight: fn(usize, usize) -> bool| label(kind, |i, j| pick(weight(i, j)));
        assert_eq!(name(Kind::Encoder, |_, _| true).as_deref(), Some("broad"));
        assert_eq!(name(Kind::Decoder, |i, j| j + 1 == i).as_deref(), Some("previous"));
        assert_eq!(name(Kind::Encoder, |i, j| i == j).as_deref(), Some("diagonal"));
        assert_eq!(name(Kind::Encoder, |i, j| j == (i + 1).min(15)).as_deref(), Some("positional +1"));
        assert_eq!(name(Kind::Cross, |_, j| j == 3).as_deref(), Some("sink"));
        assert_eq!(name(Kind::Encoder, |_, j| [6, 14, 15].contains(&j)).as_deref(), Some("separator"));
        assert_eq!(name(Kind::Decoder, |i, j| j + 8 == i).as_deref(), Some("duplicate"));
        assert_eq!(name(Kind::Decoder, |i, j| j + 7 == i).as_deref(), Some("induction"));
        assert_eq!(name(Kind::Cross, |i, j| j == i / 2 + 3).as_deref(), Some("aligning"));
        assert_eq!(name(Kind::Encoder, |i, j| i.abs_diff(j) < 3).as_deref(), Some("local"));
        assert_eq!(name(Kind::Encoder, |i, j| i.abs_diff(j) > 7).as_deref(), Some("long-range"));
    }

    #[test]
    fn a_score_below_its_threshold_names_nothing() {
        let metrics =
            HeadMetrics { sink: 0.49, far_mass: Some(0.6), far_ratio: Some(0.9), ..HeadMetrics::default() };
        assert_eq!(metrics.role(), None);
        let metrics = HeadMetrics { sink: 0.5, ..metrics };
        assert_eq!(metrics.role().map(|found| (found.role.name, found.score)), Some(("sink", 0.5)));
    }

    #[test]
    fn rules_ask_for_metrics_that_exist() {
        let exists = |name: &str| HeadMetrics::COLUMNS.iter().any(|column| column.name == name);
        for role in ROLES {
            let further = role.also.iter().map(|(name, _)| *name).chain(role.detail);
            assert!(std::iter::once(role.score).chain(further).all(exists), "{}", role.name);
        }
    }
}

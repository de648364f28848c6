//! Which heads of a capture are meant.

use crate::capture::Capture;
use crate::error::{Error, Result};
use crate::site::{Head, Kind, Site};

/// A choice of heads; what is `None` is not narrowed down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only this kind.
    pub kind: Option<Kind>,
    /// Only this layer.
    pub layer: Option<usize>,
    /// Only this head.
    pub head: Option<usize>,
}

impl Selection {
    /// The chosen heads, kind by kind, layer by layer.
    ///
    /// # Errors
    /// [`Error::NoSuchHead`], naming what there is, when there is no such head.
    pub fn heads(&self, capture: &Capture) -> Result<Vec<Head>> {
        let heads: Vec<_> = capture.all_heads().into_iter().filter(|&head| self.holds(head)).collect();
        if heads.is_empty() { Err(self.nothing(capture)) } else { Ok(heads) }
    }

    /// Whether a head is among the chosen.
    pub fn holds(&self, head: Head) -> bool {
        self.kind.is_none_or(|kind| kind == head.kind())
            && self.layer.is_none_or(|layer| layer == head.layer())
            && self.head.is_none_or(|number| number == head.head)
    }

    /// The one kind that is chosen: cross-attention where none is named and there is any.
    ///
    /// # Errors
    /// [`Error::NoSuchHead`] for a kind that the capture does not have.
    pub fn one_kind(&self, capture: &Capture) -> Result<Kind> {
        let kind = self.kind.or_else(|| capture.kinds().last().copied()).unwrap_or(Kind::Cross);
        if capture.layers(kind) == 0 { Err(self.nothing(capture)) } else { Ok(kind) }
    }

    /// The one head that is chosen; layer and head are 0 where they are not named.
    ///
    /// # Errors
    /// [`Error::NoSuchHead`], naming what there is.
    pub fn one_head(&self, capture: &Capture) -> Result<Head> {
        let kind = self.one_kind(capture)?;
        let head = Head::new(kind, self.layer.unwrap_or(0), self.head.unwrap_or(0));
        // The capture's own message tells how many layers and heads there are.
        capture.check(head).map(|()| head)
    }

    /// The capture with the chosen sites alone. A capture file holds whole sites.
    ///
    /// # Errors
    /// [`Error::NoSuchHead`] when nothing is chosen; [`Error::Usage`] when single heads of a site are.
    pub fn narrow(&self, capture: &Capture) -> Result<Capture> {
        if self.head.is_some() {
            return Err(Error::Usage("a capture file holds whole layers: leave --head out".into()));
        }
        let chosen = self.heads(capture)?;
        let mut maps = capture.maps.like();
        for (site, map) in capture.maps.sites().filter(|(site, _)| chosen.contains(&site.head(0))) {
            maps.insert(site, map.clone());
        }
        let mut values = capture.values.clone();
        values.retain(|site, _| chosen.contains(&site.head(0)));
        Ok(Capture { maps, values, ..capture.clone() })
    }

    fn nothing(&self, capture: &Capture) -> Error {
        let kind = self.kind.or_else(|| capture.kinds().last().copied()).unwrap_or(Kind::Cross);
        let layer = self.layer.unwrap_or(0);
        match capture.check(Head::new(kind, layer, self.head.unwrap_or(0))) {
            Err(error) => error,
            Ok(()) => Error::NoSuchHead(format!("there is no such head in {}", Site::new(kind, layer))),
        }
    }
}

//! Selection of heads.

use crate::capture::Capture;
use crate::error::{Error, Result};
use crate::site::{Head, Kind, Site};

/// A selection of heads by kind, layer and head; `None` selects all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadSelection {
    /// Kind of attention.
    pub kind: Option<Kind>,
    /// Layer number.
    pub layer: Option<usize>,
    /// Head number within its layer.
    pub head: Option<usize>,
}

impl HeadSelection {
    /// Returns the selected heads, ordered by kind, layer and head.
    ///
    /// # Errors
    /// [`Error::NoSuchHead`] if no head matches; its message says which layers and heads exist.
    pub fn heads(&self, capture: &Capture) -> Result<Vec<Head>> {
        let heads: Vec<_> = capture.all_heads().into_iter().filter(|&head| self.contains(head)).collect();
        if heads.is_empty() { Err(self.no_match(capture)) } else { Ok(heads) }
    }

    /// Returns true if a head is selected.
    pub fn contains(&self, head: Head) -> bool {
        self.kind.is_none_or(|kind| kind == head.kind())
            && self.layer.is_none_or(|layer| layer == head.layer())
            && self.head.is_none_or(|number| number == head.head)
    }

    /// Returns the selected kind. Without a selection this is cross-attention, if the capture has it.
    ///
    /// # Errors
    /// [`Error::NoSuchHead`] if the capture has no maps of the kind.
    pub fn one_kind(&self, capture: &Capture) -> Result<Kind> {
        let kind = self.kind.or_else(|| capture.kinds().last().copied()).unwrap_or(Kind::Cross);
        if capture.layers(kind) == 0 { Err(self.no_match(capture)) } else { Ok(kind) }
    }

    /// Returns the selected head; layer and head default to 0.
    ///
    /// # Errors
    /// [`Error::NoSuchHead`] if the capture lacks it; the message says which layers and heads exist.
    pub fn one_head(&self, capture: &Capture) -> Result<Head> {
        let kind = self.one_kind(capture)?;
        let head = Head::new(kind, self.layer.unwrap_or(0), self.head.unwrap_or(0));
        capture.check(head).map(|()| head)
    }

    /// Returns a copy of the capture that holds only the selected sites.
    ///
    /// # Errors
    /// [`Error::NoSuchHead`] if nothing matches; [`Error::Usage`] if the selection names a head, because a
    /// capture file holds whole sites.
    pub fn narrow(&self, capture: &Capture) -> Result<Capture> {
        if self.head.is_some() {
            return Err(Error::Usage("a capture file holds whole layers: leave --head out".into()));
        }
        let selected = self.heads(capture)?;
        let mut maps = capture.maps.like();
        for (site, map) in capture.maps.sites().filter(|(site, _)| selected.contains(&site.head(0))) {
            maps.insert(site, map.clone());
        }
        let mut values = capture.values.clone();
        values.retain(|site, _| selected.contains(&site.head(0)));
        Ok(Capture { maps, values, ..capture.clone() })
    }

    fn no_match(&self, capture: &Capture) -> Error {
        let kind = self.kind.or_else(|| capture.kinds().last().copied()).unwrap_or(Kind::Cross);
        let layer = self.layer.unwrap_or(0);
        match capture.check(Head::new(kind, layer, self.head.unwrap_or(0))) {
            Err(error) => error,
            Ok(()) => Error::NoSuchHead(format!("there is no such head in {}", Site::new(kind, layer))),
        }
    }
}

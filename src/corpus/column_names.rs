//! Names of the columns that hold the texts of a corpus.

/// Names of the columns or fields of a corpus. Without a name, `source`, `audio`, `image` and `target` are taken
/// where there are any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnNames {
    /// Column of the sources.
    pub source: Option<String>,
    /// Column of the paths of recordings.
    pub audio: Option<String>,
    /// Column of the paths of pictures.
    pub image: Option<String>,
    /// Column of the targets.
    pub target: Option<String>,
}

impl ColumnNames {
    /// The names of source, audio, image and target.
    pub(super) fn all(&self) -> [&str; 4] {
        [
            self.source.as_deref().unwrap_or("source"),
            self.audio.as_deref().unwrap_or("audio"),
            self.image.as_deref().unwrap_or("image"),
            self.target.as_deref().unwrap_or("target"),
        ]
    }

    /// The places of the columns, from 0, if all names that are given are numbers from 1.
    pub(super) fn numbers(&self) -> Option<[Option<usize>; 4]> {
        let given = [&self.source, &self.audio, &self.image, &self.target];
        if given.iter().all(|name| name.is_none()) {
            return None;
        }
        let mut places = [None; 4];
        for (place, name) in places.iter_mut().zip(given) {
            if let Some(name) = name {
                *place = Some(name.parse::<usize>().ok()?.checked_sub(1)?);
            }
        }
        Some(places)
    }
}

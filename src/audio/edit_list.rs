//! The part of the sound in an MP4 file that is presented: an edit list names its begin and its length (ISO/IEC
//! 14496-12, section 8.6). What comes before primes the decoder, and what comes after fills the last packet.

/// The part of a track that is presented, in seconds of the track.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Presented {
    pub begin: f64,
    /// Infinity for the end of the track.
    pub end: f64,
}

impl Presented {
    /// A track without edit list.
    const WHOLE: Self = Self { begin: 0.0, end: f64::INFINITY };
}

/// Returns what is presented of the track with number `id`; all of it for a file without edit list or of another
/// format. Pauses before the sound are left out.
pub(super) fn presented(file: &[u8], id: u32) -> Presented {
    if boxes(file).next().is_none_or(|(name, _)| &name != b"ftyp") {
        return Presented::WHOLE;
    }
    let Some(movie) = find(file, b"moov") else { return Presented::WHOLE };
    let units = find(movie, b"mvhd").and_then(time_scale);
    let mut tracks = boxes(movie).filter(|(name, _)| name == b"trak").map(|(_, track)| track);
    let track = tracks.find(|track| track_id(track) == Some(id.into()));
    track.and_then(|track| of_track(track, units)).unwrap_or(Presented::WHOLE)
}

/// Returns the number of a track.
fn track_id(track: &[u8]) -> Option<u64> {
    let header = find(track, b"tkhd")?;
    number::<4>(header, if *header.first()? == 1 { 20 } else { 12 })
}

/// Returns the units in a second that the header of a movie or of its media states.
fn time_scale(header: &[u8]) -> Option<f64> {
    let scale = number::<4>(header, if *header.first()? == 1 { 20 } else { 12 })?;
    (scale > 0).then_some(scale as f64)
}

/// Reads the edit list of a track. The lengths in it have `units` in a second.
fn of_track(track: &[u8], units: Option<f64>) -> Option<Presented> {
    let scale = time_scale(find(find(track, b"mdia")?, b"mdhd")?)?;
    let list = find(find(track, b"edts")?, b"elst")?;
    let count = usize::try_from(number::<4>(list, 4)?).ok()?;
    let size = if *list.first()? == 1 { 20 } else { 12 };
    let entries = list.get(8..)?.chunks_exact(size).take(count).filter_map(|entry| match size {
        20 => Some((number::<8>(entry, 0)?, number::<8>(entry, 8)? as i64)),
        _ => Some((number::<4>(entry, 0)?, i64::from(number::<4>(entry, 4)? as i32))),
    });
    // A part without a time in the track is a pause.
    let mut parts = entries.filter(|(_, time)| *time >= 0);
    let (length, time) = parts.next()?;
    let begin = time as f64 / scale;
    // Of several parts, all from the begin of the first one is heard. A length of 0 is not known.
    let length = units.filter(|_| length > 0 && parts.next().is_none()).map(|units| length as f64 / units);
    Some(Presented { begin, end: length.map_or(f64::INFINITY, |length| begin + length) })
}

/// Reads the number of `N` bytes, at most 8, at an offset.
fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(N)?)?;
    Some(bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

/// Returns the contents of the first box with this name.
fn find<'a>(bytes: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(bytes).find(|(found, _)| found == name).map(|(_, contents)| contents)
}

/// Iterates over the names and contents of boxes, up to one that is damaged.
fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let name: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
        let (header, size) = match number::<4>(bytes, 0)? {
            0 => (8, bytes.len()),
            1 => (16, usize::try_from(number::<8>(bytes, 8)?).ok()?),
            size => (8, size as usize),
        };
        let contents = bytes.get(header..size)?;
        bytes = &bytes[size..];
        Some((name, contents))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(name: &str, contents: &[u8]) -> Vec<u8> {
        [&(contents.len() as u32 + 8).to_be_bytes(), name.as_bytes(), contents].concat()
    }

    /// A track with a number, units in a second, and edits: lengths and times.
    fn track(id: u32, scale: u32, edits: &[(u32, i32)]) -> Vec<u8> {
        let numbered = boxed("tkhd", &[&[0; 12][..], &id.to_be_bytes(), &[0; 8]].concat());
        let header = boxed("mdhd", &[&[0; 12][..], &scale.to_be_bytes(), &[0; 8]].concat());
        let edit = |(length, time): &(u32, i32)| {
            [&length.to_be_bytes(), &time.to_be_bytes()[..], &[0, 1, 0, 0]].concat()
        };
        let edits: Vec<u8> = edits.iter().flat_map(edit).collect();
        let list = boxed("elst", &[&[0; 4], &(edits.len() as u32 / 12).to_be_bytes()[..], &edits].concat());
        boxed("trak", &[numbered, boxed("edts", &list), boxed("mdia", &header)].concat())
    }

    /// A movie with 1,000 units in a second.
    fn movie(tracks: &[Vec<u8>]) -> Vec<u8> {
        let header = boxed("mvhd", &[&[0; 12][..], &1000u32.to_be_bytes(), &[0; 8]].concat());
        [boxed("ftyp", b"M4A "), boxed("moov", &[header, tracks.concat()].concat())].concat()
    }

    #[test]
    fn an_edit_list_says_what_is_presented() {
        let part = |begin: f64, end: f64| Presented { begin, end };
        let of = |edits: &[(u32, i32)]| presented(&movie(&[track(1, 16_000, edits)]), 1);
        assert_eq!(of(&[(2500, 1024)]), part(0.064, 2.564));
        assert_eq!(of(&[(0, 1024)]), part(0.064, f64::INFINITY));
        assert_eq!(of(&[(700, -1), (2500, 1600)]), part(0.1, 2.6));
        assert_eq!(of(&[(700, 1600), (700, 16_000)]), part(0.1, f64::INFINITY));
        assert_eq!(of(&[]), Presented::WHOLE);
        let film = [track(1, 600, &[(9, 30)]), track(7, 16_000, &[(0, 1024)]), track(8, 0, &[(0, 1024)])];
        let of_track = |id: u32| presented(&movie(&film), id).begin;
        assert_eq!([1, 7, 8, 9].map(of_track), [0.05, 0.064, 0.0, 0.0]);
        let whole = movie(&film);
        for end in 0..whole.len() {
            assert_eq!(presented(&whole[..end], 7), Presented::WHOLE, "cut after {end} bytes");
        }
    }

    #[test]
    fn the_latest_begin_is_no_overflow() {
        let header = boxed("mdhd", &[&[0; 12][..], &1u32.to_be_bytes(), &[0; 8]].concat());
        let edit =
            [&[1, 0, 0, 0, 0, 0, 0, 1], &[0xff; 8][..], &i64::MAX.to_be_bytes(), &[0, 1, 0, 0]].concat();
        let number = boxed("tkhd", &[&[0; 12][..], &1u32.to_be_bytes()].concat());
        let track = [number, boxed("edts", &boxed("elst", &edit)), boxed("mdia", &header)].concat();
        let found = presented(&movie(&[boxed("trak", &track)]), 1);
        assert_eq!(found.begin, i64::MAX as f64);
    }
}

//! The begin of the sound in an MP4 file: its edit list names the time of the track at which it is presented
//! (ISO/IEC 14496-12, section 8.6). What comes before primes the decoder.

/// Returns the seconds of the first sound track that come before its presentation; 0 for a file without edit list
/// or of another format.
pub(super) fn priming(file: &[u8]) -> f64 {
    if boxes(file).next().is_none_or(|(name, _)| &name != b"ftyp") {
        return 0.0;
    }
    let Some(movie) = find(file, b"moov") else { return 0.0 };
    let mut tracks = boxes(movie).filter(|(name, _)| name == b"trak").map(|(_, track)| track);
    tracks.find(|track| is_sound(track)).and_then(begin).unwrap_or(0.0)
}

/// Returns true if a track's handler is that of sound.
fn is_sound(track: &[u8]) -> bool {
    let handler = find(track, b"mdia").and_then(|media| find(media, b"hdlr"));
    handler.is_some_and(|handler| handler.get(8..12) == Some(b"soun"))
}

/// Returns the begin of the first part of a track that is presented, in seconds.
fn begin(track: &[u8]) -> Option<f64> {
    let header = find(find(track, b"mdia")?, b"mdhd")?;
    let scale = number::<4>(header, if *header.first()? == 1 { 20 } else { 12 })?;
    let list = find(find(track, b"edts")?, b"elst")?;
    let count = usize::try_from(number::<4>(list, 4)?).ok()?;
    let is_long = *list.first()? == 1;
    let (size, offset) = if is_long { (20, 8) } else { (12, 4) };
    let entries = list.get(8..)?.chunks_exact(size).take(count);
    // A part without a time in the track is a pause before it.
    let mut times = entries.filter_map(|entry| match is_long {
        true => number::<8>(entry, offset).map(|time| time as i64),
        false => number::<4>(entry, offset).map(|time| i64::from(time as i32)),
    });
    let time = times.find(|time| *time >= 0)?;
    (scale > 0).then(|| time as f64 / scale as f64)
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

    fn track(handler: &str, scale: u32, edits: &[i32]) -> Vec<u8> {
        let handler = boxed("hdlr", &[&[0; 8], handler.as_bytes(), &[0; 12]].concat());
        let header = boxed("mdhd", &[&[0; 12][..], &scale.to_be_bytes(), &[0; 8]].concat());
        let edit = |time: &i32| [&[0, 0, 0, 9], &time.to_be_bytes()[..], &[0, 1, 0, 0]].concat();
        let edits: Vec<u8> = edits.iter().flat_map(edit).collect();
        let list = boxed("elst", &[&[0; 4], &(edits.len() as u32 / 12).to_be_bytes()[..], &edits].concat());
        let media = boxed("mdia", &[header, handler].concat());
        boxed("trak", &[boxed("edts", &list), media].concat())
    }

    fn movie(tracks: &[Vec<u8>]) -> Vec<u8> {
        [boxed("ftyp", b"M4A "), boxed("moov", &tracks.concat())].concat()
    }

    #[test]
    fn sound_begins_where_its_edit_list_says() {
        let film = track("vide", 600, &[30]);
        assert_eq!(priming(&movie(&[film.clone(), track("soun", 16_000, &[1024])])), 0.064);
        assert_eq!(priming(&movie(&[track("soun", 8000, &[-1, 2000])])), 0.25);
        assert_eq!(priming(&movie(&[track("soun", 8000, &[])])), 0.0);
        assert_eq!(priming(&movie(&[track("soun", 0, &[1024])])), 0.0);
        assert_eq!(priming(&movie(&[film])), 0.0);
        let whole = movie(&[track("soun", 16_000, &[1024])]);
        for end in 0..whole.len() {
            assert_eq!(priming(&whole[..end]), 0.0, "cut after {end} bytes");
        }
    }
}

//! `.npz` files: zip archives of NumPy arrays.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::{Cursor, Read};

use zip::ZipArchive;

use super::arrays::{ArrayFile, is_map_name};
use super::npy::{Header, OBJECTS};
use crate::capture::tensors::Parsed;
use crate::human;

/// Maximum number of members of an archive. A capture has a few for each layer.
const MAX_MEMBERS: usize = 100_000;

/// First bytes of a zip archive.
pub const MAGIC: &[u8] = b"PK\x03\x04";

/// Returns true if the members of a zip archive are those of an `.npz` file.
pub fn is_npz(bytes: &[u8]) -> bool {
    has_member(bytes, |name| name.ends_with(".npy"))
}

/// Returns true if a zip archive is one of `torch.save`.
pub fn is_torch(bytes: &[u8]) -> bool {
    has_member(bytes, |name| name == "data.pkl" || name.ends_with("/data.pkl"))
}

fn has_member(bytes: &[u8], is: impl Fn(&str) -> bool) -> bool {
    ZipArchive::new(Cursor::new(bytes))
        .is_ok_and(|archive| archive.file_names().any(|name| name.is_ok_and(|name| is(&name))))
}

/// Returns how many bytes the arrays of a file of `size` bytes may unpack to. Small files can claim a
/// thousand times their size; maps of large files are seldom so sparse that they shrink to less than a
/// sixty-fourth.
fn max_unpacked(size: u64) -> u64 {
    const SMALL: u64 = 10_000_000;
    (64 << 20) + 4 * size.min(SMALL) + 64 * size.saturating_sub(SMALL)
}

/// Reads the arrays of an `.npz` file. Arrays that are neither floats, whole numbers nor strings are left
/// out. If the names of some say that they are maps, only they and the metadata are unpacked.
///
/// # Errors
/// The archive or an array is broken, a name is there twice, or the arrays are much larger than the file.
pub fn read(bytes: &[u8]) -> Parsed<ArrayFile<'_>> {
    let bad = |e: zip::result::ZipError| format!("not an npz file: {e}");
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(bad)?;
    if archive.len() > MAX_MEMBERS {
        return Err(format!("it has {} members, more than the {MAX_MEMBERS} that are read", archive.len()));
    }
    let mut members = Vec::new();
    for at in 0..archive.len() {
        let entry = archive.by_index_raw(at).map_err(bad)?;
        let name = entry.name().map_err(bad)?.into_owned();
        if let Some(name) = name.strip_suffix(".npy") {
            members.push((at, name.to_string(), entry.size()));
        }
    }
    if members.iter().any(|(_, name, _)| is_map_name(name)) {
        members.retain(|(_, name, _)| is_map_name(name) || is_metadata(name));
    }
    let unpacked = members.iter().fold(0u64, |sum, (.., size)| sum.saturating_add(*size));
    let most = max_unpacked(bytes.len() as u64);
    if unpacked > most {
        return Err(format!(
            "its arrays unpack to {}, more than the {} that are read of a file of {}; numpy.savez, without \
             compression, has no such limit",
            human::bytes(unpacked),
            human::bytes(most),
            human::bytes(bytes.len() as u64)
        ));
    }
    let mut names = HashSet::new();
    let mut file = ArrayFile::default();
    for (at, name, size) in members {
        let broken = |why: String| format!("{name}: {why}");
        if !names.insert(name.clone()) {
            return Err(broken("it is there twice".into()));
        }
        let entry = archive.by_index(at).map_err(bad)?;
        let mut data = Vec::new();
        // One byte more, so that the archive checks the member's checksum at its end.
        entry.take(size.saturating_add(1)).read_to_end(&mut data).map_err(|e| broken(e.to_string()))?;
        if data.len() as u64 != size {
            return Err(broken("its size is not the one that the archive says".into()));
        }
        let header = Header::parse(&data).map_err(broken)?;
        match header.bytes() {
            None if header.holds_objects() && is_map_name(&name) => return Err(broken(OBJECTS.into())),
            None => {}
            Some(expected) if expected == data.len() => {
                header.add_to(&mut file, &name, Cow::Owned(data)).map_err(broken)?;
            }
            Some(_) => {
                return Err(broken(format!("{size} bytes are not those of an array {:?}", header.shape)));
            }
        }
    }
    Ok(file)
}

/// Returns true for the name of metadata, or of a tensor that is no map.
fn is_metadata(name: &str) -> bool {
    const NAMES: [&str; 7] =
        ["logits", "format", "model", "model_type", "weights", "special_ids", "beam_indices"];
    const STARTS: [&str; 5] = ["source", "target", "decoder_input", "values.", "contributions."];
    NAMES.contains(&name) || STARTS.iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::write::SimpleFileOptions;

    use super::super::arrays::capture;
    use super::*;
    use crate::capture::Capture;

    fn npy(dtype: &str, shape: &str, values: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n");
        let length = (header.len() as u16).to_le_bytes();
        [b"\x93NUMPY\x01\0", &length[..], header.as_bytes(), values].concat()
    }

    fn npz(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in members {
            archive.start_file(*name, SimpleFileOptions::default()).unwrap();
            archive.write_all(bytes).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    fn zeros(shape: &str, count: usize) -> Vec<u8> {
        npy("<f4", shape, &vec![0; count * 4])
    }

    fn opened(members: &[(&str, Vec<u8>)]) -> Parsed<Capture> {
        let bytes = npz(members);
        capture(read(&bytes)?, 0, &Default::default())
    }

    #[test]
    fn members_that_are_no_part_of_a_capture_are_not_unpacked() {
        let members = [
            ("cross.0.npy", zeros("(1, 2, 3)", 6)),
            ("junk.npy", b"no array".to_vec()),
            ("zeros.npy", vec![0; 100 << 20]),
        ];
        assert!(npz(&members).len() < 1 << 20);
        assert_eq!(opened(&members).unwrap().all_heads().len(), 1);
    }

    #[test]
    fn arrays_that_unpack_to_far_more_than_the_file_are_refused() {
        let error = opened(&[("cross.0.npy", zeros("(1, 5000, 5000)", 25_000_000))]).unwrap_err();
        assert!(error.contains("unpack to") && error.contains("numpy.savez"), "{error}");
    }

    #[test]
    fn a_map_under_two_names_is_refused() {
        let members =
            [("cross.0.npy", zeros("(1, 1, 1)", 1)), ("cross_attentions.npy", zeros("(1, 1, 1, 1)", 1))];
        let error = opened(&members).unwrap_err();
        assert!(error.contains("cross.0 is there twice"), "{error}");
    }

    #[test]
    fn sizes_that_contradict_each_other_are_refused() {
        let error = |array: Vec<u8>| opened(&[("cross_attentions.npy", array)]).unwrap_err();
        assert!(error(zeros("(1, 2, 3)", 5)).contains("are not those of an array"));
        assert!(error(zeros("(4294967296, 4294967296, 2)", 5)).contains("its shape"));
        assert!(error(zeros("(5000, 1, 1, 1)", 5000)).contains("4096 layers"));
        assert!(error(zeros("(5, 1, 0, 1)", 0)).contains("is empty"));
        assert!(error(b"\x93NUMPY\x02\0\xff\xff\xff\xff".to_vec()).contains("its header"));
        let ids = npy("<i4", "(300000,)", &vec![0; 1_200_000]);
        let members = [("cross.0.npy", zeros("(1, 1, 1)", 1)), ("source_ids.npy", ids)];
        assert!(opened(&members).unwrap_err().contains("entries"));
    }
}

//! Random changes of files.

use std::io::Write;

use serde_json::{Value, json};

/// Random numbers from a seed (SplitMix64).
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `end`, or 0 if `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    pub fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }
}

/// Changes bytes, numbers and pieces of a file, one to four times.
pub fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        let length = random.below(bytes.len() - at).min(1 << random.below(12));
        match random.below(8) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            1 if !bytes.is_empty() => bytes[at] = random.pick(&[0, 1, 0x7f, 0x80, 0xff, b'{', b'\"']),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..at + length)),
            4 => {
                let piece = bytes[at..at + length].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            5 if at + 8 <= bytes.len() => {
                let number = random.pick(&[0, 1, u64::MAX, 1 << 31, 1 << 32, 1 << 40, i64::MAX as u64]);
                bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
            }
            6 => {
                let noise: Vec<u8> = (0..length.min(64)).map(|_| random.next() as u8).collect();
                bytes.splice(at..at, noise);
            }
            _ => {
                // another digit where the text has a number
                let digits: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at].is_ascii_digit()).collect();
                if let Some(&at) = digits.get(random.below(digits.len())) {
                    let number =
                        random.pick(&["0", "-1", "9", "4294967296", "1099511627776", "1e308", "NaN"]);
                    bytes.splice(at..=at, number.bytes());
                }
            }
        }
    }
}

/// Changes values of a JSON text, one to three times; sometimes its bytes instead.
pub fn mutate_json(random: &mut Random, text: &[u8]) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<Value>(text) else { return text.to_vec() };
    if random.below(4) == 0 {
        let mut bytes = text.to_vec();
        mutate(random, &mut bytes);
        return bytes;
    }
    for _ in 0..=random.below(3) {
        mutate_value(random, &mut value);
    }
    serde_json::to_vec(&value).unwrap()
}

fn mutate_value(random: &mut Random, value: &mut Value) {
    match value {
        Value::Object(fields) if !fields.is_empty() && random.below(12) > 0 => {
            let name = fields.keys().nth(random.below(fields.len())).unwrap().clone();
            match random.below(10) {
                0 => drop(fields.remove(&name)),
                1 => drop(fields.insert(format!("{name}x"), fields[&name].clone())),
                _ => mutate_value(random, &mut fields[&name]),
            }
        }
        Value::Array(items) if !items.is_empty() && random.below(12) > 0 => {
            let at = random.below(items.len());
            match random.below(10) {
                0 => drop(items.remove(at)),
                1 => items.insert(at, items[at].clone()),
                _ => mutate_value(random, &mut items[at]),
            }
        }
        other => {
            let numbers = [0, 1, -1, 2, 127, 1 << 20, 1 << 31, 1 << 32, 1 << 40, i64::MAX];
            *other = match random.below(8) {
                0 => Value::Null,
                1 => json!([]),
                2 => json!({}),
                3 => json!(random.pick(&["", "x", "\u{1b}]0;x\u{7}", "▁", "[[[((("])),
                4 => json!(random.pick(&[0.5, -1e9, 1e300, 1e-300])),
                5 => json!(random.below(2) == 0),
                _ => json!(random.pick(&numbers)),
            }
        }
    }
}

/// Replaces the header of a safetensors file by a mutated one, or mutates the bytes.
pub fn mutate_safetensors(random: &mut Random, mut bytes: Vec<u8>) -> Vec<u8> {
    if random.below(3) == 0 {
        mutate(random, &mut bytes);
        return bytes;
    }
    let end = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = mutate_json(random, &bytes[8..end]);
    [&(header.len() as u64).to_le_bytes()[..], &header, &bytes[end..]].concat()
}

/// Packs files as a ZIP archive, after a mutation of one of them.
pub fn repack(random: &mut Random, archive: &[u8], change: impl Fn(&str) -> bool) -> Vec<u8> {
    use std::io::Read;
    let mut source = zip::ZipArchive::new(std::io::Cursor::new(archive)).unwrap();
    let mut target = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let changed: Vec<usize> =
        (0..source.len()).filter(|&at| change(&source.by_index(at).unwrap().name().unwrap())).collect();
    let changed = random.pick(&changed);
    for at in 0..source.len() {
        let mut file = source.by_index(at).unwrap();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        if at == changed {
            // The header or the program comes first; the rest is numbers.
            let rest = content.split_off(content.len().min(128 << random.below(6)));
            mutate(random, &mut content);
            content.extend(rest);
        }
        let options =
            zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        target.start_file(file.name().unwrap().into_owned(), options).unwrap();
        target.write_all(&content).unwrap();
    }
    target.finish().unwrap().into_inner()
}

/// Mutates a file in the form that its name says.
pub fn mutate_file(random: &mut Random, name: &str, mut bytes: Vec<u8>) -> Vec<u8> {
    let end = name.rsplit('.').next().unwrap_or_default();
    match end {
        "json" => mutate_json(random, &bytes),
        "safetensors" => mutate_safetensors(random, bytes),
        "npz" | "pt" if random.below(3) > 0 => repack(random, &bytes, |_| true),
        _ => {
            mutate(random, &mut bytes);
            bytes
        }
    }
}

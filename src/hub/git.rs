//! Git's name for the contents of a file, which the hub gives small files as their ETag.

/// Returns the Git blob id of a file with these contents, in lower-case hexadecimal.
pub fn git_blob_id(content: &[u8]) -> String {
    hex(sha1(format!("blob {}\0", content.len()).as_bytes(), content))
}

/// Returns true if `etag` is the name of `content`: its Git blob id, or its plain SHA-1, as some mirrors
/// send.
pub fn is_name_of(etag: &str, content: &[u8]) -> bool {
    git_blob_id(content) == etag || hex(sha1(b"", content)) == etag
}

/// Returns true if an ETag looks like a SHA-1: 40 hexadecimal digits.
pub fn is_sha1(etag: &str) -> bool {
    etag.len() == 40 && etag.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn hex(words: [u32; 5]) -> String {
    words.iter().map(|word| format!("{word:08x}")).collect()
}

/// Computes the SHA-1 of `start`, which is shorter than a block of 64 bytes, and `rest` (FIPS 180-4). It guards against
/// damage, not against attackers.
fn sha1(start: &[u8], rest: &[u8]) -> [u32; 5] {
    let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let length = (start.len() + rest.len()) as u64 * 8;
    let (first, rest) = rest.split_at((64 - start.len()).min(rest.len()));
    let (blocks, tail) = rest.as_chunks();
    let first = [start, first].concat();
    first.as_chunks().0.iter().chain(blocks).for_each(|block| mix(&mut state, block));
    // A one bit, zeros, and the length in bits in the last eight bytes of a block.
    let mut last = if first.len() == 64 { tail.to_vec() } else { first };
    last.push(0x80);
    last.resize(last.len() + (120 - last.len() % 64) % 64, 0);
    last.extend(length.to_be_bytes());
    last.as_chunks().0.iter().for_each(|block| mix(&mut state, block));
    state
}

fn mix(state: &mut [u32; 5], block: &[u8; 64]) {
    let mut words = [0_u32; 80];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    for at in 16..80 {
        words[at] = (words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16]).rotate_left(1);
    }
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for (round, word) in words.into_iter().enumerate() {
        let (choice, constant) = match round {
            0..20 => ((b & c) | (!b & d), 0x5a82_7999_u32),
            20..40 => (b ^ c ^ d, 0x6ed9_eba1),
            40..60 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
            _ => (b ^ c ^ d, 0xca62_c1d6),
        };
        let sum = a.rotate_left(5).wrapping_add(choice).wrapping_add(e);
        let next = sum.wrapping_add(constant).wrapping_add(word);
        (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
    }
    for (value, new) in state.iter_mut().zip([a, b, c, d, e]) {
        *value = value.wrapping_add(new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_git_and_of_sha1() {
        // from `git hash-object` and `sha1sum`
        assert!(is_name_of("e69de29bb2d1d6434b8b29ae775ad8c2e48c5391", b""));
        assert!(is_name_of("ce013625030ba8dba906f756967f9e9ca394464a", b"hello\n"));
        assert!(is_name_of("a9993e364706816aba3e25717850c26c9cd0d89d", b"abc"));
        assert!(is_name_of("34aa973cd4c4daa4f61eeb2bdbad27316534016f", &[b'a'; 1_000_000]));
        assert!(!is_name_of("a9993e364706816aba3e25717850c26c9cd0d89d", b"abd"));
        for length in 50..70 {
            let text = vec![b'x'; length];
            assert!(is_name_of(&hex(sha1(&text[..20], &text[20..])), &text), "{length}");
        }
    }
}

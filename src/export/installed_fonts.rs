//! Fonts of the machine, for characters that the built-in font lacks.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use ab_glyph::{Font, FontVec, GlyphId};

/// Folders of fonts that come with the system or are installed for all users.
const FOLDERS: [&str; 6] = [
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/run/current-system/sw/share/X11/fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "C:\\Windows\\Fonts",
];

/// Folders of the user's own fonts, below the home folder.
const HOME_FOLDERS: [&str; 4] =
    [".local/share/fonts", ".fonts", "Library/Fonts", "AppData/Local/Microsoft/Windows/Fonts"];

/// Parts of the names of fonts with many scripts, the best first.
const LIKELY: [&str; 14] = [
    "notosanscjk",
    "sourcehansans",
    "notosanssc",
    "notosansjp",
    "notosanskr",
    "wqy",
    "droidsansfallback",
    "pingfang",
    "hiragino",
    "applesdgothic",
    "arial unicode",
    "msyh",
    "malgun",
    "yugoth",
];

/// Largest number of files that are looked at, and of fonts that are opened.
const MOST_FILES: usize = 20_000;
const MOST_FONTS: usize = 60;
/// Largest size of a font file in bytes.
const LARGEST: u64 = 96 << 20;
/// Depth to which folders are searched.
const DEPTH: usize = 5;

/// Returns installed fonts that together have as many of the characters as possible, at most three.
pub fn with(characters: &[char]) -> Vec<FontVec> {
    let home = std::env::home_dir();
    let own = home.iter().flat_map(|home| HOME_FOLDERS.map(|folder| home.join(folder)));
    let folders: Vec<PathBuf> = FOLDERS.iter().map(PathBuf::from).chain(own).collect();
    with_in(&folders, characters)
}

fn with_in(folders: &[PathBuf], characters: &[char]) -> Vec<FontVec> {
    const MOST: usize = 3;
    let mut files = Vec::new();
    folders.iter().for_each(|folder| collect(folder, DEPTH, &mut files));
    files.sort_by_key(|path| (likelihood(path), is_styled(path), path.clone()));
    let mut left = characters.to_vec();
    let mut fonts = Vec::new();
    for path in files.into_iter().take(MOST_FONTS) {
        if left.is_empty() || fonts.len() == MOST {
            break;
        }
        let Some(font) = open(&path, face(&path, characters)) else { continue };
        let before = left.len();
        left.retain(|&character| !draws(&font, character));
        if left.len() < before {
            fonts.push(font);
        }
    }
    fonts
}

/// Collects the paths of the font files of a folder and the folders in it.
fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if files.len() >= MOST_FILES {
            return;
        }
        let path = entry.path();
        let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
        match extension.as_ref().and_then(|extension| extension.to_str()) {
            Some("ttf" | "otf" | "ttc" | "otc") => files.push(path),
            _ if depth > 0 && path.is_dir() => collect(&path, depth - 1, files),
            _ => {}
        }
    }
}

/// Returns the place of a file's name in [`LIKELY`].
fn likelihood(path: &Path) -> usize {
    let name = plain_name(path);
    LIKELY.iter().position(|likely| name.contains(likely)).unwrap_or(LIKELY.len())
}

/// Returns a file's name in small letters, without hyphens and underscores.
fn plain_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    name.replace(['-', '_'], "")
}

/// Returns true if a file's name tells another weight or slope than the regular one.
fn is_styled(path: &Path) -> bool {
    const STYLES: [&str; 10] =
        ["bold", "black", "heavy", "light", "thin", "medium", "italic", "oblique", "extra", "semi"];
    let name = plain_name(path);
    STYLES.iter().any(|style| name.contains(style))
}

/// Returns the number of the face of a collection that has the shapes of the language of the characters. Chinese
/// and Japanese write many of the same characters in different shapes; Noto's collections begin with the faces of
/// Japan, Korea and mainland China. Other collections are used with their first face.
fn face(path: &Path, characters: &[char]) -> u32 {
    let has = |script: RangeInclusive<char>| characters.iter().any(|character| script.contains(character));
    match plain_name(path) {
        name if !name.contains("cjk") || !name.ends_with("ttc") => 0,
        _ if has('\u{3041}'..='\u{30ff}') => 0,
        _ if has('\u{ac00}'..='\u{d7a3}') => 1,
        _ => 2,
    }
}

fn open(path: &Path, face: u32) -> Option<FontVec> {
    let size = std::fs::metadata(path).ok()?.len();
    let bytes = (size <= LARGEST).then(|| std::fs::read(path).ok())??;
    FontVec::try_from_vec_and_index(bytes, face).ok()
}

/// Returns true if a font has an outline for a character; colour fonts have pictures instead.
fn draws(font: &FontVec, character: char) -> bool {
    let glyph = font.glyph_id(character);
    glyph != GlyphId(0) && font.outline(glyph).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fonts_are_found_in_folders_of_folders() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("truetype/dejavu");
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::write(inner.join("broken-NotoSansCJK.ttf"), b"no font").unwrap();
        std::fs::copy("assets/fonts/DejaVuSans.ttf", inner.join("DejaVuSans.TTF")).unwrap();
        let folders = [folder.path().to_path_buf()];
        assert_eq!(with_in(&folders, &['a', '→']).len(), 1);
        assert!(with_in(&folders, &['你']).is_empty());
        assert!(with_in(&[], &['a']).is_empty());
        assert!(
            likelihood(Path::new("/x/NotoSansCJK-Regular.ttc")) < likelihood(Path::new("/x/wqy-zenhei.ttc"))
        );
    }

    #[test]
    fn a_regular_face_of_the_language_is_chosen() {
        let noto = ["NotoSansCJK-Bold.ttc", "NotoSansCJK-DemiLight.ttc", "NotoSansCJK-Regular.ttc"];
        assert_eq!(noto.map(|name| is_styled(Path::new(name))), [true, true, false]);
        let face = |name: &str, text: &str| face(Path::new(name), &text.chars().collect::<Vec<_>>());
        let faces = ["骨直", "骨が", "한국어"].map(|text| face(noto[2], text));
        assert_eq!(faces, [2, 0, 1]);
        assert_eq!((face("wqy-microhei.ttc", "骨"), face("NotoSansCJKsc-Regular.otf", "骨")), (0, 0));
    }
}

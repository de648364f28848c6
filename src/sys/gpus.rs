//! GPUs, as the system tells of them.

use std::path::Path;

/// Returns the names of the NVIDIA GPUs whose driver is loaded; empty on systems without `/proc`.
pub fn nvidia_gpus() -> Vec<String> {
    nvidia_gpus_of(Path::new("/proc/driver/nvidia/gpus"))
}

/// [`nvidia_gpus`] of a driver whose folder of GPUs is `folder`: each has a file `information` with a line
/// `Model:`.
fn nvidia_gpus_of(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path().join("information")).collect();
    paths.sort();
    let texts = paths.iter().filter_map(|path| std::fs::read_to_string(path).ok());
    texts
        .filter_map(|text| {
            text.lines().find_map(|line| Some(line.strip_prefix("Model:")?.trim().to_string()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_driver() {
        let folder = tempfile::tempdir().unwrap();
        for (bus, name) in [("0000:02:00.0", "NVIDIA B"), ("0000:01:00.0", "NVIDIA A")] {
            std::fs::create_dir(folder.path().join(bus)).unwrap();
            let text = format!("Model: \t\t {name}\nIRQ:   \t\t 63\n");
            std::fs::write(folder.path().join(bus).join("information"), text).unwrap();
        }
        std::fs::create_dir(folder.path().join("empty")).unwrap();
        assert_eq!(nvidia_gpus_of(folder.path()), ["NVIDIA A", "NVIDIA B"]);
        assert!(nvidia_gpus_of(&folder.path().join("none")).is_empty());
    }
}

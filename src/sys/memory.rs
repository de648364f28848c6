//! Free memory, as the system and the control groups of this process tell it.

use std::path::{Path, PathBuf};

/// Returns how many bytes of memory this process may still take before the system has to swap or to end a
/// process: what is available to the whole system, or less where a control group has a limit. Cached files
/// count as free. `None` where the system does not tell it.
pub fn free_memory() -> Option<u64> {
    free_memory_of(Path::new("/"))
}

/// [`free_memory`] of a system whose `/proc` and `/sys` are in the folder `root`.
fn free_memory_of(root: &Path) -> Option<u64> {
    let meminfo = std::fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let available = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = available.trim().trim_end_matches("kB").trim_end().parse().ok()?;
    let groups = std::fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let limits = groups.lines().filter_map(|line| group_limit(root, line));
    limits.chain([kib.saturating_mul(1024)]).min()
}

/// Names of the files in which a version of control groups tells about memory.
struct GroupFiles {
    limit: &'static str,
    usage: &'static str,
    /// Entries of `memory.stat` that count cached files.
    cached: [&'static str; 2],
}

/// Version 2, <https://docs.kernel.org/admin-guide/cgroup-v2.html>.
const VERSION_2: GroupFiles =
    GroupFiles { limit: "memory.max", usage: "memory.current", cached: ["inactive_file ", "active_file "] };

/// Version 1, <https://docs.kernel.org/admin-guide/cgroup-v1/memory.html>.
const VERSION_1: GroupFiles = GroupFiles {
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    cached: ["total_inactive_file ", "total_active_file "],
};

/// Returns the bytes that a group of `/proc/self/cgroup` and those above it leave free: the least of them.
/// A line is `ID:CONTROLLERS:PATH`, without controllers in version 2.
fn group_limit(root: &Path, line: &str) -> Option<u64> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (controllers, path) = (fields.next()?, fields.next()?);
    let (base, files) = if controllers.is_empty() {
        (root.join("sys/fs/cgroup"), VERSION_2)
    } else if controllers.split(',').any(|controller| controller == "memory") {
        (root.join("sys/fs/cgroup/memory"), VERSION_1)
    } else {
        return None;
    };
    // In a container, the path may be that of the host: only the folders that exist count.
    let mut folder: PathBuf = base.clone();
    let names = path.split('/').filter(|name| !name.is_empty() && *name != "..");
    let below = names.map(|name| {
        folder.push(name);
        folder.clone()
    });
    let folders: Vec<PathBuf> = below.collect();
    std::iter::once(&base).chain(&folders).filter_map(|folder| left_in(folder, &files)).min()
}

/// Returns the bytes that one group leaves free; `None` if it has no limit.
fn left_in(folder: &Path, files: &GroupFiles) -> Option<u64> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    // "max" is no number.
    let (limit, usage) = (number(files.limit)?, number(files.usage)?);
    let stat = read("memory.stat").unwrap_or_default();
    let entry =
        |name: &str| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    let cached: u64 = files.cached.iter().filter_map(|name| entry(name)).sum();
    Some(limit.saturating_sub(usage.saturating_sub(cached)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes files below a folder.
    fn system(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    const MEMINFO: (&str, &str) =
        ("proc/meminfo", "MemTotal:  8000000 kB\nMemFree:  100 kB\nMemAvailable:    1000 kB\n");

    fn free(files: &[(&str, &str)]) -> Option<u64> {
        free_memory_of(system(files).path())
    }

    #[test]
    fn without_limits_it_is_what_is_available() {
        assert_eq!(free(&[MEMINFO]), Some(1_024_000));
        let unlimited = [
            MEMINFO,
            ("proc/self/cgroup", "0::/user\n"),
            ("sys/fs/cgroup/user/memory.max", "max\n"),
            ("sys/fs/cgroup/user/memory.current", "5000\n"),
        ];
        assert_eq!(free(&unlimited), Some(1_024_000));
        assert_eq!(free(&[("proc/meminfo", "MemTotal: 8 kB\n")]), None);
        assert_eq!(free(&[]), None);
    }

    #[test]
    fn the_tightest_group_counts_and_cached_files_are_free() {
        let files = [
            MEMINFO,
            ("proc/self/cgroup", "0::/batch/job\n"),
            ("sys/fs/cgroup/batch/memory.max", "70000\n"),
            ("sys/fs/cgroup/batch/memory.current", "60000\n"),
            ("sys/fs/cgroup/batch/memory.stat", "anon 100\ninactive_file 20000\nactive_file 5000\n"),
            ("sys/fs/cgroup/batch/job/memory.max", "50000\n"),
            ("sys/fs/cgroup/batch/job/memory.current", "1000\n"),
        ];
        assert_eq!(free(&files), Some(35_000));
    }

    #[test]
    fn groups_of_version_1_and_paths_of_the_host_are_read() {
        let files = [
            MEMINFO,
            ("proc/self/cgroup", "5:cpu,cpuacct:/docker/a\n4:memory:/docker/a\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "40000\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "39000\n"),
            ("sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 2000\n"),
        ];
        assert_eq!(free(&files), Some(3000));
    }

    #[test]
    fn a_group_that_is_full_leaves_nothing() {
        let files = [
            MEMINFO,
            ("proc/self/cgroup", "0::/\n"),
            ("sys/fs/cgroup/memory.max", "1000\n"),
            ("sys/fs/cgroup/memory.current", "2000\n"),
        ];
        assert_eq!(free(&files), Some(0));
    }
}

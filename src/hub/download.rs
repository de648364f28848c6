//! Download of a file into the cache: resumed after an interruption, verified, then renamed to its blob.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use graviola::hashing::{Hash, HashContext, Sha256};

use super::cache::{self, CachedRepo};
use super::client::{Checksum, FileMetadata, HubClient};
use super::git;
use super::http::Response;
use super::select::is_small;
use crate::error::{Error, HubError, Result};
use crate::progress::{Progress, Watch};
use crate::sys;

/// Largest configuration or tokenizer file whose size the hub does not announce, in bytes.
const MAX_SMALL: u64 = 64 << 20;

/// Downloads a file of a commit, unless its snapshot has it undamaged.
///
/// # Errors
/// The hub refuses, retries are exhausted, the disk is full, or size or checksum are wrong.
pub fn fetch(client: &HubClient<'_>, repo: &CachedRepo, commit: &str, file: &str) -> Result<()> {
    let cached = repo.snapshot(commit).join(file);
    if cached.exists() {
        if !repo.is_damaged(&cached) {
            return Ok(());
        }
        repo.remove(&cached)?;
    }
    let metadata = client.metadata(commit, file)?;
    let blob = repo.blobs().join(&metadata.etag);
    cache::write_cachedir_tag(&client.hub.cache)?;
    let _lock = repo.lock(&metadata.etag, client.watch)?;
    if !blob.exists() {
        cache::make_parent(&blob)?;
        let download = Download { client, commit, file, metadata: &metadata, partial: partial(&blob) };
        download.run()?;
        std::fs::rename(&download.partial, &blob).map_err(|e| Error::io(&blob, e))?;
    }
    repo.link(commit, file, &metadata.etag)
}

/// Returns the path of an incomplete blob.
fn partial(blob: &Path) -> PathBuf {
    let mut name = blob.as_os_str().to_os_string();
    name.push(".incomplete");
    name.into()
}

/// Download of one file.
struct Download<'a> {
    client: &'a HubClient<'a>,
    commit: &'a str,
    file: &'a str,
    metadata: &'a FileMetadata,
    /// The incomplete blob.
    partial: PathBuf,
}

/// Error of one attempt.
enum AttemptError {
    /// Temporary; the next attempt resumes the download.
    Retry(Error),
    /// Permanent.
    Fatal(Error),
}

impl Download<'_> {
    /// Downloads and verifies the file.
    fn run(&self) -> Result<()> {
        self.check_disk_space()?;
        let resumed = self.bytes_on_disk() > 0;
        match self.retry().and_then(|()| self.verify()) {
            // the part from an earlier run may be the one that is wrong
            Err(Error::Hub(HubError::WrongChecksum { .. } | HubError::WrongSize { .. })) if resumed => {
                self.discard();
                self.retry().and_then(|()| self.verify())
            }
            result => result,
        }
        .inspect_err(|error| {
            // keep an incomplete file for the next run, but not a wrong one or one that fills the disk
            if let Error::Hub(
                HubError::WrongChecksum { .. }
                | HubError::WrongSize { .. }
                | HubError::TooLarge { .. }
                | HubError::DiskFull { .. },
            ) = error
            {
                self.discard();
            }
        })
    }

    /// Repeats attempts. Only consecutive attempts that leave no more bytes than any before count towards the
    /// limit; bytes that are discarded and downloaded again are no progress.
    fn retry(&self) -> Result<()> {
        let mut failures = 0;
        let mut most = self.bytes_on_disk();
        loop {
            let before = self.bytes_on_disk();
            if self.metadata.size == Some(before) && before > 0 {
                return Ok(());
            }
            match self.attempt(before) {
                Ok(()) => return Ok(()),
                Err(AttemptError::Fatal(error)) => return Err(error),
                Err(AttemptError::Retry(error)) => {
                    let left = self.bytes_on_disk();
                    failures = if left > most { 1 } else { failures + 1 };
                    most = most.max(left);
                    if failures > self.client.retry.retries {
                        return Err(error);
                    }
                    self.client.back_off(failures, None)?;
                }
            }
        }
    }

    /// Requests the missing bytes and appends them to the incomplete blob, which has `present` bytes.
    fn attempt(&self, present: u64) -> std::result::Result<(), AttemptError> {
        // start over if there are too many bytes already, or the size of the file is unknown
        let from = if self.metadata.size.is_some_and(|size| present < size) { present } else { 0 };
        let mut response = self
            .client
            .download(self.commit, self.file, &self.metadata.etag, from)
            .map_err(AttemptError::Fatal)?;
        let from = match response.status {
            206 if starts_at(&response, from) => from,
            200 => 0,
            _ => {
                self.discard();
                return Err(AttemptError::Retry(self.interrupted("the server cannot resume the download")));
            }
        };
        let mut file = self.open(from).map_err(|e| AttemptError::Fatal(self.io(e)))?;
        let mut meter = Meter::new(self.file, from, self.metadata.size, self.client.watch);
        loop {
            match response.next_chunk(self.client.watch) {
                Ok(Some(bytes)) => {
                    file.write_all(&bytes).map_err(|e| AttemptError::Fatal(self.io(e)))?;
                    meter.add(bytes.len() as u64);
                    if self.metadata.size.is_some_and(|size| meter.done > size) {
                        break;
                    }
                    if self.metadata.size.is_none() && is_small(self.file) && meter.done > MAX_SMALL {
                        let error = HubError::TooLarge { file: self.file.into(), limit: MAX_SMALL };
                        return Err(AttemptError::Fatal(Error::Hub(error)));
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    let error = self.client.hub_error(error, &self.client.hub.endpoint, Some(self.file));
                    return Err(match error {
                        Error::Cancelled => AttemptError::Fatal(error),
                        _ => AttemptError::Retry(error),
                    });
                }
            }
        }
        file.sync_all().map_err(|e| AttemptError::Fatal(self.io(e)))?;
        meter.report();
        match self.metadata.size {
            Some(size) if meter.done < size => Err(AttemptError::Retry(self.interrupted("it ended early"))),
            _ => Ok(()),
        }
    }

    /// Opens the incomplete blob for appending, truncated to `from` bytes.
    fn open(&self, from: u64) -> std::io::Result<File> {
        use std::io::Seek;
        let mut file = File::options().create(true).truncate(false).write(true).open(&self.partial)?;
        if file.metadata()?.is_file() {
            file.set_len(from)?;
            file.seek(std::io::SeekFrom::End(0))?;
        }
        Ok(file)
    }

    /// Compares size and checksum with the metadata.
    fn verify(&self) -> Result<()> {
        let size = self.bytes_on_disk();
        if let Some(expected) = self.metadata.size.filter(|expected| *expected != size) {
            return Err(Error::Hub(HubError::WrongSize { file: self.file.into(), expected, size }));
        }
        let right = match &self.metadata.checksum {
            None => true,
            Some(Checksum::Sha256(expected)) => sha256(&self.partial, self.client.watch)? == *expected,
            Some(Checksum::Git(expected)) => {
                let content = std::fs::read(&self.partial).map_err(|e| self.io(e))?;
                git::is_name_of(expected, &content)
            }
        };
        if right { Ok(()) } else { Err(Error::Hub(HubError::WrongChecksum { file: self.file.into() })) }
    }

    /// Fails if the rest of the file does not fit on the disk.
    fn check_disk_space(&self) -> Result<()> {
        let Some(needed) = self.metadata.size.map(|size| size.saturating_sub(self.bytes_on_disk())) else {
            return Ok(());
        };
        match self.partial.parent().and_then(sys::free_space) {
            Some(free) if free < needed => Err(self.full(Some(needed))),
            _ => Ok(()),
        }
    }

    fn bytes_on_disk(&self) -> u64 {
        std::fs::metadata(&self.partial).map_or(0, |data| data.len())
    }

    fn discard(&self) {
        // it may not exist; if it cannot be removed, the next attempt overwrites it
        let _ = std::fs::remove_file(&self.partial);
    }

    fn io(&self, error: std::io::Error) -> Error {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => self.full(None),
            _ => Error::io(&self.partial, error),
        }
    }

    fn full(&self, needed: Option<u64>) -> Error {
        let folder = self.partial.parent().unwrap_or(Path::new("")).to_path_buf();
        Error::Hub(HubError::DiskFull { file: self.file.into(), folder, needed })
    }

    fn interrupted(&self, why: &str) -> Error {
        Error::Hub(HubError::Interrupted { file: self.file.into(), why: why.into() })
    }
}

/// Returns true if a partial response starts at byte `from` (`Content-Range: bytes 100-199/200`).
fn starts_at(response: &Response, from: u64) -> bool {
    let range = response.header("content-range").and_then(|text| text.trim().strip_prefix("bytes "));
    range.and_then(|range| range.split('-').next()?.trim().parse().ok()) == Some(from)
}

/// Computes the SHA-256 of a file, in lower-case hexadecimal.
fn sha256(path: &Path, watch: &dyn Watch) -> Result<String> {
    let mut file = File::open(path).map_err(|e| Error::io(path, e))?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        watch.check()?;
        match file.read(&mut chunk).map_err(|e| Error::io(path, e))? {
            0 => break,
            read => hash.update(chunk.get(..read).unwrap_or_default()),
        }
    }
    Ok(hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Computes the SHA-256 of bytes, in lower-case hexadecimal; `None` on a processor that cannot.
pub(super) fn sha256_of(bytes: &[u8]) -> Option<String> {
    if !graviola::util::is_cpu_supported() {
        return None;
    }
    let mut hash = Sha256::new();
    hash.update(bytes);
    Some(hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Reports the progress of a download at intervals, with the average speed of the last seconds.
struct Meter<'a> {
    file: &'a str,
    done: u64,
    total: Option<u64>,
    watch: &'a dyn Watch,
    last_report: Instant,
    /// Recent times with the bytes done by then.
    samples: VecDeque<(Instant, u64)>,
}

impl<'a> Meter<'a> {
    /// Time between reports.
    const INTERVAL: Duration = Duration::from_millis(100);
    /// Time over which the speed is averaged.
    const WINDOW: Duration = Duration::from_secs(4);

    fn new(file: &'a str, done: u64, total: Option<u64>, watch: &'a dyn Watch) -> Self {
        let now = Instant::now();
        let mut meter =
            Self { file, done, total, watch, last_report: now, samples: VecDeque::from([(now, done)]) };
        meter.report();
        meter
    }

    fn add(&mut self, bytes: u64) {
        self.done += bytes;
        if self.last_report.elapsed() >= Self::INTERVAL {
            self.report();
        }
    }

    fn report(&mut self) {
        let now = Instant::now();
        self.last_report = now;
        self.samples.push_back((now, self.done));
        while self.samples.len() > 2
            && self.samples.front().is_some_and(|(when, _)| now - *when > Self::WINDOW)
        {
            self.samples.pop_front();
        }
        let speed = self.samples.front().map_or(0.0, |(when, bytes)| {
            let seconds = (now - *when).as_secs_f64();
            if seconds > 0.0 { (self.done - bytes) as f64 / seconds } else { 0.0 }
        });
        let file = self.file.to_owned();
        self.watch.progress(Progress::Download { file, done: self.done, total: self.total, speed });
    }
}

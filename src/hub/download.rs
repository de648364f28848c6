//! One file from the hub into the cache: resumed where an earlier download stopped, checked, then renamed.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use graviola::hashing::{Hash, HashContext, Sha256};

use super::cache::{self, Repository};
use super::client::{Client, Metadata};
use super::http::Reply;
use crate::error::{Error, HubError, Result};
use crate::progress::{Progress, Watch};

/// Fetches a file of a commit unless it is there.
///
/// # Errors
/// The hub refuses, the network fails for good, the disk is full, or what came is not what was announced.
pub fn fetch(client: &Client<'_>, place: &Repository, commit: &str, file: &str) -> Result<()> {
    if place.snapshot(commit).join(file).exists() {
        return Ok(());
    }
    let told = client.metadata(commit, file)?;
    let blob = place.blobs().join(&told.etag);
    cache::tag(&client.hub.cache)?;
    let _lock = place.lock(&told.etag, client.watch)?;
    if !blob.exists() {
        cache::make_parent(&blob)?;
        let download = Download { client, commit, file, told: &told, partial: partial(&blob) };
        download.run()?;
        std::fs::rename(&download.partial, &blob).map_err(|e| Error::io(&blob, e))?;
    }
    place.link(commit, file, &told.etag)
}

/// Where a content lies until it is complete.
fn partial(blob: &Path) -> PathBuf {
    let mut name = blob.as_os_str().to_os_string();
    name.push(".incomplete");
    name.into()
}

struct Download<'a> {
    client: &'a Client<'a>,
    commit: &'a str,
    file: &'a str,
    told: &'a Metadata,
    partial: PathBuf,
}

/// Why one attempt did not bring the rest of the file.
enum Stop {
    /// Worth another attempt, from where it stopped.
    Cut(Error),
    /// Worth nothing.
    Final(Error),
}

impl Download<'_> {
    /// Brings the whole file, in as many attempts as make sense.
    fn run(&self) -> Result<()> {
        self.check_room()?;
        let resumed = self.have() > 0;
        match self.bring().and_then(|()| self.check()) {
            // what an earlier run left behind may be what is wrong
            Err(Error::Hub(HubError::WrongChecksum { .. } | HubError::WrongSize { .. })) if resumed => {
                self.discard();
                self.bring().and_then(|()| self.check())
            }
            result => result,
        }
        .inspect_err(|error| {
            // half a file may stay for the next run to complete; a wrong one, or one that fills the disk, may not
            if let Error::Hub(
                HubError::WrongChecksum { .. } | HubError::WrongSize { .. } | HubError::DiskFull { .. },
            ) = error
            {
                self.discard();
            }
        })
    }

    /// Repeats attempts; one that brought something does not count against the patience.
    fn bring(&self) -> Result<()> {
        let mut failures = 0;
        loop {
            let before = self.have();
            if self.told.size == Some(before) && before > 0 {
                return Ok(());
            }
            match self.attempt(before) {
                Ok(()) => return Ok(()),
                Err(Stop::Final(error)) => return Err(error),
                Err(Stop::Cut(error)) => {
                    failures = if self.have() > before { 1 } else { failures + 1 };
                    if failures > self.client.hub.patience.retries {
                        return Err(error);
                    }
                    self.client.pause(failures, None)?;
                }
            }
        }
    }

    /// Asks for what is missing and appends what comes.
    fn attempt(&self, have: u64) -> std::result::Result<(), Stop> {
        // more than there should be, or without a size to compare with, is not worth keeping
        let from = if self.told.size.is_some_and(|size| have < size) { have } else { 0 };
        let mut reply =
            self.client.download(self.commit, self.file, &self.told.etag, from).map_err(Stop::Final)?;
        let from = match reply.status {
            206 if starts_at(&reply, from) => from,
            200 => 0,
            _ => {
                self.discard();
                return Err(Stop::Cut(self.interrupted("the server does not resume it")));
            }
        };
        let mut file = self.open(from).map_err(|e| Stop::Final(self.io(e)))?;
        let mut meter = Meter::new(self.file, from, self.told.size, self.client.watch);
        loop {
            match reply.next(self.client.watch) {
                Ok(Some(bytes)) => {
                    file.write_all(&bytes).map_err(|e| Stop::Final(self.io(e)))?;
                    meter.add(bytes.len() as u64);
                    if self.told.size.is_some_and(|size| meter.done > size) {
                        break;
                    }
                }
                Ok(None) => break,
                Err(failure) => {
                    let error = self.client.failed(failure, &self.client.hub.endpoint, Some(self.file));
                    return Err(match error {
                        Error::Cancelled => Stop::Final(error),
                        _ => Stop::Cut(error),
                    });
                }
            }
        }
        file.sync_all().map_err(|e| Stop::Final(self.io(e)))?;
        meter.tell();
        match self.told.size {
            Some(size) if meter.done < size => Err(Stop::Cut(self.interrupted("it ended early"))),
            _ => Ok(()),
        }
    }

    /// Opens the incomplete file to go on at `from`; whatever lies behind is cut off.
    fn open(&self, from: u64) -> std::io::Result<File> {
        use std::io::Seek;
        let mut file = File::options().create(true).truncate(false).write(true).open(&self.partial)?;
        if file.metadata()?.is_file() {
            file.set_len(from)?;
            file.seek(std::io::SeekFrom::End(0))?;
        }
        Ok(file)
    }

    /// Holds size and checksum against what the hub announced.
    fn check(&self) -> Result<()> {
        let size = self.have();
        if let Some(expected) = self.told.size.filter(|expected| *expected != size) {
            return Err(Error::Hub(HubError::WrongSize { file: self.file.into(), expected, size }));
        }
        let Some(expected) = &self.told.sha256 else { return Ok(()) };
        if sha256(&self.partial, self.client.watch)? == *expected {
            Ok(())
        } else {
            Err(Error::Hub(HubError::WrongChecksum { file: self.file.into() }))
        }
    }

    /// Refuses to begin what cannot fit.
    fn check_room(&self) -> Result<()> {
        let Some(needed) = self.told.size.map(|size| size.saturating_sub(self.have())) else { return Ok(()) };
        match free_space(&self.partial) {
            Some(free) if free < needed => Err(self.full(Some(needed))),
            _ => Ok(()),
        }
    }

    fn have(&self) -> u64 {
        std::fs::metadata(&self.partial).map_or(0, |data| data.len())
    }

    fn discard(&self) {
        // it may not be there, and a file that cannot be removed now is overwritten by the next attempt
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

/// Whether a partial answer begins where it was asked to: `Content-Range: bytes 100-199/200`.
fn starts_at(reply: &Reply, from: u64) -> bool {
    let range = reply.header("content-range").and_then(|text| text.trim().strip_prefix("bytes "));
    range.and_then(|range| range.split('-').next()?.trim().parse().ok()) == Some(from)
}

/// The SHA-256 of a file in lower-case hexadecimal.
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

/// Bytes that this user may still write beside a file.
#[cfg(unix)]
#[allow(clippy::unnecessary_cast)]
fn free_space(file: &Path) -> Option<u64> {
    use std::os::unix::ffi::OsStrExt;
    let folder = std::ffi::CString::new(file.parent()?.as_os_str().as_bytes()).ok()?;
    let mut stat = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `folder` ends in a zero byte, and `stat` is read only where the call says that it filled it.
    let stat = unsafe {
        if libc::statvfs(folder.as_ptr(), stat.as_mut_ptr()) != 0 {
            return None;
        }
        stat.assume_init()
    };
    Some((stat.f_bavail as u64).saturating_mul(stat.f_frsize as u64))
}

/// Where the system does not tell, a full disk shows when it is full.
#[cfg(not(unix))]
fn free_space(_file: &Path) -> Option<u64> {
    None
}

/// Tells how a download goes, now and then, with the speed of the last seconds.
struct Meter<'a> {
    file: &'a str,
    done: u64,
    total: Option<u64>,
    watch: &'a dyn Watch,
    told: Instant,
    marks: VecDeque<(Instant, u64)>,
}

impl<'a> Meter<'a> {
    const EVERY: Duration = Duration::from_millis(100);
    const WINDOW: Duration = Duration::from_secs(4);

    fn new(file: &'a str, done: u64, total: Option<u64>, watch: &'a dyn Watch) -> Self {
        let now = Instant::now();
        let mut meter = Self { file, done, total, watch, told: now, marks: VecDeque::from([(now, done)]) };
        meter.tell();
        meter
    }

    fn add(&mut self, bytes: u64) {
        self.done += bytes;
        if self.told.elapsed() >= Self::EVERY {
            self.tell();
        }
    }

    fn tell(&mut self) {
        let now = Instant::now();
        self.told = now;
        self.marks.push_back((now, self.done));
        while self.marks.len() > 2 && self.marks.front().is_some_and(|(when, _)| now - *when > Self::WINDOW) {
            self.marks.pop_front();
        }
        let speed = self.marks.front().map_or(0.0, |(when, bytes)| {
            let seconds = (now - *when).as_secs_f64();
            if seconds > 0.0 { (self.done - bytes) as f64 / seconds } else { 0.0 }
        });
        let file = self.file.to_owned();
        self.watch.progress(Progress::Download { file, done: self.done, total: self.total, speed });
    }
}

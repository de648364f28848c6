//! The folder of a scan while it is written.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::manifest::Manifest;
use super::options::ScanOptions;
use super::run::{ScannedRow, measure_each};
use super::tables::{ScanTables, TABLES};
use crate::columns::{ParquetFile, encode};
use crate::corpus::{BadRow, CorpusRow, SentencePair};
use crate::engine::{RunOptions, Session};
use crate::error::{Error, Result};
use crate::files;
use crate::progress::{Progress, Watch};

/// A part of a corpus: every `count`th row, from row `index - 1` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Number of the shard, from 1.
    pub index: usize,
    /// Number of shards.
    pub count: usize,
}

impl Default for Shard {
    /// The whole corpus.
    fn default() -> Self {
        Self { index: 1, count: 1 }
    }
}

impl Shard {
    /// Returns true if a row belongs to this shard.
    pub fn contains(self, row: u64) -> bool {
        row % self.count.max(1) as u64 == (self.index as u64).saturating_sub(1)
    }

    /// Beginning of the names of its files.
    fn prefix(self) -> String {
        if self.count == 1 { "part-".into() } else { format!("part-{}-of-{}-", self.index, self.count) }
    }
}

/// Destination of a scan, and the part of the corpus that it covers.
pub struct ScanTarget<'a> {
    /// The folder, which is created if necessary.
    pub folder: &'a Path,
    /// The MODEL argument, which the manifest names.
    pub opened: &'a str,
    /// The part of the corpus that is scanned.
    pub shard: Shard,
    /// Rows of the corpus in each file. A scan that is killed loses at most that
    /// many rows and those that are in the model.
    pub batch: usize,
    /// The share of the corpus that was read, for the time that is left.
    pub fraction: &'a dyn Fn() -> Option<f64>,
}

/// Returns a MODEL argument that opens the same from everywhere: a folder with its whole path.
fn reopened_as(opened: &str) -> String {
    let path = Path::new(opened);
    let absolute = || files::whole_path(path)?.into_os_string().into_string().ok();
    if path.is_dir() { absolute() } else { None }.unwrap_or_else(|| opened.into())
}

/// Result of a scan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScanSummary {
    /// Sentences with measures, those of earlier runs included.
    pub sentences: u64,
    /// Rows that could not be read or run, those of earlier runs included.
    pub bad: u64,
    /// The first of this run's, with the reasons.
    pub first_bad: Vec<(u64, String)>,
    /// Rows that earlier runs had scanned.
    pub resumed: u64,
    /// Seconds that this run took.
    pub seconds: f64,
}

/// Number of bad rows that a summary lists.
const LISTED: usize = 10;

/// Scans the rows of a corpus into a folder, and continues a scan that is there. A scan that is cancelled or
/// fails keeps what was measured.
///
/// # Errors
/// [`Error::OtherScan`] if the folder holds a scan of another model or corpus, or with other options;
/// [`Error::Busy`] if another process scans the same shard; those of [`measure_each`] and of the files.
pub fn scan(
    session: &Session,
    rows: impl Iterator<Item = Result<CorpusRow>>,
    run: &RunOptions,
    options: &ScanOptions,
    target: &ScanTarget,
    watch: &dyn Watch,
) -> Result<ScanSummary> {
    let (model, medium) = (session.identity()?, session.info().medium);
    let opened = reopened_as(target.opened);
    let manifest = Manifest::new(opened, model, medium, run, options, target.shard.count);
    let mut folder = ScanFolder::open(target, &manifest)?;
    let mut rows = rows.filter(|row| row.as_ref().map_or(true, |row| target.shard.contains(row.row)));
    folder.skip(&mut rows)?;
    let start = Instant::now();
    let before = (target.fraction)().unwrap_or(0.0);
    let resumed = folder.sentences + folder.bad;
    let mut summary = ScanSummary { resumed, ..ScanSummary::default() };
    let mut tables = ScanTables::new(options.maps);
    let mut count = 0u64;
    let ended = measure_each(session, rows, run, options, watch, |row| {
        if let Err(why) = &row.outcome
            && summary.first_bad.len() < LISTED
        {
            summary.first_bad.push((row.row, why.clone()));
        }
        folder.count(&row);
        tables.add(&row);
        count += 1;
        if tables.sentences() >= target.batch.max(1) {
            folder.write(std::mem::replace(&mut tables, ScanTables::new(options.maps)))?;
        }
        let seconds = start.elapsed().as_secs_f64();
        let fraction = (target.fraction)();
        let read = fraction.map(|fraction| (fraction - before, 1.0 - fraction));
        watch.progress(Progress::Scan {
            done: folder.sentences,
            rate: count as f64 / seconds.max(1e-3),
            fraction,
            left: read.filter(|(read, _)| *read > 0.0).map(|(read, left)| seconds * left / read),
        });
        Ok(())
    });
    folder.write(tables)?;
    ended?;
    let seconds = start.elapsed().as_secs_f64();
    Ok(ScanSummary { sentences: folder.sentences, bad: folder.bad, seconds, ..summary })
}

/// The files of one shard.
struct ScanFolder {
    path: PathBuf,
    prefix: String,
    /// Number of the next file of each table.
    part: usize,
    /// The last row that is scanned.
    last: Option<LastRow>,
    sentences: u64,
    bad: u64,
    /// Locked while the shard is scanned.
    lock: File,
}

/// The last row of a file of sentences.
struct LastRow {
    row: u64,
    /// Its source, if it could be run.
    source: Option<String>,
    /// Its recording or picture.
    media: Option<PathBuf>,
    generated: bool,
    /// Its target, given or generated, if it could be run.
    target: Option<String>,
}

impl LastRow {
    /// Returns true if the row can be that of this pair. Recordings and pictures go by the names of their files,
    /// since the folder depends on where the program runs.
    fn is_of(&self, pair: &SentencePair) -> bool {
        let name =
            |path: &Option<PathBuf>| path.as_deref().and_then(Path::file_name).map(OsStr::to_os_string);
        let media = name(&pair.audio).or_else(|| name(&pair.image));
        let same_text = media.is_some() || self.source.as_ref() == Some(&pair.source);
        // The corpus does not know a target that was generated.
        let same_target = self.generated || self.target == pair.target;
        media == name(&self.media) && same_text && same_target && pair.target.is_none() == self.generated
    }
}

impl ScanFolder {
    /// Creates the folder, or reads how far an earlier scan came.
    fn open(target: &ScanTarget, manifest: &Manifest) -> Result<Self> {
        let path = target.folder;
        let check = || Manifest::read(path)?.map_or(Ok(()), |found| manifest.check(&found, path));
        // A scan that is refused leaves nothing.
        check()?;
        let with_maps = manifest.options.measures.maps;
        for table in TABLES.into_iter().filter(|&table| with_maps || table != "maps") {
            let folder = path.join(table);
            std::fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, error))?;
        }
        let prefix = target.shard.prefix();
        let lock = locked(&path.join(format!(".{prefix}lock")), path)?;
        let mut folder = Self { path: path.into(), prefix, part: 0, last: None, sentences: 0, bad: 0, lock };
        match manifest.write(path) {
            // Another shard may have been faster.
            Err(Error::Exists { .. }) => check()?,
            written => written?,
        }
        folder.resume()?;
        Ok(folder)
    }

    /// Finds the last complete file, and removes what a killed run left after it.
    fn resume(&mut self) -> Result<()> {
        while self.file("sentences", self.part).is_file() {
            self.part += 1;
        }
        for table in TABLES {
            let next = self.file(table, self.part);
            if next.is_file() {
                std::fs::remove_file(&next).map_err(|error| Error::io(&next, error))?;
            }
            self.remove_temporary(&self.path.join(table));
        }
        let Some(last) = self.part.checked_sub(1) else { return Ok(()) };
        let file = ParquetFile::open(&self.file("sentences", last))?;
        let count = |key: &str| file.note(key).and_then(|text| text.parse().ok());
        let (Some(sentences), Some(bad)) = (count("sentences"), count("bad")) else {
            return Err(file.bad("its notes on the scan are missing"));
        };
        (self.sentences, self.bad) = (sentences, bad);
        let rows = file.read(&["sentence", "source", "media", "generated", "target"])?;
        let at = rows.rows().saturating_sub(1);
        let generated = rows.flag("generated", at);
        let source = rows.text("source", at).map(String::from);
        let target = rows.text("target", at).map(String::from);
        let media = rows.text("media", at).map(PathBuf::from);
        let row = rows.whole("sentence", at).and_then(|row| u64::try_from(row).ok());
        self.last = row.map(|row| LastRow { row, source, media, generated, target });
        Ok(())
    }

    /// Removes files that a killed run did not rename.
    fn remove_temporary(&self, folder: &Path) {
        let start = format!(".{}", self.prefix);
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(&start) && name.ends_with(".part") {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    fn file(&self, table: &str, part: usize) -> PathBuf {
        self.path.join(table).join(format!("{}{part:06}.parquet", self.prefix))
    }

    /// Skips the rows that earlier runs have scanned, and compares the last of them.
    fn skip(&self, rows: &mut impl Iterator<Item = Result<CorpusRow>>) -> Result<()> {
        let Some(last) = &self.last else { return Ok(()) };
        let other = |found: String, wanted: &str| Error::OtherScan {
            path: self.path.clone(),
            what: "corpus".into(),
            found,
            wanted: wanted.into(),
        };
        loop {
            let ends = || other(format!("{} rows or more", last.row + 1), "fewer");
            let row = rows.next().ok_or_else(ends)??;
            if row.row < last.row {
                continue;
            }
            let same = match (&row.pair, &last.source) {
                (Ok(pair), Some(_)) => last.is_of(pair),
                (Err(BadRow::Blank | BadRow::Invalid { .. }), Some(_)) => false,
                (_, None) => true,
            };
            return match same {
                true => Ok(()),
                false => Err(other(
                    format!("row {} was '{}'", last.row, last.source.as_deref().unwrap_or_default()),
                    "another text or another choice of targets",
                )),
            };
        }
    }

    fn count(&mut self, row: &ScannedRow) {
        match row.outcome {
            Ok(_) => self.sentences += 1,
            Err(_) => self.bad += 1,
        }
    }

    /// Writes a file of each table, that of the sentences last: the others count once it is there.
    fn write(&mut self, tables: ScanTables) -> Result<()> {
        if tables.sentences() == 0 {
            return Ok(());
        }
        let notes = [("sentences", self.sentences.to_string()), ("bad", self.bad.to_string())];
        for table in tables.finish() {
            let bytes = encode(&table, &notes)?;
            files::save(&self.file(&table.name, self.part), &bytes, true)?;
        }
        self.part += 1;
        Ok(())
    }
}

impl Drop for ScanFolder {
    fn drop(&mut self) {
        // Removed while it is locked: a run that opened the file before then finds that it is gone.
        let _ = std::fs::remove_file(self.path.join(format!(".{}lock", self.prefix)));
        let _ = self.lock.unlock();
    }
}

/// Locks a file that marks a shard of `folder` as being scanned.
fn locked(path: &Path, folder: &Path) -> Result<File> {
    let io = |error| Error::io(path, error);
    loop {
        let file = OpenOptions::new().append(true).create(true).open(path).map_err(io)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(Error::Busy { path: folder.into() }),
            // On a file system without locks nothing keeps a second run from the same shard.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        // Another run may have removed the file between opening and locking it.
        if files::is_at(&file, path) {
            return Ok(file);
        }
    }
}

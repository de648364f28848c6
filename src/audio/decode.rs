//! Sound files to samples of one channel.

use std::io::Cursor;

use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_AAC, CODEC_ID_AC3, CODEC_ID_ALAC, CODEC_ID_EAC3, CODEC_ID_OPUS, CODEC_ID_SPEEX, CODEC_ID_WMA,
};
use symphonia::core::codecs::audio::{AudioCodecId, AudioDecoderOptions};
use symphonia::core::errors::Error as DecoderError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, SeekMode, SeekTo, Track, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;
use symphonia::core::units::{TimeBase, Timestamp};

use super::edit_list::{self, Presented};
use crate::error::{AudioError, Result};
use crate::files::Bytes;
use crate::panics;

/// Rates that recordings have, in samples a second.
const RATES: std::ops::RangeInclusive<u32> = 1000..=768_000;

/// Most channels of a recording.
const MAX_CHANNELS: usize = 64;

/// Longest part that is decoded, in seconds.
pub const MAX_SECONDS: f64 = 4.0 * 3600.0;

/// Most samples that are decoded: those of [`MAX_SECONDS`] at 48 kHz, which fill 2.8 gigabytes. At the highest rate
/// they would fill 44.
const MAX_SAMPLES: usize = 4 * 3600 * 48_000;

/// Seconds that are decoded before a window and left out: lossy codecs need what comes before to give the same
/// samples as from the begin.
const PRE_ROLL: f64 = 1.0;

/// The part of a recording to decode.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SoundWindow {
    /// Begin in seconds.
    pub from: f64,
    /// Most seconds from there.
    pub seconds: f64,
    /// Channel to hear, from 0; `None` for the mean of all.
    pub channel: Option<usize>,
}

/// The decoded part of a recording, with one channel.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    /// Samples, mostly between -1 and 1.
    pub samples: Vec<f32>,
    /// Samples a second.
    pub rate: u32,
    /// Number of channels in the file.
    pub channels: usize,
    /// Length of the whole recording in seconds, if the file states it or was read to its end.
    pub length: Option<f64>,
    /// Notes for the user on damage that was skipped.
    pub notes: Vec<String>,
}

impl Recording {
    /// Length of the decoded part in seconds.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate.max(1))
    }

    /// Returns true if every sample is 0.
    pub fn is_silent(&self) -> bool {
        self.samples.iter().all(|&sample| sample == 0.0)
    }
}

/// Decodes a part of the sound file `bytes`. Its format is told by its contents; `file` names it in errors.
/// Time and memory grow with the window alone: what comes before it is passed over, if the file lets it.
///
/// # Errors
/// Those of [`AudioError`] that are about files.
pub fn read(bytes: Bytes, file: &str, window: &SoundWindow) -> Result<Recording> {
    let damaged = |why: String| AudioError::Damaged { file: file.into(), why }.into();
    panics::catch(|| decode(bytes, file, window)).unwrap_or_else(|why| Err(damaged(why)))
}

fn decode(bytes: Bytes, file: &str, window: &SoundWindow) -> Result<Recording> {
    let name = || file.to_string();
    if bytes.is_empty() {
        return Err(AudioError::Empty { file: name() }.into());
    }
    let mut format = probe(&bytes, file)?;
    let track = default_track(&*format).ok_or_else(|| AudioError::NoTrack { file: name() })?;
    let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
    let parameters = parameters.ok_or_else(|| AudioError::NoTrack { file: name() })?.clone();
    let (id, frames, clock) =
        (track.id, stated(track.num_frames), TrackClock::of(track, parameters.sample_rate));
    let options = AudioDecoderOptions::default();
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(&parameters, &options)
        .map_err(|_| AudioError::Codec { file: name(), codec: codec_name(parameters.codec) })?;

    let presented = edit_list::presented(bytes.as_ref(), id);
    let from = window.from + presented.begin;
    let clock = clock.filter(|clock| from > PRE_ROLL && clock.has(from, frames));
    let mut seeking = clock.filter(|clock| {
        let to = SeekTo::Timestamp { ts: clock.timestamp(from - PRE_ROLL), track_id: id };
        format.seek(SeekMode::Accurate, to).is_ok()
    });
    if clock.is_some() && seeking.is_none() {
        // The state of a reader whose seek failed is not known.
        format = probe(&bytes, file)?;
    }
    let mut found = Recording::default();
    let mut reader = Reader { file, window, presented, passed: 0, buffer: Vec::new() };
    let mut skipped = 0;
    let end = loop {
        let packet = match next_packet(&mut *format) {
            Packets::Next(packet) => packet,
            Packets::End => break None,
            Packets::Broken(why) => break Some(why),
        };
        if packet.track_id != id {
            continue;
        }
        if let Some(clock) = seeking.filter(|_| found.samples.is_empty()) {
            // The first packets after a seek may give fewer samples than they last: their times count.
            reader.passed = clock.frame(packet.pts);
            if reader.passed > reader.first(clock.rate) {
                seeking = None;
                format = probe(&bytes, file)?;
                decoder.reset();
                reader.passed = 0;
                continue;
            }
        }
        let decoded = match decoder.decode(&packet) {
            Ok(decoded) => decoded,
            Err(DecoderError::DecodeError(_) | DecoderError::IoError(_)) => {
                // A packet that needs data from before the seek is no damage.
                skipped += usize::from(seeking.is_none() || !found.samples.is_empty());
                continue;
            }
            Err(DecoderError::Unsupported(_)) => {
                return Err(AudioError::Codec { file: name(), codec: codec_name(parameters.codec) }.into());
            }
            Err(error) => break Some(error.to_string()),
        };
        let (rate, channels) = (decoded.spec().rate(), decoded.spec().channels().count());
        reader.check(&found, rate, channels)?;
        (found.rate, found.channels) = (rate, channels);
        decoded.copy_to_vec_interleaved(&mut reader.buffer);
        if reader.take(&mut found)? {
            if found.samples.is_empty() {
                break None;
            }
            found.length = reader.length(frames, rate);
            let note = reader.cut(&found);
            found.notes.extend(note);
            return Ok(found);
        }
    };
    finish(reader, found, skipped, end)
}

/// Opens a sound file by its contents.
fn probe(bytes: &Bytes, file: &str) -> Result<Box<dyn FormatReader>> {
    let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes.clone())), Default::default());
    let (format, metadata) = (FormatOptions::default(), MetadataOptions::default());
    let probed = symphonia::default::get_probe().probe(&Hint::new(), stream, format, metadata);
    Ok(probed.map_err(|error| match error {
        DecoderError::Unsupported(_) | DecoderError::IoError(_) => AudioError::NotAudio { file: file.into() },
        error => AudioError::Damaged { file: file.into(), why: error.to_string() },
    })?)
}

/// Number of samples of a track; `None` if it is not known, for which a fragmented MP4 file has the least or the
/// largest number.
fn stated(frames: Option<u64>) -> Option<u64> {
    frames.filter(|frames| (1..u64::MAX).contains(frames))
}

/// The track to hear.
fn default_track(format: &dyn FormatReader) -> Option<&Track> {
    format.default_track(TrackType::Audio).or(format.first_track(TrackType::Audio))
}

/// Conversion between the timestamps of a track and its samples.
#[derive(Clone, Copy, Debug)]
struct TrackClock {
    base: TimeBase,
    /// Samples of a channel in a second.
    rate: u32,
}

impl TrackClock {
    /// The clock of a track that states its rate and the unit of its timestamps.
    fn of(track: &Track, rate: Option<u32>) -> Option<Self> {
        Some(Self { base: track.time_base?, rate: rate.filter(|rate| RATES.contains(rate))? })
    }

    /// Length of a unit of timestamps in seconds.
    fn unit(self) -> f64 {
        f64::from(self.base.numer.get()) / f64::from(self.base.denom.get())
    }

    /// Returns false if the track is known to end before `seconds`.
    fn has(self, seconds: f64, frames: Option<u64>) -> bool {
        frames.is_none_or(|frames| seconds * f64::from(self.rate) < frames as f64)
    }

    fn timestamp(self, seconds: f64) -> Timestamp {
        Timestamp::new((seconds / self.unit()) as i64)
    }

    /// Number of samples of a channel before a timestamp.
    fn frame(self, at: Timestamp) -> u64 {
        (at.get().max(0) as f64 * self.unit() * f64::from(self.rate)).round() as u64
    }
}

/// Result of asking for the next packet.
enum Packets {
    Next(symphonia::core::packet::Packet),
    End,
    Broken(String),
}

fn next_packet(format: &mut dyn FormatReader) -> Packets {
    match format.next_packet() {
        Ok(Some(packet)) => Packets::Next(packet),
        // The parts of a chained file may differ in everything: only the first one is heard.
        Ok(None) | Err(DecoderError::ResetRequired) => Packets::End,
        Err(DecoderError::IoError(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Packets::Broken("the file breaks off".into())
        }
        Err(error) => Packets::Broken(error.to_string()),
    }
}

/// Completes a recording whose file was read to its end, or to where it is broken.
fn finish(reader: Reader, mut found: Recording, skipped: usize, broken: Option<String>) -> Result<Recording> {
    let file = reader.file.to_string();
    let seconds = reader.seconds(reader.passed, found.rate);
    if reader.passed == 0 {
        return Err(match broken {
            Some(why) => AudioError::Damaged { file, why },
            None if skipped > 0 => AudioError::Damaged { file, why: "no part of it can be decoded".into() },
            None => AudioError::Empty { file },
        }
        .into());
    }
    if reader.passed <= reader.begin(found.rate) {
        // A file that breaks off may have had the part that its edit list names.
        let why = broken.unwrap_or_else(|| "its edit list begins after its end".into());
        return Err(AudioError::Damaged { file, why }.into());
    }
    if found.samples.is_empty() {
        return Err(AudioError::BeyondEnd { file, seconds, from: reader.window.from }.into());
    }
    if let Some(why) = broken {
        found.notes.push(format!("{file} is damaged after {seconds:.2} s ({why}): the part before is heard"));
    }
    if skipped > 0 {
        found.notes.push(format!("{file}: {skipped} damaged packets are left out"));
    }
    found.length = Some(seconds);
    Ok(found)
}

/// Copies the window out of the decoded packets.
struct Reader<'a> {
    file: &'a str,
    window: &'a SoundWindow,
    /// The part of the track that is heard.
    presented: Presented,
    /// Samples of each channel decoded so far, those that are not presented included.
    passed: u64,
    /// Samples of the last packet, all channels in turn.
    buffer: Vec<f32>,
}

impl Reader<'_> {
    /// Checks the rate and the channels of a packet.
    fn check(&self, found: &Recording, rate: u32, channels: usize) -> Result<()> {
        let damaged = |why: String| Err(AudioError::Damaged { file: self.file.into(), why }.into());
        if !RATES.contains(&rate) || channels == 0 || channels > MAX_CHANNELS {
            return damaged(format!("{channels} channels at {rate} samples a second are not possible"));
        }
        if found.rate > 0 && (rate, channels) != (found.rate, found.channels) {
            return damaged("its rate or its channels change".into());
        }
        match self.window.channel {
            Some(channel) if channel >= channels => {
                Err(AudioError::NoChannel { file: self.file.into(), channel, count: channels }.into())
            }
            _ => Ok(()),
        }
    }

    /// Number of the sound's first sample, at `rate` samples a second.
    fn begin(&self, rate: u32) -> u64 {
        (self.presented.begin * f64::from(rate)).round() as u64
    }

    /// Number of the first sample after the sound, at `rate` samples a second.
    fn end(&self, rate: u32) -> u64 {
        (self.presented.end * f64::from(rate)).round() as u64
    }

    /// Number of the window's first sample, at `rate` samples a second.
    fn first(&self, rate: u32) -> u64 {
        let from = (self.window.from.max(0.0) * f64::from(rate)).round() as u64;
        from.saturating_add(self.begin(rate))
    }

    /// Seconds of sound in the first `samples` samples of the track.
    fn seconds(&self, samples: u64, rate: u32) -> f64 {
        samples.min(self.end(rate)).saturating_sub(self.begin(rate)) as f64 / f64::from(rate.max(1))
    }

    /// Length of the sound in seconds, if the track states its number of samples or an edit list names its end.
    fn length(&self, frames: Option<u64>, rate: u32) -> Option<f64> {
        let named = || self.presented.end.is_finite().then(|| self.end(rate));
        frames.or_else(named).map(|frames| self.seconds(frames, rate))
    }

    /// Number of samples in the window, at `rate` samples a second.
    fn wanted(&self, rate: u32) -> usize {
        (self.window.seconds.clamp(0.0, MAX_SECONDS) * f64::from(rate)).ceil() as usize
    }

    /// Note for the user if the window holds more samples than are decoded, and these are found.
    fn cut(&self, found: &Recording) -> Option<String> {
        let cut = found.samples.len() == MAX_SAMPLES && self.wanted(found.rate) > MAX_SAMPLES;
        let (file, seconds) = (self.file, found.seconds());
        cut.then(|| {
            format!("{file}: only {seconds:.2} s are heard, since they have {MAX_SAMPLES} samples, the most")
        })
    }

    /// Appends the window's part of the buffer; returns true once the window is full or the sound ends.
    fn take(&mut self, found: &mut Recording) -> Result<bool> {
        let first = self.first(found.rate);
        let wanted = self.wanted(found.rate).min(MAX_SAMPLES);
        let begin = self.passed;
        self.passed += (self.buffer.len() / found.channels) as u64;
        let skip = first.saturating_sub(begin).min(self.passed - begin) as usize;
        let left = self.end(found.rate).saturating_sub(begin);
        for (number, frame) in (0..).zip(self.buffer.chunks_exact(found.channels)).skip(skip) {
            if found.samples.len() == wanted || number >= left {
                return Ok(true);
            }
            let sample = match self.window.channel {
                Some(channel) => frame[channel],
                None => frame.iter().sum::<f32>() / frame.len() as f32,
            };
            if !sample.is_finite() {
                let seconds = self.seconds(first.saturating_add(found.samples.len() as u64), found.rate);
                return Err(AudioError::NotNumbers { file: self.file.into(), seconds }.into());
            }
            found.samples.push(sample);
        }
        Ok(false)
    }
}

/// Name of a codec, for errors.
fn codec_name(codec: AudioCodecId) -> String {
    match codec {
        CODEC_ID_OPUS => "Opus".into(),
        CODEC_ID_AAC => "a form of AAC other than AAC-LC, such as HE-AAC".into(),
        CODEC_ID_ALAC => "ALAC".into(),
        CODEC_ID_AC3 | CODEC_ID_EAC3 => "AC-3".into(),
        CODEC_ID_SPEEX => "Speex".into(),
        CODEC_ID_WMA => "Windows Media Audio".into(),
        codec => format!("an unknown codec (number {codec})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: SoundWindow = SoundWindow { from: 0.0, seconds: f64::INFINITY, channel: None };

    fn reader(begin: f64, end: f64) -> Reader<'static> {
        let presented = Presented { begin, end };
        Reader { file: "talk.m4a", window: &WINDOW, presented, passed: 0, buffer: Vec::new() }
    }

    #[test]
    fn a_length_that_is_not_known_is_not_told() {
        assert_eq!([Some(0), Some(u64::MAX), None, Some(7)].map(stated), [None, None, None, Some(7)]);
        assert_eq!(reader(0.5, f64::INFINITY).length(None, 1000), None);
        assert_eq!(reader(0.5, 2.0).length(None, 1000), Some(1.5));
        assert_eq!(reader(0.5, 2.0).length(Some(1000), 1000), Some(0.5));
    }

    #[test]
    fn samples_are_bounded_at_every_rate() {
        let reader = reader(0.0, f64::INFINITY);
        assert!(reader.wanted(48_000) <= MAX_SAMPLES && reader.wanted(96_000) > MAX_SAMPLES);
        let found = Recording { samples: vec![0.0; 3], rate: 48_000, ..Recording::default() };
        assert_eq!(reader.cut(&found), None);
    }

    #[test]
    fn a_file_that_breaks_off_is_told_before_its_edit_list() {
        let why = |broken: Option<String>| {
            let reader = Reader { passed: 10, ..reader(2.0, 3.0) };
            let found = Recording { rate: 1000, channels: 1, ..Recording::default() };
            finish(reader, found, 0, broken).unwrap_err().to_string()
        };
        assert!(why(Some("the file breaks off".into())).contains("breaks off"));
        assert!(why(None).contains("edit list"));
    }
}

//! One file: its bytes go into a second file beside it that later tries go on with, and it takes its name once they are what the hub
//! lists. A line that breaks is taken up where it broke; one that brings nothing several times is given up.

use super::choice::RemoteFile;
use super::{Error, Hub};
use crate::files::make_folder;
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use ureq::Body;
use ureq::http::{HeaderMap, Response, StatusCode, Uri, header};

/// How many tries in a row may bring nothing.
const MOST_TRIES: u32 = 6;
/// How much is written at once.
const CHUNK: usize = 1 << 18;

/// Told how many bytes of the file are there; breaking ends the download.
pub(super) type Tell<'a> = &'a mut dyn FnMut(u64) -> ControlFlow<()>;

/// A file on its way.
pub(super) struct Transfer<'a> {
    pub(super) hub: &'a Hub,
    pub(super) address: Uri,
    pub(super) file: &'a RemoteFile,
    /// Where it goes.
    pub(super) target: &'a Path,
}

/// Why a try ended before the file was whole.
enum Broken {
    /// Another try may bring more.
    ForNow(Error),
    /// No other try will.
    ForGood(Error),
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        match error {
            Error::Unreachable { .. } | Error::Status { status: 408 | 429 | 500..=599, .. } => Self::ForNow(error),
            error => Self::ForGood(error),
        }
    }
}

/// What came so far.
struct Part {
    path: PathBuf,
    file: File,
    bytes: u64,
    hash: Sha256,
    /// Whether a part of it came at another time.
    is_resumed: bool,
}

impl Transfer<'_> {
    /// Gets the file, unless it is there.
    pub(super) fn run(&self, tell: Tell<'_>) -> Result<(), Error> {
        if self.target.exists() {
            return self.check_what_is_there(tell);
        }
        let mut part = Part::open(self.target, self.file, tell)?;
        loop {
            self.complete(&mut part, tell)?;
            let found = format!("{:x}", part.hash.clone().finalize());
            match &self.file.sha256 {
                // What was left from another time is damaged: all of it once more.
                Some(expected) if *expected != found && part.is_resumed => part.start_over()?,
                Some(expected) if *expected != found => {
                    part.discard();
                    return Err(Error::WrongBytes {
                        file: self.file.name.clone(),
                        host: self.hub.host(),
                        expected: expected.chars().take(10).collect(),
                        found: found.chars().take(10).collect(),
                    });
                }
                _ => return part.finish(self.target),
            }
        }
    }

    /// Gets the bytes that the part lacks.
    fn complete(&self, part: &mut Part, tell: Tell<'_>) -> Result<(), Error> {
        let mut version = None;
        let mut fruitless = 0;
        while part.bytes < self.file.bytes || (part.bytes == 0 && fruitless == 0) {
            let before = part.bytes;
            match self.try_once(part, &mut version, tell) {
                Ok(()) => break,
                Err(Broken::ForGood(error)) => {
                    if part.bytes == 0 || matches!(error, Error::Excess { .. }) {
                        part.discard();
                    }
                    return Err(error);
                }
                Err(Broken::ForNow(error)) => {
                    fruitless = if part.bytes > before { 0 } else { fruitless + 1 };
                    if fruitless == MOST_TRIES {
                        return Err(error);
                    }
                    self.wait(fruitless, part.bytes, tell)?;
                }
            }
        }
        Ok(())
    }

    /// A file that has the name already must be this one.
    fn check_what_is_there(&self, tell: Tell<'_>) -> Result<(), Error> {
        let in_the_way = || Error::InTheWay(self.target.to_owned());
        let file = File::open(self.target).map_err(Error::disk(self.target))?;
        let about = file.metadata().map_err(Error::disk(self.target))?;
        if !about.is_file() || about.len() != self.file.bytes {
            return Err(in_the_way());
        }
        if let Some(expected) = &self.file.sha256 {
            let mut hash = Sha256::new();
            hash_all(file.take(self.file.bytes), self.target, &mut hash, &mut || told(tell, self.file.bytes))?;
            if format!("{:x}", hash.finalize()) != *expected {
                return Err(in_the_way());
            }
        }
        told(tell, self.file.bytes)
    }

    fn try_once(&self, part: &mut Part, version: &mut Option<String>, tell: Tell<'_>) -> Result<(), Broken> {
        let answer = self.hub.get(self.address.clone(), part.bytes, version.as_deref(), &self.file.name)?;
        let starts_at = self.starts_at(&answer, part.bytes)?;
        if starts_at == 0 && part.bytes > 0 {
            part.start_over()?;
        }
        *version = strong_version(answer.headers());
        self.take_in(answer, part, tell)
    }

    /// From which byte on the answer brings the file: where it should go on, or its beginning.
    fn starts_at(&self, answer: &Response<Body>, from: u64) -> Result<u64, Broken> {
        let wrong = |found: String| {
            Broken::ForGood(Error::Size { file: self.file.name.clone(), expected: self.file.bytes, found })
        };
        let announced =
            answer.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        match answer.status() {
            StatusCode::PARTIAL_CONTENT => {
                let range = answer.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
                match range.and_then(range_of) {
                    Some((_, total)) if total.is_some_and(|total| total != self.file.bytes) => {
                        Err(wrong(format!("the server has {}", total.unwrap_or_default())))
                    }
                    Some((start, _)) if start == from => Ok(from),
                    // Whatever it brings, it is not what was asked for.
                    _ => Err(Broken::ForGood(Error::Nonsense {
                        host: self.hub.host(),
                        reason: "it sends another part of a file than it was asked for".to_owned(),
                    })),
                }
            }
            StatusCode::RANGE_NOT_SATISFIABLE => Err(wrong(format!("the server has fewer than {from}"))),
            _ => match announced {
                Some(announced) if announced != self.file.bytes => {
                    Err(wrong(format!("the server announces {announced}")))
                }
                // What is not even announced to be the file is not worth what came of it before.
                None if from > 0 && self.file.sha256.is_some() => {
                    Err(wrong("the server does not say how many it sends".to_owned()))
                }
                _ => Ok(0),
            },
        }
    }

    fn take_in(&self, mut answer: Response<Body>, part: &mut Part, tell: Tell<'_>) -> Result<(), Broken> {
        let mut body = answer.body_mut().with_config().limit(u64::MAX).reader();
        let mut chunk = vec![0; CHUNK];
        loop {
            told(tell, part.bytes)?;
            let count = match body.read(&mut chunk) {
                Ok(0) if part.bytes == self.file.bytes => return Ok(()),
                Ok(0) => return Err(self.broke("the line broke")),
                Ok(count) => count,
                Err(error) => return Err(self.broke(&error.to_string())),
            };
            if part.bytes + count as u64 > self.file.bytes {
                let (file, expected) = (self.file.name.clone(), self.file.bytes);
                return Err(Broken::ForGood(Error::Excess { file, expected }));
            }
            part.add(&chunk[..count])?;
        }
    }

    fn broke(&self, reason: &str) -> Broken {
        Broken::ForNow(Error::Unreachable { host: self.hub.host(), reason: reason.to_owned() })
    }

    /// Waits before another try, twice as long each time.
    fn wait(&self, fruitless: u32, bytes: u64, tell: Tell<'_>) -> Result<(), Error> {
        let until = Instant::now() + self.hub.pause * (1 << fruitless.min(6));
        while Instant::now() < until {
            told(tell, bytes)?;
            std::thread::sleep(Duration::from_millis(50).min(self.hub.pause));
        }
        Ok(())
    }
}

impl Part {
    /// What came of it before, if anything; the file is locked while it lives.
    fn open(target: &Path, of: &RemoteFile, tell: Tell<'_>) -> Result<Self, Error> {
        let folder = target.parent().unwrap_or(Path::new("."));
        make_folder(folder).map_err(Error::disk(folder))?;
        // By its contents, so that no other state of the file is gone on with.
        let content = of.content.as_deref().and_then(|digits| digits.get(..12));
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let path = folder.join(format!(".{name}.{}.part", content.unwrap_or("new")));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::disk(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Busy(target.to_owned())),
            // Some file systems have no locks.
            Err(TryLockError::Error(error)) => tracing::debug!("{} is not locked: {error}", path.display()),
        }
        let bytes = file.metadata().map_err(Error::disk(&path))?.len();
        let mut part = Self { path, file, bytes, hash: Sha256::new(), is_resumed: bytes > 0 };
        if bytes > of.bytes || content.is_none() {
            part.start_over()?;
        } else {
            // As much as there was: it is not known what a person has put in its place.
            hash_all((&part.file).take(bytes), &part.path, &mut part.hash, &mut || told(tell, bytes))?;
        }
        Ok(part)
    }

    fn start_over(&mut self) -> Result<(), Error> {
        self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0))).map_err(Error::disk(&self.path))?;
        self.bytes = 0;
        self.hash = Sha256::new();
        self.is_resumed = false;
        Ok(())
    }

    fn add(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(Error::disk(&self.path))?;
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Gives it its name, once it is on the disk.
    fn finish(self, target: &Path) -> Result<(), Error> {
        self.file.sync_all().map_err(Error::disk(&self.path))?;
        std::fs::rename(&self.path, target).map_err(Error::disk(target))
    }

    fn discard(&self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!("{} could not be removed: {error}", self.path.display());
        }
    }
}

fn told(tell: Tell<'_>, bytes: u64) -> Result<(), Error> {
    match tell(bytes) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::Cancelled),
    }
}

/// Hashes all of a file, which may be many gigabytes: `go_on` is asked before each piece.
fn hash_all(
    mut file: impl Read,
    path: &Path,
    hash: &mut Sha256,
    go_on: &mut dyn FnMut() -> Result<(), Error>,
) -> Result<(), Error> {
    let mut some = vec![0; 1 << 20];
    loop {
        go_on()?;
        match file.read(&mut some).map_err(Error::disk(path))? {
            0 => return Ok(()),
            count => hash.update(&some[..count]),
        }
    }
}

/// What an answer calls the state of its file, if two states with one name are the same to the byte (RFC 9110, 8.8.3).
fn strong_version(headers: &HeaderMap) -> Option<String> {
    let tag = headers.get(header::ETAG)?.to_str().ok()?;
    (!tag.starts_with("W/")).then(|| tag.to_owned())
}

/// The first byte of `bytes FIRST-LAST/TOTAL`, and the total where it is known.
fn range_of(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.trim().parse().ok()?, total.trim().parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashing_ends_as_soon_as_it_is_cancelled() {
        let mut asked = 0;
        let mut go_on = || {
            asked += 1;
            if asked < 3 { Ok(()) } else { Err(Error::Cancelled) }
        };
        let mut endless = std::io::repeat(7);
        let ended = hash_all(&mut endless, Path::new("a"), &mut Sha256::new(), &mut go_on);
        assert!(matches!(ended, Err(Error::Cancelled)), "{ended:?}");
    }

    #[test]
    fn the_place_of_a_part_is_read() {
        assert_eq!(range_of("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(range_of("bytes 5-9/*"), Some((5, None)));
        for wrong in ["", "bytes */10", "bytes 5", "items 5-9/10", "bytes -1-9/10"] {
            assert_eq!(range_of(wrong), None, "{wrong}");
        }
    }
}

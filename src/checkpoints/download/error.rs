use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Why something was not downloaded, in words for who asked for it: what, what to do, where. What came so far is kept, unless it is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Whoever asked does not want it any more.
    #[error("the download was cancelled; what came so far is kept, and the same download goes on from there")]
    Cancelled,
    /// No name of a repository.
    #[error(
        "{0:?} names no model on a hub: write ORG/NAME or ORG/NAME@REVISION, such as stabilityai/stable-diffusion-xl-base-1.0"
    )]
    Name(String),
    /// No address of a hub.
    #[error("the hub {0:?} has no usable address: `hub` in the settings must begin with https:// or http://")]
    Endpoint(String),
    /// The hub does not know it.
    #[error("there is no {what} at {hub}: check the spelling, or whether it is public")]
    NotFound {
        /// The repository, or a file of it.
        what: String,
        /// The hub.
        hub: String,
    },
    /// The hub wants to know who asks.
    #[error(
        "{hub} gives {what} only to people who have signed in and accepted its terms: do so at {hub}/{what}, and put an access token \
         into the environment variable HF_TOKEN"
    )]
    Forbidden {
        /// The repository.
        what: String,
        /// The hub.
        hub: String,
    },
    /// The hub refuses or is broken.
    #[error("{host} answers with {status}: try again later")]
    Status {
        /// Who.
        host: String,
        /// The HTTP status.
        status: u16,
    },
    /// There is no talking to the hub.
    #[error("{host} cannot be reached ({reason}): check the connection and try again; what came so far is kept")]
    Unreachable {
        /// Who.
        host: String,
        /// Why.
        reason: String,
    },
    /// What the hub says makes no sense.
    #[error("{host} does not answer as a hub does ({reason}): check the setting `hub`")]
    Nonsense {
        /// Who.
        host: String,
        /// How so.
        reason: String,
    },
    /// A repository that is not laid out as a pipeline.
    #[error("{repo} is no diffusers pipeline, so the files to get must be named{}", some_of(files))]
    NotAPipeline {
        /// Which.
        repo: String,
        /// What could be named.
        files: Vec<String>,
    },
    /// A pipeline of another kind.
    #[error(
        "{repo} has no U-Net, so it cannot be painted with: choose a Stable Diffusion 1, 2 or XL; Flux, Stable Diffusion 3 and others \
         are built otherwise"
    )]
    NoUNet {
        /// Which.
        repo: String,
    },
    /// A pipeline whose weights are pickles.
    #[error(
        "{repo} has no safetensors of its {part}, only files in older forms, which are not downloaded unasked: name a file to get it"
    )]
    NoSafetensors {
        /// Which.
        repo: String,
        /// The part.
        part: String,
    },
    /// A file that is not there.
    #[error("{repo} has no file {file}{}", some_of(files))]
    NoFile {
        /// Which.
        repo: String,
        /// What was asked for.
        file: String,
        /// What there is.
        files: Vec<String>,
    },
    /// A file name that leads out of the folder, or that some systems cannot write.
    #[error("{repo} names a file {file:?}, which is refused: it does not stay in the folder of the download")]
    UnsafeName {
        /// Which.
        repo: String,
        /// The name.
        file: String,
    },
    /// The server has more or fewer bytes than are listed.
    #[error("{file} should have {expected} bytes, but {found}: what came before is kept; try again later")]
    Size {
        /// Which file.
        file: String,
        /// As the hub lists it.
        expected: u64,
        /// What the server says or does.
        found: String,
    },
    /// More bytes than are listed came.
    #[error("{file} should have {expected} bytes, but the server sends more: it is not kept; try again later")]
    Excess {
        /// Which file.
        file: String,
        /// As the hub lists it.
        expected: u64,
    },
    /// Other bytes than were announced.
    #[error(
        "{file} is not what {host} lists (its SHA-256 begins with {found} instead of {expected}): it is not kept; try again later"
    )]
    WrongBytes {
        /// Which file.
        file: String,
        /// The hub.
        host: String,
        /// The first digits, as the hub lists them.
        expected: String,
        /// The first digits of what came.
        found: String,
    },
    /// Something else has the file's name.
    #[error("there is another file of this name: rename it or its folder, and try again: {}", .0.display())]
    InTheWay(PathBuf),
    /// Two downloads of one file.
    #[error("another program downloads this file already: wait for it: {}", .0.display())]
    Busy(PathBuf),
    /// The disk refuses.
    #[error("{}: {}", advice(.source), .path.display())]
    Disk {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// What the disk said about a path.
    pub(super) fn disk(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::Disk { path: path.to_owned(), source }
    }
}

fn advice(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "the disk is full: free some space and start the download again, it goes on where it stopped".to_owned()
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "this cannot be written: choose another folder for models, or change its permissions".to_owned()
        }
        _ => format!("this cannot be written or read ({error})"),
    }
}

/// A few of the names, to choose from.
fn some_of(files: &[String]) -> String {
    const MOST: usize = 8;
    match files {
        [] => String::new(),
        files => {
            let more = if files.len() > MOST { ", …" } else { "" };
            format!("; it has {}{more}", files.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", "))
        }
    }
}

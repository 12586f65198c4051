//! A hub that a test plays by hand, on this machine.

use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
}

impl Asked {
    /// The first byte of the range that was asked for.
    pub(crate) fn from(&self) -> Option<usize> {
        self.headers.get("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// What to answer.
pub(crate) struct Answer {
    status: &'static str,
    pub(crate) headers: Vec<String>,
    body: Vec<u8>,
    /// After how many bytes of the body the line breaks.
    breaks_after: Option<usize>,
}

impl Answer {
    pub(crate) fn new(status: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), breaks_after: None }
    }

    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::new("200 OK", body)
    }

    /// The bytes from the one that was asked for.
    pub(crate) fn ranged(asked: &Asked, body: &[u8]) -> Self {
        match asked.from() {
            None => Self::ok(body),
            Some(from) => {
                let range = format!("Content-Range: bytes {from}-{}/{}", body.len() - 1, body.len());
                Self::new("206 Partial Content", &body[from..]).with(range)
            }
        }
    }

    pub(crate) fn redirect(to: impl std::fmt::Display) -> Self {
        Self::new("302 Found", "").with(format!("Location: {to}"))
    }

    pub(crate) fn with(mut self, header: impl Into<String>) -> Self {
        self.headers.push(header.into());
        self
    }

    pub(crate) fn breaking_after(mut self, bytes: usize) -> Self {
        self.breaks_after = Some(bytes);
        self
    }

    fn send(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let mut headers = self.headers.clone();
        if !headers.iter().any(|header| header.starts_with("Transfer-Encoding")) {
            headers.push(format!("Content-Length: {}", self.body.len()));
        }
        let head = format!("HTTP/1.1 {}\r\nConnection: close\r\n{}\r\n\r\n", self.status, headers.join("\r\n"));
        stream.write_all(head.as_bytes())?;
        stream.write_all(&self.body[..self.breaks_after.unwrap_or(self.body.len())])
    }
}

/// A hub, as long as the test lives.
pub(crate) struct Played {
    pub(crate) address: String,
    pub(crate) asked: Arc<Mutex<Vec<Asked>>>,
}

/// A hub that answers so; `answer` is also told how often the path was asked for before.
pub(crate) fn play(answer: impl Fn(&Asked, usize) -> Answer + Send + 'static) -> Played {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::<Asked>::new()));
    let log = Arc::clone(&asked);
    let serve = move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let Some(first) = lines.next() else { continue };
            let headers = lines.take_while(|line| !line.is_empty());
            let headers = headers.filter_map(|line| {
                let (name, value) = line.split_once(':')?;
                Some((name.to_lowercase(), value.trim().to_owned()))
            });
            let one = Asked { path: first.split(' ').nth(1).unwrap().to_owned(), headers: headers.collect() };
            let before = log.lock().unwrap().iter().filter(|other| other.path == one.path).count();
            log.lock().unwrap().push(one.clone());
            // Whoever asked may have gone.
            answer(&one, before).send(&mut stream).unwrap_or_default();
        }
    };
    std::thread::Builder::new().name("hub".into()).spawn(serve).unwrap();
    Played { address, asked }
}

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

pub(crate) fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// The list of a repository with these files; those of weights with their hashes.
pub(crate) fn listing(files: &[(&str, &[u8])]) -> Vec<u8> {
    let file = |(name, bytes): &(&str, &[u8])| {
        let lfs = name
            .ends_with(".safetensors")
            .then(|| serde_json::json!({ "sha256": sha256(bytes), "size": bytes.len(), "pointerSize": 134 }));
        serde_json::json!({ "rfilename": name, "size": bytes.len(), "blobId": COMMIT, "lfs": lfs })
    };
    let files: Vec<_> = files.iter().map(file).collect();
    serde_json::json!({ "sha": COMMIT, "cardData": { "license": "openrail" }, "siblings": files })
        .to_string()
        .into_bytes()
}

/// A hub with one repository, `o/sepia`: the parts of the pipeline in this folder.
pub(crate) fn play_folder(folder: &Path) -> Played {
    let parts = ["unet", "vae", "text_encoder", "tokenizer", "scheduler", ""];
    let mut files = Vec::new();
    for part in parts {
        for entry in std::fs::read_dir(folder.join(part)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/");
                files.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    let listed: Vec<_> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let list = listing(&listed);
    play(move |asked, _| {
        let name = asked.path.strip_prefix(&format!("/o/sepia/resolve/{COMMIT}/"));
        match (
            files.iter().find(|(file, _)| Some(file.as_str()) == name),
            asked.path.starts_with("/api/models/o/sepia/"),
        ) {
            (Some((_, bytes)), _) => Answer::ranged(asked, bytes),
            (None, true) => Answer::ok(list.clone()),
            (None, false) => Answer::new("404 Not Found", ""),
        }
    })
}

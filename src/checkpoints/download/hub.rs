//! The talk with a hub: what is in a repository, and the bytes of a file. Redirects are followed here, because the token that tells the
//! hub who asks is for the hub alone, and what is sealed on the way there must not go on in the open.

use super::Error;
use super::choice::{RemoteFile, safe_path};
use serde_json::Value;
use std::fmt;
use std::io::Read;
use std::time::Duration;
use ureq::http::{Response, StatusCode, Uri, header};
use ureq::{Agent, Body};

/// How often an answer may point elsewhere.
const MOST_REDIRECTS: usize = 8;
/// The longest list of files that is read, in bytes.
const LONGEST_LIST: u64 = 64 << 20;
/// How long the other side may be silent.
const SILENCE: Duration = Duration::from_secs(10);

/// A hub in the manner of Hugging Face's.
#[derive(Clone)]
pub struct Hub {
    endpoint: Uri,
    token: Option<String>,
    agent: Agent,
    /// How long to wait before the first new try; each further wait is twice as long.
    pub(super) pause: Duration,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// A repository, and which state of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repo {
    /// `ORG/NAME`.
    pub name: String,
    /// A branch, a tag or a commit.
    pub revision: String,
}

/// What a hub says of a repository.
#[derive(Debug)]
pub(super) struct Listing {
    /// The commit that the files are of.
    pub(super) commit: String,
    /// As its card names it.
    pub(super) licence: Option<String>,
    pub(super) files: Vec<RemoteFile>,
}

impl Repo {
    /// From `ORG/NAME` or `ORG/NAME@REVISION`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (name, revision) = text.split_once('@').unwrap_or((text, "main"));
        let is_plain = |part: &str, most: usize| {
            let fits = !part.is_empty() && part.len() <= most && !part.starts_with('.') && !part.contains("..");
            fits && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        let is_name = name.split('/').count() == 2 && name.split('/').all(|part| is_plain(part, 96));
        if is_name && revision.split('/').all(|part| is_plain(part, 200)) {
            Ok(Self { name: name.to_owned(), revision: revision.to_owned() })
        } else {
            Err(Error::Name(text.to_owned()))
        }
    }

    /// What comes behind the organisation.
    pub fn short_name(&self) -> &str {
        self.name.split_once('/').map_or(&self.name, |(_, name)| name)
    }
}

impl Hub {
    /// Where models are looked for unless the settings say otherwise.
    pub const DEFAULT: &str = "https://huggingface.co";
    /// The environment variable with the token that tells the hub who asks.
    pub const TOKEN: &str = "HF_TOKEN";

    /// The hub at an address. Nothing is sent before something is asked for.
    pub fn new(endpoint: &str, token: Option<String>) -> Result<Self, Error> {
        let trimmed = endpoint.trim().trim_end_matches('/');
        let uri = trimmed.parse::<Uri>().ok();
        let is_usable = |uri: &Uri| matches!(uri.scheme_str(), Some("https" | "http")) && uri.host().is_some();
        let endpoint = uri.filter(is_usable).ok_or_else(|| Error::Endpoint(endpoint.to_owned()))?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .user_agent(concat!("sfumato/", env!("CARGO_PKG_VERSION")));
        let token = token.filter(|token| !token.trim().is_empty()).map(|token| token.trim().to_owned());
        Ok(Self { endpoint, token, agent: config.build().new_agent(), pause: Duration::from_millis(500) })
    }

    /// The hub's host, for people.
    pub(super) fn host(&self) -> String {
        self.endpoint.authority().map(ToString::to_string).unwrap_or_default()
    }

    /// The files of a repository.
    pub(super) fn list(&self, repo: &Repo) -> Result<Listing, Error> {
        let revision = repo.revision.replace('/', "%2F");
        let address = self.address(&format!("/api/models/{}/revision/{revision}?blobs=true", repo.name))?;
        let mut answer = self.get(address, 0, None, &repo.name)?;
        let mut text = String::new();
        let body = answer.body_mut().as_reader();
        body.take(LONGEST_LIST).read_to_string(&mut text).map_err(|error| self.unreachable(&error.to_string()))?;
        let nonsense = |reason: &str| Error::Nonsense { host: self.host(), reason: reason.to_owned() };
        let json: Value = serde_json::from_str(&text).map_err(|_| nonsense("it sends no JSON"))?;
        let commit = json.get("sha").and_then(Value::as_str).unwrap_or(&repo.revision);
        let commit = Repo::parse(&format!("{}@{commit}", repo.name)).map_err(|_| nonsense("its commit is no name"))?;
        let siblings = json.get("siblings").and_then(Value::as_array).ok_or_else(|| nonsense("it lists no files"))?;
        let files = siblings.iter().map(|file| {
            let file = remote_file(file).ok_or_else(|| nonsense("it lists a file without its name or size"))?;
            let is_safe = safe_path(&file.name).is_some();
            if is_safe { Ok(file) } else { Err(Error::UnsafeName { repo: repo.name.clone(), file: file.name }) }
        });
        let files = files.collect::<Result<Vec<_>, _>>()?;
        let licence = json.pointer("/cardData/license").and_then(Value::as_str).map(str::to_owned);
        Ok(Listing { commit: commit.revision, licence, files })
    }

    /// The address of a file at a commit.
    pub(super) fn address_of(&self, repo: &str, commit: &str, file: &str) -> Result<Uri, Error> {
        self.address(&format!("/{repo}/resolve/{}/{}", commit.replace('/', "%2F"), escaped(file)))
    }

    fn address(&self, path: &str) -> Result<Uri, Error> {
        let base = self.endpoint.to_string();
        let address = format!("{}{path}", base.trim_end_matches('/'));
        address.parse().map_err(|_| Error::Endpoint(self.endpoint.to_string()))
    }

    /// Asks for what is at an address, from the byte `from` on; `version` is what an earlier answer called that state of it.
    pub(super) fn get(
        &self,
        address: Uri,
        from: u64,
        version: Option<&str>,
        what: &str,
    ) -> Result<Response<Body>, Error> {
        let mut address = address;
        for _ in 0..MOST_REDIRECTS {
            let mut request = self.agent.get(&address);
            if from > 0 {
                request = request.header(header::RANGE, format!("bytes={from}-"));
                if let Some(version) = version {
                    request = request.header(header::IF_RANGE, version);
                }
            }
            if let Some(token) = self.token.as_deref().filter(|_| self.is_ours(&address)) {
                request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
            }
            let answer = request
                .call()
                .map_err(|error| Error::Unreachable { host: host_of(&address), reason: error.to_string() })?;
            let status = answer.status();
            if !status.is_redirection() {
                return self.granted(answer, &address, what);
            }
            let target = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
            address = target.and_then(|target| redirected(&address, target)).ok_or_else(|| Error::Nonsense {
                host: host_of(&address),
                reason: "it points to an address that cannot be followed".to_owned(),
            })?;
        }
        Err(Error::Nonsense { host: host_of(&address), reason: "it points elsewhere again and again".to_owned() })
    }

    fn granted(&self, answer: Response<Body>, address: &Uri, what: &str) -> Result<Response<Body>, Error> {
        let (what, hub) = (what.to_owned(), self.endpoint.to_string().trim_end_matches('/').to_owned());
        match answer.status() {
            // What was asked for is no longer there from that byte on: that is for who asks.
            status if status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE => Ok(answer),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if self.is_ours(address) => {
                Err(Error::Forbidden { what, hub })
            }
            StatusCode::NOT_FOUND => Err(Error::NotFound { what, hub }),
            status => Err(Error::Status { host: host_of(address), status: status.as_u16() }),
        }
    }

    fn is_ours(&self, address: &Uri) -> bool {
        address.scheme() == self.endpoint.scheme() && address.authority() == self.endpoint.authority()
    }

    fn unreachable(&self, reason: &str) -> Error {
        Error::Unreachable { host: self.host(), reason: reason.to_owned() }
    }
}

/// Where an answer points: to another address, or to another path of the same host; never from a sealed line to an open one.
fn redirected(from: &Uri, target: &str) -> Option<Uri> {
    let target: Uri = if target.starts_with('/') && !target.starts_with("//") {
        format!("{}://{}{target}", from.scheme_str()?, from.authority()?).parse().ok()?
    } else {
        target.parse().ok()?
    };
    let may = matches!((from.scheme_str()?, target.scheme_str()?), ("https", "https") | ("http", "http" | "https"));
    may.then_some(target)
}

fn host_of(address: &Uri) -> String {
    address.authority().map(ToString::to_string).unwrap_or_default()
}

/// A path with what may not stand in an address escaped (RFC 3986).
fn escaped(path: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// A file as the hub's list has it.
fn remote_file(json: &Value) -> Option<RemoteFile> {
    let text = |pointer: &str| json.pointer(pointer).and_then(Value::as_str).map(str::to_lowercase);
    let is_hex = |digits: &String| digits.len() >= 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let sha256 = text("/lfs/sha256").or_else(|| text("/lfs/oid")).filter(|digits| is_hex(digits) && digits.len() == 64);
    Some(RemoteFile {
        name: json.get("rfilename")?.as_str()?.to_owned(),
        bytes: json.pointer("/lfs/size").or_else(|| json.get("size"))?.as_u64()?,
        content: sha256.clone().or_else(|| text("/blobId").filter(is_hex)),
        sha256,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_named_by_two_plain_words_and_perhaps_a_revision() {
        let repo = Repo::parse("stabilityai/sd-turbo@refs/pr/4").unwrap();
        assert_eq!(
            (repo.name.as_str(), repo.revision.as_str(), repo.short_name()),
            ("stabilityai/sd-turbo", "refs/pr/4", "sd-turbo")
        );
        assert_eq!(Repo::parse("a/b").unwrap().revision, "main");
        for wrong in
            ["", "a", "a/", "/b", "a/b/c", "../b", "a/..", "a/b@", "a/b@..", "a/b@x/../y", "a b/c", "a/b?c", "a/.b"]
        {
            assert!(Repo::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_hub_has_an_address_that_can_be_asked() {
        for wrong in ["", "huggingface.co", "ftp://a", "file:///etc", "https://", "http:///a"] {
            assert!(Hub::new(wrong, None).is_err(), "{wrong}");
        }
        let hub = Hub::new("https://hub.example/mirror/", None).unwrap();
        let address = hub.address_of("o/n", "main", "a b/ä?.json").unwrap();
        assert_eq!(address.to_string(), "https://hub.example/mirror/o/n/resolve/main/a%20b/%C3%A4%3F.json");
    }

    #[test]
    fn a_sealed_line_does_not_go_on_in_the_open() {
        let (sealed, open) = ("https://a/b".parse().unwrap(), "http://a:1/b".parse().unwrap());
        assert_eq!(redirected(&sealed, "/c?d").unwrap(), "https://a/c?d");
        assert_eq!(redirected(&open, "https://e/f").unwrap(), "https://e/f");
        for target in ["http://a/b", "//e/f", "file:///etc/passwd", "c", ""] {
            assert_eq!(redirected(&sealed, target), None, "{target}");
        }
    }
}

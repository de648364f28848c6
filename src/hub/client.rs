//! Requests to the hub's API, and errors for its refusals.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::env::{Hub, RetryPolicy};
use super::git;
use super::http::{self, HttpClient, HttpMethod, Response, TransportError};
use super::select::is_safe_path;
use crate::error::{Error, HubError, Result};
use crate::progress::{Progress, Watch};

/// Largest number of redirects for one request.
const MAX_REDIRECTS: usize = 10;

/// Largest body of a response that is kept in memory, in bytes.
const MAX_BODY: usize = 64 << 20;

/// Longest `Retry-After` that is waited for, in seconds.
const MAX_RETRY_AFTER: u64 = 30;

/// Client for one model at one revision.
pub struct HubClient<'a> {
    /// The hub.
    pub hub: &'a Hub,
    http: HttpClient,
    /// `org/name`.
    pub model: &'a str,
    /// Branch, tag or commit.
    pub revision: &'a str,
    /// Progress and cancellation.
    pub watch: &'a dyn Watch,
    /// Timeout and retries.
    pub retry: RetryPolicy,
    /// True if the cache can stand in for the hub, so that every request has a time limit.
    fallback: bool,
}

/// A watch that also cancels at a point in time.
struct Deadline<'a> {
    inner: &'a dyn Watch,
    until: Option<Instant>,
}

impl Watch for Deadline<'_> {
    fn progress(&self, progress: Progress) {
        self.inner.progress(progress);
    }

    fn cancelled(&self) -> bool {
        self.inner.cancelled() || self.until.is_some_and(|until| Instant::now() >= until)
    }
}

/// Metadata of a model at a revision.
#[derive(Debug)]
pub struct RepoInfo {
    /// Current commit of the revision.
    pub commit: String,
    /// Names of all its files.
    pub files: BTreeSet<String>,
}

/// Metadata of a file.
#[derive(Clone, Debug)]
pub struct FileMetadata {
    /// ETag, the name of its blob in the cache.
    pub etag: String,
    /// Size in bytes.
    pub size: Option<u64>,
    /// The checksum that the ETag is, if it is one.
    pub checksum: Option<Checksum>,
}

/// A checksum in lower-case hexadecimal.
#[derive(Clone, Debug)]
pub enum Checksum {
    /// SHA-256 of a large file.
    Sha256(String),
    /// Git blob id of a small file.
    Git(String),
}

impl<'a> HubClient<'a> {
    /// Creates a client; sends nothing. With `fallback` it gives up early, since the cache has the model.
    pub fn new(
        hub: &'a Hub,
        model: &'a str,
        revision: &'a str,
        fallback: bool,
        watch: &'a dyn Watch,
    ) -> Result<Self> {
        let retry = if fallback { hub.retry.with_fallback() } else { hub.retry };
        let http = HttpClient::new(hub, retry.timeout)?;
        Ok(Self { hub, http, model, revision, watch, retry, fallback })
    }

    /// Returns the watch of one request or of one small body.
    fn deadline(&self) -> Deadline<'_> {
        let until = self.fallback.then(|| Instant::now() + self.retry.timeout);
        Deadline { inner: self.watch, until }
    }

    /// Asks for the commit of the revision and its files.
    pub fn repo_info(&self) -> Result<RepoInfo> {
        let url =
            format!("{}/api/models/{}/revision/{}", self.hub.endpoint, self.model, encode(self.revision, ""));
        let mut response = self.request(HttpMethod::Get, &url, &[], None)?;
        let body =
            response.body(MAX_BODY, &self.deadline()).map_err(|error| self.hub_error(error, &url, None))?;
        let bad = |why: &str| Error::Hub(HubError::BadReply { host: http::host(&url), why: why.into() });
        let json: serde_json::Value =
            serde_json::from_slice(&body).map_err(|_| bad("the response is not JSON"))?;
        let commit =
            json.get("sha").and_then(|sha| sha.as_str()).ok_or_else(|| bad("the response has no commit"))?;
        let list = json
            .get("siblings")
            .and_then(|list| list.as_array())
            .ok_or_else(|| bad("the response has no list of files"))?;
        if commit.contains('/') || !is_safe_path(commit) {
            return Err(bad("the commit is not a valid name"));
        }
        let files = list.iter().filter_map(|file| file.get("rfilename")?.as_str());
        Ok(RepoInfo {
            commit: commit.to_owned(),
            files: files.filter(|name| is_safe_path(name)).map(str::to_owned).collect(),
        })
    }

    /// Asks for the ETag, size and checksum of a file.
    pub fn metadata(&self, commit: &str, file: &str) -> Result<FileMetadata> {
        let url = self.url(commit, file);
        let response = self.request(HttpMethod::Head, &url, &[], Some(file))?;
        let bad = |why: &str| Error::Hub(HubError::BadReply { host: http::host(&url), why: why.into() });
        let etag = response.header("x-linked-etag").or_else(|| response.header("etag"));
        let etag = etag.map(unquote).ok_or_else(|| bad("the response has no ETag"))?;
        if etag.contains('/') || !is_safe_path(&etag) {
            return Err(bad("the ETag is not a valid name"));
        }
        // the length of a redirect is not that of the file
        let length = if response.status < 300 { response.header("content-length") } else { None };
        let size = response.header("x-linked-size").or(length).and_then(|size| size.trim().parse().ok());
        let is_sha256 = etag.len() == 64 && etag.bytes().all(|byte| byte.is_ascii_hexdigit());
        let checksum = if is_sha256 {
            Some(Checksum::Sha256(etag.to_ascii_lowercase()))
        } else {
            git::is_sha1(&etag).then(|| Checksum::Git(etag.clone()))
        };
        Ok(FileMetadata { checksum, etag, size })
    }

    /// Starts the download of a file at byte `from`.
    ///
    /// The status of the response is 206 (from `from`), 200 (the whole file) or 416 (no bytes at `from`).
    pub fn download(&self, commit: &str, file: &str, etag: &str, from: u64) -> Result<Response> {
        let mut headers = Vec::new();
        if from > 0 {
            headers.push(("range", format!("bytes={from}-")));
            headers.push(("if-range", format!("\"{etag}\"")));
        }
        self.request(HttpMethod::Get, &self.url(commit, file), &headers, Some(file))
    }

    /// Fetches a small file without caching it.
    pub fn fetch(&self, commit: &str, file: &str) -> Result<Vec<u8>> {
        let url = self.url(commit, file);
        let mut response = self.request(HttpMethod::Get, &url, &[], Some(file))?;
        response.body(MAX_BODY, &self.deadline()).map_err(|error| self.hub_error(error, &url, Some(file)))
    }

    /// Converts a transport error; `file` is the file in transfer, if any.
    pub fn hub_error(&self, error: TransportError, url: &str, file: Option<&str>) -> Error {
        let host = http::host(url);
        match error {
            TransportError::Cancelled if self.watch.cancelled() => Error::Cancelled,
            TransportError::Cancelled => {
                let why = format!("no answer within {} s", self.retry.timeout.as_secs());
                Error::Hub(HubError::Unreachable { host, why })
            }
            TransportError::Unreachable(why) => Error::Hub(HubError::Unreachable { host, why }),
            TransportError::Tls(why) => Error::Hub(HubError::Tls { host, why }),
            TransportError::Interrupted(why) => match file {
                Some(file) => Error::Hub(HubError::Interrupted { file: file.into(), why }),
                None => Error::Hub(HubError::Unreachable { host, why }),
            },
        }
    }

    /// Waits before retry number `retry` (from 1): for `retry_after`, or else twice as long as the time
    /// before.
    pub fn back_off(&self, retry: u32, retry_after: Option<Duration>) -> Result<()> {
        let wait = retry_after.unwrap_or(self.retry.backoff * 2_u32.saturating_pow(retry.saturating_sub(1)));
        let until = std::time::Instant::now() + wait;
        while std::time::Instant::now() < until {
            self.watch.check()?;
            std::thread::sleep(Duration::from_millis(20).min(wait));
        }
        self.watch.check()
    }

    /// Returns the address of a file, by commit, not branch: all files of a download must be of the same
    /// commit.
    fn url(&self, commit: &str, file: &str) -> String {
        format!("{}/{}/resolve/{}/{}", self.hub.endpoint, self.model, encode(commit, ""), encode(file, "/"))
    }

    /// Sends a request, follows redirects, and retries on temporary failures of the hub or the network.
    fn request(
        &self,
        method: HttpMethod,
        url: &str,
        headers: &[(&str, String)],
        file: Option<&str>,
    ) -> Result<Response> {
        let mut attempt = 0;
        let watch = self.deadline();
        loop {
            let last = attempt >= self.retry.retries;
            attempt += 1;
            match self.follow_redirects(method, url, headers, &watch) {
                Ok(response)
                    if response.status == 429 || (response.status >= 500 && response.status != 501) =>
                {
                    let seconds = retry_after(&response);
                    if last || seconds.is_some_and(|seconds| seconds > MAX_RETRY_AFTER) {
                        return Err(self.status_error(response, file));
                    }
                    self.back_off(attempt, seconds.map(Duration::from_secs))?;
                }
                Ok(response) if response.status < 400 || (response.status == 416 && !headers.is_empty()) => {
                    return Ok(response);
                }
                Ok(response) => return Err(self.status_error(response, file)),
                Err((TransportError::Interrupted(_), _)) if !last => self.back_off(attempt, None)?,
                Err((error, url)) => return Err(self.hub_error(error, &url, file)),
            }
        }
    }

    /// Sends a request once and follows redirects. An error comes with the address that failed.
    ///
    /// The token and `If-Range` are sent to the hub only, never to another origin. A `HEAD` request stops at
    /// the first response with the hub's ETag, since the storage server behind it has ETags of its own.
    fn follow_redirects(
        &self,
        method: HttpMethod,
        url: &str,
        headers: &[(&str, String)],
        watch: &dyn Watch,
    ) -> std::result::Result<Response, (TransportError, String)> {
        let hub = http::origin(&self.hub.endpoint);
        let mut url = url.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let to_hub = hub.is_some() && http::origin(&url) == hub;
            let mut sent: Vec<_> =
                headers.iter().filter(|(name, _)| to_hub || *name != "if-range").cloned().collect();
            if let (true, Some(token)) = (to_hub, &self.hub.token) {
                sent.push(("authorization", format!("Bearer {}", token.reveal())));
            }
            let response = match self.http.send(method, &url, &sent, watch) {
                Ok(response) => response,
                Err(error) => return Err((error, url)),
            };
            let is_redirect = matches!(response.status, 301 | 302 | 303 | 307 | 308);
            let Some(location) = response.header("location").filter(|_| is_redirect) else {
                return Ok(response);
            };
            let has_etag = response.header("x-linked-etag").is_some()
                || (response.header("etag").is_some() && http::origin(location).is_some());
            if method == HttpMethod::Head && has_etag {
                return Ok(response);
            }
            let Some(next) = http::join(&url, location) else {
                return Err((TransportError::Interrupted("invalid redirect".into()), url));
            };
            if url.starts_with("https:") && !next.starts_with("https:") {
                return Err((TransportError::Tls("redirect to an insecure address".into()), url));
            }
            url = next;
        }
        Err((TransportError::Interrupted("too many redirects".into()), url))
    }

    /// Builds the error for a response by its status and the hub's error code.
    fn status_error(&self, mut response: Response, file: Option<&str>) -> Error {
        let model = self.model.to_owned();
        let token = self.hub.token.is_some();
        let code = response.header("x-error-code").unwrap_or_default().to_owned();
        let error = match (code.as_str(), response.status) {
            ("RepoNotFound", _) if !(response.status == 401 && token) => {
                HubError::UnknownModel { model, token }
            }
            ("RevisionNotFound", _) => HubError::UnknownRevision { model, revision: self.revision.into() },
            ("GatedRepo", _) => {
                HubError::Gated { page: format!("{}/{model}", self.hub.endpoint), model, token }
            }
            (_, 401) if token => HubError::BadToken,
            (_, 401) => HubError::NoToken { model },
            ("EntryNotFound", _) | (_, 404) => match file {
                Some(file) => return Error::MissingFile { model, file: file.into() },
                // mirrors may leave out the hub's error code
                None if self.message(&mut response).contains("rev id") || self.has_model() => {
                    HubError::UnknownRevision { model, revision: self.revision.into() }
                }
                None => HubError::UnknownModel { model, token },
            },
            (_, 429) => HubError::RateLimited { seconds: retry_after(&response) },
            (_, status @ 500..) => HubError::Unavailable { status },
            (_, status) => HubError::Refused {
                what: file.unwrap_or(self.model).to_owned(),
                status,
                why: self.message(&mut response),
            },
        };
        Error::Hub(error)
    }

    /// Asks whether the hub has the model, at whatever revision.
    fn has_model(&self) -> bool {
        let url = format!("{}/api/models/{}", self.hub.endpoint, self.model);
        let response = self.follow_redirects(HttpMethod::Get, &url, &[], &self.deadline());
        response.is_ok_and(|response| response.status == 200)
    }

    /// Returns the hub's error message, as one line of at most 200 characters; may be empty.
    fn message(&self, response: &mut Response) -> String {
        let message = response.header("x-error-message").map(str::to_owned).or_else(|| {
            let body = response.body(MAX_BODY, &self.deadline()).ok()?;
            let json: serde_json::Value = serde_json::from_slice(&body).ok()?;
            Some(json.get("error")?.as_str()?.to_owned())
        });
        let message = message.unwrap_or_default();
        message.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect()
    }
}

/// Parses `Retry-After` in seconds; its other form, a date, counts as absent.
fn retry_after(response: &Response) -> Option<u64> {
    response.header("retry-after").and_then(|text| text.trim().parse().ok())
}

/// Removes the quotes and the weak mark (`W/`) from an ETag.
fn unquote(etag: &str) -> String {
    etag.trim().trim_start_matches("W/").trim_matches('"').to_owned()
}

/// Percent-encodes all characters except letters, digits, `-._~` and those in `keep`.
fn encode(text: &str, keep: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || keep.as_bytes().contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_and_files_are_encoded() {
        assert_eq!(encode("refs/pr/1", ""), "refs%2Fpr%2F1");
        assert_eq!(encode("a b/ç.json", "/"), "a%20b/%C3%A7.json");
    }

    #[test]
    fn etags_lose_their_quotes() {
        assert_eq!(unquote("W/\"abc\""), "abc");
        assert_eq!(unquote("\"abc\""), "abc");
    }
}

//! What the hub is asked and how its refusals are named.

use std::collections::BTreeSet;
use std::time::Duration;

use super::env::Hub;
use super::http::{self, Failure, Http, Method, Reply};
use super::select::is_plain;
use crate::error::{Error, HubError, Result};
use crate::progress::Watch;

/// Redirects that one question may take.
const REDIRECTS: usize = 10;

/// Longest answer to a question that is not a file's download, in bytes.
const ANSWER: usize = 64 << 20;

/// Longest wait that the hub may ask for before another attempt, in seconds.
const WAIT: u64 = 30;

/// Asks one hub about one model at one revision.
pub struct Client<'a> {
    /// The hub.
    pub hub: &'a Hub,
    http: Http,
    /// `org/name`.
    pub model: &'a str,
    /// Branch, tag or commit.
    pub revision: &'a str,
    /// Who listens.
    pub watch: &'a dyn Watch,
}

/// What the hub tells of a model at a revision.
#[derive(Debug)]
pub struct Contents {
    /// The commit that the revision means now.
    pub commit: String,
    /// Names of all its files.
    pub files: BTreeSet<String>,
}

/// What the hub tells of a file before it is fetched.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// The name of its content.
    pub etag: String,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// The SHA-256 of its content in lower-case hexadecimal; the hub tells it for large files.
    pub sha256: Option<String>,
}

impl<'a> Client<'a> {
    /// Prepares to ask.
    pub fn new(hub: &'a Hub, model: &'a str, revision: &'a str, watch: &'a dyn Watch) -> Result<Self> {
        Ok(Self { hub, http: Http::new(hub)?, model, revision, watch })
    }

    /// Which commit the revision means and which files it has.
    pub fn contents(&self) -> Result<Contents> {
        let url =
            format!("{}/api/models/{}/revision/{}", self.hub.endpoint, self.model, encode(self.revision, ""));
        let mut reply = self.ask(Method::Get, &url, &[], None)?;
        let body = reply.body(ANSWER, self.watch).map_err(|failure| self.failed(failure, &url, None))?;
        let bad = |why: &str| Error::Hub(HubError::BadReply { host: http::host(&url), why: why.into() });
        let json: serde_json::Value = serde_json::from_slice(&body).map_err(|_| bad("no JSON"))?;
        let commit = json.get("sha").and_then(|sha| sha.as_str()).ok_or_else(|| bad("it tells no commit"))?;
        let list =
            json.get("siblings").and_then(|list| list.as_array()).ok_or_else(|| bad("it lists no files"))?;
        if commit.contains('/') || !is_plain(commit) {
            return Err(bad("its commit is not a name"));
        }
        let files = list.iter().filter_map(|file| file.get("rfilename")?.as_str());
        Ok(Contents {
            commit: commit.to_owned(),
            files: files.filter(|name| is_plain(name)).map(str::to_owned).collect(),
        })
    }

    /// The name, size and checksum of a file's content.
    pub fn metadata(&self, commit: &str, file: &str) -> Result<Metadata> {
        let url = self.url(commit, file);
        let reply = self.ask(Method::Head, &url, &[], Some(file))?;
        let bad = |why: &str| Error::Hub(HubError::BadReply { host: http::host(&url), why: why.into() });
        let etag = reply.header("x-linked-etag").or_else(|| reply.header("etag"));
        let etag = etag.map(bare).ok_or_else(|| bad("it sends no ETag"))?;
        if etag.contains('/') || !is_plain(&etag) {
            return Err(bad("its ETag is not a name"));
        }
        // a redirect's own length is not the file's
        let length = if reply.status < 300 { reply.header("content-length") } else { None };
        let size = reply.header("x-linked-size").or(length).and_then(|size| size.trim().parse().ok());
        let is_sha256 = etag.len() == 64 && etag.bytes().all(|byte| byte.is_ascii_hexdigit());
        Ok(Metadata { sha256: is_sha256.then(|| etag.to_ascii_lowercase()), etag, size })
    }

    /// Starts a file's download at byte `from`.
    ///
    /// The answer's status is 200 (from the beginning after all), 206 (from `from`) or 416 (nothing is there).
    pub fn download(&self, commit: &str, file: &str, etag: &str, from: u64) -> Result<Reply> {
        let mut headers = Vec::new();
        if from > 0 {
            headers.push(("range", format!("bytes={from}-")));
            headers.push(("if-range", format!("\"{etag}\"")));
        }
        self.ask(Method::Get, &self.url(commit, file), &headers, Some(file))
    }

    /// A small file's content, kept nowhere.
    pub fn text(&self, commit: &str, file: &str) -> Result<Vec<u8>> {
        let url = self.url(commit, file);
        let mut reply = self.ask(Method::Get, &url, &[], Some(file))?;
        reply.body(ANSWER, self.watch).map_err(|failure| self.failed(failure, &url, Some(file)))
    }

    /// Names a failure that happened while a body came.
    pub fn failed(&self, failure: Failure, url: &str, file: Option<&str>) -> Error {
        let host = http::host(url);
        match failure {
            Failure::Cancelled => Error::Cancelled,
            Failure::Unreachable(why) => Error::Hub(HubError::Unreachable { host, why }),
            Failure::Tls(why) => Error::Hub(HubError::Tls { host, why }),
            Failure::Cut(why) => match file {
                Some(file) => Error::Hub(HubError::Interrupted { file: file.into(), why }),
                None => Error::Hub(HubError::Unreachable { host, why }),
            },
        }
    }

    /// Waits before attempt number `attempt` (the second is 1), longer each time.
    pub fn pause(&self, attempt: u32, asked: Option<Duration>) -> Result<()> {
        let wait = asked.unwrap_or(self.hub.patience.pause * 2_u32.saturating_pow(attempt.saturating_sub(1)));
        let until = std::time::Instant::now() + wait;
        while std::time::Instant::now() < until {
            self.watch.check()?;
            std::thread::sleep(Duration::from_millis(20).min(wait));
        }
        self.watch.check()
    }

    /// The address of a file. The commit, not the branch: all files of one download belong together.
    fn url(&self, commit: &str, file: &str) -> String {
        format!("{}/{}/resolve/{}/{}", self.hub.endpoint, self.model, encode(commit, ""), encode(file, "/"))
    }

    /// Asks, follows redirects, and asks again where the hub or the network is in passing trouble.
    fn ask(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, String)],
        file: Option<&str>,
    ) -> Result<Reply> {
        let mut attempt = 0;
        loop {
            let last = attempt >= self.hub.patience.retries;
            attempt += 1;
            match self.follow(method, url, headers) {
                Ok(reply) if reply.status == 429 || (reply.status >= 500 && reply.status != 501) => {
                    let asked = reply.header("retry-after").and_then(|text| text.trim().parse::<u64>().ok());
                    if last || asked.is_some_and(|seconds| seconds > WAIT) {
                        return Err(self.refusal(reply, file));
                    }
                    self.pause(attempt, asked.map(Duration::from_secs))?;
                }
                Ok(reply) if reply.status < 400 || (reply.status == 416 && !headers.is_empty()) => {
                    return Ok(reply);
                }
                Ok(reply) => return Err(self.refusal(reply, file)),
                Err((Failure::Cut(_), _)) if !last => self.pause(attempt, None)?,
                Err((failure, url)) => return Err(self.failed(failure, &url, file)),
            }
        }
    }

    /// Asks once and follows redirects; on failure also tells the address that failed.
    ///
    /// The token and the precondition go to the hub itself and never to where it sends us. A `HEAD` ends at the
    /// first answer that tells the content's name: behind it is another server with names of its own.
    fn follow(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, String)],
    ) -> std::result::Result<Reply, (Failure, String)> {
        let home = http::origin(&self.hub.endpoint);
        let mut url = url.to_owned();
        for _ in 0..=REDIRECTS {
            let own = home.is_some() && http::origin(&url) == home;
            let mut sent: Vec<_> =
                headers.iter().filter(|(name, _)| own || *name != "if-range").cloned().collect();
            if let (true, Some(token)) = (own, &self.hub.token) {
                sent.push(("authorization", format!("Bearer {}", token.reveal())));
            }
            let reply = match self.http.send(method, &url, &sent, self.watch) {
                Ok(reply) => reply,
                Err(failure) => return Err((failure, url)),
            };
            let is_redirect = matches!(reply.status, 301 | 302 | 303 | 307 | 308);
            let Some(location) = reply.header("location").filter(|_| is_redirect) else { return Ok(reply) };
            let is_answer = reply.header("x-linked-etag").is_some()
                || (reply.header("etag").is_some() && http::origin(location).is_some());
            if method == Method::Head && is_answer {
                return Ok(reply);
            }
            let Some(next) = http::join(&url, location) else {
                return Err((Failure::Cut("it redirects to no address".into()), url));
            };
            if url.starts_with("https:") && !next.starts_with("https:") {
                return Err((Failure::Tls("it redirects to an insecure address".into()), url));
            }
            url = next;
        }
        Err((Failure::Cut("too many redirects".into()), url))
    }

    /// Names a refusal by its status and the hub's own code.
    fn refusal(&self, mut reply: Reply, file: Option<&str>) -> Error {
        let model = self.model.to_owned();
        let token = self.hub.token.is_some();
        let code = reply.header("x-error-code").unwrap_or_default().to_owned();
        let error = match (code.as_str(), reply.status) {
            ("RepoNotFound", _) if !(reply.status == 401 && token) => HubError::UnknownModel { model, token },
            ("RevisionNotFound", _) => HubError::UnknownRevision { model, revision: self.revision.into() },
            ("GatedRepo", _) => {
                HubError::Gated { page: format!("{}/{model}", self.hub.endpoint), model, token }
            }
            (_, 401) if token => HubError::BadToken,
            (_, 401) => HubError::NoToken { model },
            ("EntryNotFound", _) | (_, 404) => match file {
                Some(file) => return Error::MissingFile { model, file: file.into() },
                // a mirror may not send the hub's code
                None if self.words(&mut reply).contains("rev id") => {
                    HubError::UnknownRevision { model, revision: self.revision.into() }
                }
                None => HubError::UnknownModel { model, token },
            },
            (_, 429) => HubError::RateLimited {
                seconds: reply.header("retry-after").and_then(|text| text.trim().parse().ok()),
            },
            (_, status @ 500..) => HubError::Unavailable { status },
            (_, status) => HubError::Refused {
                what: file.unwrap_or(self.model).to_owned(),
                status,
                why: self.words(&mut reply),
            },
        };
        Error::Hub(error)
    }

    /// What the hub itself says of a refusal, in one short line.
    fn words(&self, reply: &mut Reply) -> String {
        let said = reply.header("x-error-message").map(str::to_owned).or_else(|| {
            let body = reply.body(ANSWER, self.watch).ok()?;
            let json: serde_json::Value = serde_json::from_slice(&body).ok()?;
            Some(json.get("error")?.as_str()?.to_owned())
        });
        let said = said.unwrap_or_default();
        said.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect()
    }
}

/// An ETag without quotes and the mark of a weak one.
fn bare(etag: &str) -> String {
    etag.trim().trim_start_matches("W/").trim_matches('"').to_owned()
}

/// Percent-encodes all but letters, digits, `-._~` and the characters in `keep`.
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
        assert_eq!(bare("W/\"abc\""), "abc");
        assert_eq!(bare("\"abc\""), "abc");
    }
}

//! One HTTP exchange. Each runs on a thread of its own that hands over what came, so that the caller notices
//! within moments that the user cancelled, even while the network is silent.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use ureq::http::{HeaderMap, Request, Uri};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Proxy};

use super::env::Hub;
use crate::error::{Error, HubError, Result};
use crate::progress::Watch;

/// How often a waiting caller looks whether it was cancelled.
const LOOK: Duration = Duration::from_millis(50);

/// Bytes handed over at once.
const CHUNK: usize = 128 * 1024;

/// Chunks that may wait for a slow disk before the network is made to wait.
const AHEAD: usize = 8;

/// Speaks HTTP.
pub struct Http {
    agent: Agent,
}

/// What to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Status and headers alone.
    Head,
    /// Everything.
    Get,
}

/// Why there is no answer, or not all of it.
#[derive(Debug)]
pub enum Failure {
    /// The user stopped it.
    Cancelled,
    /// The host cannot be found or does not listen: trying again at once does not help.
    Unreachable(String),
    /// The host's certificate is not trusted.
    Tls(String),
    /// The connection broke off or fell silent.
    Cut(String),
}

/// An answer, its body still to come.
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    headers: HeaderMap,
    parts: Receiver<Part>,
}

/// What the thread of an exchange hands over, in this order.
enum Part {
    Head(u16, HeaderMap),
    Body(Vec<u8>),
    End,
    Failed(Failure),
}

impl Http {
    /// Prepares connections to a hub.
    ///
    /// # Errors
    /// The processor cannot do the arithmetic of secure connections, or the file of authorities cannot be read.
    pub fn new(hub: &Hub) -> Result<Self> {
        // also the checksums of downloads need those instructions
        if !graviola::util::is_cpu_supported() {
            return Err(Error::Hub(HubError::Processor));
        }
        let roots = match &hub.authorities {
            Some(file) => RootCerts::Specific(Arc::new(authorities(file)?)),
            None => RootCerts::WebPki,
        };
        let tls = TlsConfig::builder()
            .root_certs(roots)
            .unversioned_rustls_crypto_provider(Arc::new(rustls_graviola::default_provider()))
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .proxy(if is_loopback(&hub.endpoint) { None } else { Proxy::try_from_env() })
            .http_status_as_error(false)
            // redirects are followed by the caller, who knows which host may see the token
            .max_redirects(0)
            .user_agent(concat!("attn-tui/", env!("CARGO_PKG_VERSION")))
            // sizes and ranges count the file's own bytes
            .accept_encoding("identity")
            .timeout_connect(Some(hub.patience.silence))
            .timeout_resolve(Some(hub.patience.silence))
            .timeout_recv_response(Some(hub.patience.silence))
            .timeout_per_read(Some(hub.patience.silence))
            .timeout_per_write(Some(hub.patience.silence))
            .build();
        Ok(Self { agent: config.new_agent() })
    }

    /// Sends one request and waits for status and headers.
    pub fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, String)],
        watch: &dyn Watch,
    ) -> std::result::Result<Reply, Failure> {
        let mut request = Request::builder().uri(url).method(match method {
            Method::Head => "HEAD",
            Method::Get => "GET",
        });
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(()).map_err(|e| Failure::Unreachable(e.to_string()))?;
        let (sender, parts) = sync_channel(AHEAD);
        let agent = self.agent.clone();
        std::thread::Builder::new()
            .name("download".into())
            .spawn(move || exchange(&agent, request, &sender))
            .map_err(|e| Failure::Cut(e.to_string()))?;
        match receive(&parts, watch)? {
            Part::Head(status, headers) => Ok(Reply { status, headers, parts }),
            Part::Failed(failure) => Err(failure),
            Part::Body(_) | Part::End => Err(Failure::Cut("no answer".into())),
        }
    }
}

impl Reply {
    /// A header's value; `None` where it is absent or no text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The next bytes of the body, `None` at its end.
    pub fn next(&mut self, watch: &dyn Watch) -> std::result::Result<Option<Vec<u8>>, Failure> {
        match receive(&self.parts, watch)? {
            Part::Body(bytes) => Ok(Some(bytes)),
            Part::End => Ok(None),
            Part::Failed(failure) => Err(failure),
            Part::Head(..) => Err(Failure::Cut("two answers".into())),
        }
    }

    /// The whole body, which must be no longer than `limit` bytes.
    pub fn body(&mut self, limit: usize, watch: &dyn Watch) -> std::result::Result<Vec<u8>, Failure> {
        let mut all = Vec::new();
        while let Some(bytes) = self.next(watch)? {
            all.extend(bytes);
            if all.len() > limit {
                return Err(Failure::Cut(format!("the answer is longer than {limit} bytes")));
            }
        }
        Ok(all)
    }
}

/// Waits for the next part, or until the user cancels.
fn receive(parts: &Receiver<Part>, watch: &dyn Watch) -> std::result::Result<Part, Failure> {
    loop {
        if watch.cancelled() {
            return Err(Failure::Cancelled);
        }
        match parts.recv_timeout(LOOK) {
            Ok(part) => return Ok(part),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(Failure::Cut("it ended early".into())),
        }
    }
}

/// The thread's work. A caller that went away closes the channel, which ends it at the next chunk.
fn exchange(agent: &Agent, request: Request<()>, parts: &SyncSender<Part>) {
    let _ = match agent.run(request) {
        Err(error) => parts.send(Part::Failed(failure(&error))),
        Ok(reply) => {
            let (head, body) = reply.into_parts();
            if parts.send(Part::Head(head.status.as_u16(), head.headers)).is_err() {
                return;
            }
            hand_over(body.into_reader(), parts)
        }
    };
}

fn hand_over(
    mut body: impl Read,
    parts: &SyncSender<Part>,
) -> std::result::Result<(), std::sync::mpsc::SendError<Part>> {
    loop {
        let mut chunk = vec![0; CHUNK];
        match body.read(&mut chunk) {
            Ok(0) => return parts.send(Part::End),
            Ok(read) => {
                chunk.truncate(read);
                parts.send(Part::Body(chunk))?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return parts.send(Part::Failed(Failure::Cut(error.to_string()))),
        }
    }
}

fn failure(error: &ureq::Error) -> Failure {
    match error {
        ureq::Error::HostNotFound => Failure::Unreachable("no such host, or no network".into()),
        ureq::Error::ConnectionFailed | ureq::Error::ConnectProxyFailed(_) | ureq::Error::InvalidProxyUrl => {
            Failure::Unreachable(error.to_string())
        }
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
            Failure::Unreachable("no answer to the connection".into())
        }
        ureq::Error::Timeout(_) => Failure::Cut("it fell silent".into()),
        ureq::Error::Rustls(error) => Failure::Tls(error.to_string()),
        ureq::Error::Tls(why) => Failure::Tls((*why).into()),
        ureq::Error::Io(error) => {
            match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(error) => Failure::Tls(error.to_string()),
                None if is_unreachable(error) => Failure::Unreachable(error.to_string()),
                None => Failure::Cut(error.to_string()),
            }
        }
        other => Failure::Cut(other.to_string()),
    }
}

/// Whether there is no way to the host at all.
fn is_unreachable(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkDown, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkDown | NetworkUnreachable)
        // the standard library has no kind for a name that cannot be looked up
        || error.to_string().starts_with("failed to lookup address")
}

/// The certificates of a PEM file.
fn authorities(file: &Path) -> Result<Vec<ureq::tls::Certificate<'static>>> {
    let text = std::fs::read(file).map_err(|e| Error::io(file, e))?;
    let bad = |why: String| Error::BadFile { file: file.display().to_string(), why };
    let mut certificates = Vec::new();
    for item in parse_pem(&text) {
        if let PemItem::Certificate(certificate) = item.map_err(|e| bad(e.to_string()))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() { Err(bad("no certificates in it".into())) } else { Ok(certificates) }
}

/// Scheme, host and port: only the same three may see the token.
pub fn origin(url: &str) -> Option<(String, String, u16)> {
    let uri: Uri = url.parse().ok()?;
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    Some((scheme, uri.host()?.to_ascii_lowercase(), port))
}

/// The host of an address, for messages.
pub fn host(url: &str) -> String {
    origin(url).map_or_else(|| url.to_owned(), |(_, host, _)| host)
}

fn is_loopback(url: &str) -> bool {
    let host = host(url);
    host == "localhost"
        || host == "[::1]"
        || host.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

/// Where a `Location` header points, seen from the address that sent it.
pub fn join(from: &str, location: &str) -> Option<String> {
    if origin(location).is_some() {
        return Some(location.to_owned());
    }
    let uri: Uri = from.parse().ok()?;
    let scheme = uri.scheme_str()?;
    if let Some(rest) = location.strip_prefix("//") {
        return Some(format!("{scheme}://{rest}"));
    }
    let authority = uri.authority()?;
    let path = match location.strip_prefix('/') {
        Some(path) => path.to_owned(),
        None => {
            let folder = uri.path().rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{}/{location}", folder.trim_start_matches('/'))
        }
    };
    Some(format!("{scheme}://{authority}/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_joined_to_where_they_came_from() {
        let from = "https://hub.test:8443/a/b/c.json?x=1";
        assert_eq!(join(from, "https://cdn.test/x").unwrap(), "https://cdn.test/x");
        assert_eq!(join(from, "//cdn.test/x").unwrap(), "https://cdn.test/x");
        assert_eq!(join(from, "/api/d").unwrap(), "https://hub.test:8443/api/d");
        assert_eq!(join(from, "d.json").unwrap(), "https://hub.test:8443/a/b/d.json");
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        assert_eq!(origin("https://Hub.Test/a"), origin("https://hub.test:443/b"));
        assert_ne!(origin("https://hub.test"), origin("http://hub.test"));
        assert_ne!(origin("https://hub.test"), origin("https://hub.test:8443"));
        assert_ne!(origin("https://hub.test"), origin("https://hub.test.evil"));
    }

    #[test]
    fn a_name_that_cannot_be_looked_up_is_not_tried_again() {
        let text = "failed to lookup address information: Name or service not known";
        let error = ureq::Error::Io(std::io::Error::other(text));
        assert!(matches!(failure(&error), Failure::Unreachable(why) if why == text));
        let error = ureq::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        assert!(matches!(failure(&error), Failure::Cut(_)));
    }

    #[test]
    fn a_secure_agent_needs_no_other_set_up() {
        let hub = Hub::from_variables(|name| (name == "HOME").then(|| "/u".into())).unwrap();
        assert!(Http::new(&hub).is_ok());
    }
}

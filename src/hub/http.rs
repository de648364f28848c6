//! HTTP requests. Each runs on a thread of its own that sends the response through a channel, so that the
//! caller can check for cancellation while the network is silent.

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

/// Time between checks for cancellation while waiting for data.
const CANCEL_CHECK: Duration = Duration::from_millis(50);

/// Size of the chunks of a body, in bytes.
const CHUNK: usize = 128 * 1024;

/// Largest number of chunks in the channel, after which the network waits for the disk.
const QUEUED_CHUNKS: usize = 8;

/// An HTTP client.
pub struct HttpClient {
    agent: Agent,
}

/// Method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpMethod {
    /// `HEAD`: status and headers only.
    Head,
    /// `GET`.
    Get,
}

/// Error of a request or of reading its response.
#[derive(Debug)]
pub enum TransportError {
    /// The user cancelled.
    Cancelled,
    /// The host cannot be found or does not listen; an immediate retry would not help.
    Unreachable(String),
    /// The host's certificate is not trusted.
    Tls(String),
    /// The connection was lost or timed out.
    Interrupted(String),
}

/// A response whose body has not been read.
pub struct Response {
    /// HTTP status.
    pub status: u16,
    headers: HeaderMap,
    parts: Receiver<ResponsePart>,
}

/// Part of a response, sent by the thread of a request.
enum ResponsePart {
    /// Status and headers; always the first part.
    Head(u16, HeaderMap),
    /// A chunk of the body.
    Body(Vec<u8>),
    /// End of the body; the last part.
    End,
    /// Failure; the last part.
    Failed(TransportError),
}

impl HttpClient {
    /// Creates a client for a hub; connects to nothing. `timeout` is the longest time without any data.
    ///
    /// # Errors
    /// The processor lacks instructions of the TLS library, or the file of certificate authorities is
    /// unreadable.
    pub fn new(hub: &Hub, timeout: Duration) -> Result<Self> {
        // the checksums of downloads need these instructions, too
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
            // the caller follows redirects, since it must keep the token from other hosts
            .max_redirects(0)
            .user_agent(concat!("attn-tui/", env!("CARGO_PKG_VERSION")))
            // sizes and ranges refer to the uncompressed file
            .accept_encoding("identity")
            .timeout_connect(Some(timeout))
            .timeout_resolve(Some(timeout))
            .timeout_recv_response(Some(timeout))
            .timeout_per_read(Some(timeout))
            .timeout_per_write(Some(timeout))
            .build();
        Ok(Self { agent: config.new_agent() })
    }

    /// Sends a request and waits for status and headers.
    pub fn send(
        &self,
        method: HttpMethod,
        url: &str,
        headers: &[(&str, String)],
        watch: &dyn Watch,
    ) -> std::result::Result<Response, TransportError> {
        let mut request = Request::builder().uri(url).method(match method {
            HttpMethod::Head => "HEAD",
            HttpMethod::Get => "GET",
        });
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(()).map_err(|e| TransportError::Unreachable(e.to_string()))?;
        let (sender, parts) = sync_channel(QUEUED_CHUNKS);
        let agent = self.agent.clone();
        std::thread::Builder::new()
            .name("download".into())
            .spawn(move || run_request(&agent, request, &sender))
            .map_err(|e| TransportError::Interrupted(e.to_string()))?;
        match receive(&parts, watch)? {
            ResponsePart::Head(status, headers) => Ok(Response { status, headers, parts }),
            ResponsePart::Failed(error) => Err(error),
            ResponsePart::Body(_) | ResponsePart::End => {
                Err(TransportError::Interrupted("no response".into()))
            }
        }
    }
}

impl Response {
    /// Returns the value of a header; `None` if it is absent or not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the next chunk of the body; `None` at its end.
    pub fn next_chunk(&mut self, watch: &dyn Watch) -> std::result::Result<Option<Vec<u8>>, TransportError> {
        match receive(&self.parts, watch)? {
            ResponsePart::Body(bytes) => Ok(Some(bytes)),
            ResponsePart::End => Ok(None),
            ResponsePart::Failed(error) => Err(error),
            ResponsePart::Head(..) => Err(TransportError::Interrupted("two responses".into())),
        }
    }

    /// Returns the whole body; fails if it is longer than `limit` bytes.
    pub fn body(&mut self, limit: usize, watch: &dyn Watch) -> std::result::Result<Vec<u8>, TransportError> {
        let mut all = Vec::new();
        while let Some(bytes) = self.next_chunk(watch)? {
            all.extend(bytes);
            if all.len() > limit {
                return Err(TransportError::Interrupted(format!(
                    "the response is longer than {limit} bytes"
                )));
            }
        }
        Ok(all)
    }
}

/// Waits for the next part, or until the user cancels.
fn receive(
    parts: &Receiver<ResponsePart>,
    watch: &dyn Watch,
) -> std::result::Result<ResponsePart, TransportError> {
    loop {
        if watch.cancelled() {
            return Err(TransportError::Cancelled);
        }
        match parts.recv_timeout(CANCEL_CHECK) {
            Ok(part) => return Ok(part),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(TransportError::Interrupted("it ended early".into()));
            }
        }
    }
}

/// Runs a request and sends its response. Ends at the next part once the caller has dropped the receiver.
fn run_request(agent: &Agent, request: Request<()>, sender: &SyncSender<ResponsePart>) {
    let _ = match agent.run(request) {
        Err(error) => sender.send(ResponsePart::Failed(transport_error(&error))),
        Ok(response) => {
            let (head, body) = response.into_parts();
            if sender.send(ResponsePart::Head(head.status.as_u16(), head.headers)).is_err() {
                return;
            }
            send_body(body.into_reader(), sender)
        }
    };
}

fn send_body(
    mut body: impl Read,
    sender: &SyncSender<ResponsePart>,
) -> std::result::Result<(), std::sync::mpsc::SendError<ResponsePart>> {
    loop {
        let mut chunk = vec![0; CHUNK];
        match body.read(&mut chunk) {
            Ok(0) => return sender.send(ResponsePart::End),
            Ok(read) => {
                chunk.truncate(read);
                sender.send(ResponsePart::Body(chunk))?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                return sender.send(ResponsePart::Failed(TransportError::Interrupted(error.to_string())));
            }
        }
    }
}

fn transport_error(error: &ureq::Error) -> TransportError {
    match error {
        ureq::Error::HostNotFound => TransportError::Unreachable("no such host, or no network".into()),
        ureq::Error::ConnectionFailed | ureq::Error::ConnectProxyFailed(_) | ureq::Error::InvalidProxyUrl => {
            TransportError::Unreachable(error.to_string())
        }
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
            TransportError::Unreachable("the connection timed out".into())
        }
        ureq::Error::Timeout(_) => TransportError::Interrupted("it timed out".into()),
        ureq::Error::Rustls(error) => TransportError::Tls(error.to_string()),
        ureq::Error::Tls(why) => TransportError::Tls((*why).into()),
        ureq::Error::Io(error) => {
            match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(error) => TransportError::Tls(error.to_string()),
                None if is_unreachable(error) => TransportError::Unreachable(error.to_string()),
                None => TransportError::Interrupted(error.to_string()),
            }
        }
        other => TransportError::Interrupted(other.to_string()),
    }
}

/// Returns true if no connection to the host is possible.
fn is_unreachable(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkDown, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkDown | NetworkUnreachable)
        // the standard library has no error kind for a failed name lookup
        || error.to_string().starts_with("failed to lookup address")
}

/// Reads the certificates of a PEM file.
fn authorities(file: &Path) -> Result<Vec<ureq::tls::Certificate<'static>>> {
    let bad = |why: String| Error::BadFile { file: format!("{} (SSL_CERT_FILE)", file.display()), why };
    let text = std::fs::read(file).map_err(|error| bad(error.to_string()))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&text) {
        if let PemItem::Certificate(certificate) = item.map_err(|e| bad(e.to_string()))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() { Err(bad("it has no certificates".into())) } else { Ok(certificates) }
}

/// Returns scheme, host and port, which must all be the hub's for the token to be sent.
pub fn origin(url: &str) -> Option<(String, String, u16)> {
    let uri: Uri = url.parse().ok()?;
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    Some((scheme, uri.host()?.to_ascii_lowercase(), port))
}

/// Returns the host of a URL, for messages.
pub fn host(url: &str) -> String {
    origin(url).map_or_else(|| url.to_owned(), |(_, host, _)| host)
}

fn is_loopback(url: &str) -> bool {
    let host = host(url);
    host == "localhost"
        || host == "[::1]"
        || host.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

/// Resolves a `Location` header relative to the URL that sent it.
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
        assert!(matches!(transport_error(&error), TransportError::Unreachable(why) if why == text));
        let error = ureq::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        assert!(matches!(transport_error(&error), TransportError::Interrupted(_)));
    }

    #[test]
    fn a_secure_agent_needs_no_other_set_up() {
        let hub = Hub::from_variables(|name| (name == "HOME").then(|| "/u".into())).unwrap();
        assert!(HttpClient::new(&hub, hub.retry.timeout).is_ok());
    }
}

//! A small HTTP server on loopback, in place of the hub or its storage server.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use attn_tui::hub::git_blob_id;
use graviola::hashing::{Hash, Sha256};

/// A request received by the server.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// Headers, with names in lower case.
    pub headers: BTreeMap<String, String>,
}

impl Request {
    pub fn is(&self, method: &str, end: &str) -> bool {
        self.method == method && self.path.ends_with(end)
    }
}

/// A response to send.
#[derive(Clone, Debug, Default)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Number of bytes of the body after which the connection ends; `None` sends the whole body.
    pub stop_at: Option<usize>,
    /// Keep the connection open afterwards, silently, instead of closing it.
    pub hang: bool,
}

impl Response {
    pub fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.into(), value.to_string()));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub fn truncate_at(mut self, bytes: usize) -> Self {
        self.stop_at = Some(bytes);
        self
    }

    pub fn hang_at(mut self, bytes: usize) -> Self {
        self.hang = true;
        self.truncate_at(bytes)
    }
}

/// A running server and the requests that it has received.
pub struct Server {
    pub url: String,
    log: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub fn start(handler: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        Self::start_over(handler, "http", Some)
    }

    /// Starts a server whose connections are wrapped before use, for example in TLS.
    pub fn start_over<S: Read + Write + 'static>(
        handler: impl Fn(&Request) -> Response + Send + Sync + 'static,
        scheme: &str,
        wrap: impl Fn(TcpStream) -> Option<S> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let log = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::new((handler, wrap, log.clone()));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || {
                    let (handler, wrap, log) = &*shared;
                    if let Some(stream) = wrap(stream) {
                        serve(stream, handler, log);
                    }
                });
            }
        });
        Self { url, log }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.log.lock().unwrap().clone()
    }

    pub fn count(&self, method: &str, end: &str) -> usize {
        self.requests().iter().filter(|request| request.is(method, end)).count()
    }
}

fn serve(stream: impl Read + Write, handler: &impl Fn(&Request) -> Response, log: &Mutex<Vec<Request>>) {
    let mut reader = BufReader::new(stream);
    let Some(request) = read_request(&mut reader) else { return };
    log.lock().unwrap().push(request.clone());
    let response = handler(&request);
    let mut stream = reader.into_inner();
    let mut head = format!("HTTP/1.1 {} X\r\nconnection: close\r\n", response.status);
    let has_length = |name: &str| ["content-length", "transfer-encoding"].contains(&name);
    if !response.headers.iter().any(|(name, _)| has_length(&name.to_ascii_lowercase())) {
        head.push_str(&format!("content-length: {}\r\n", response.body.len()));
    }
    for (name, value) in &response.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut bytes = (head + "\r\n").into_bytes();
    if request.method != "HEAD" {
        let end = response.stop_at.unwrap_or(response.body.len()).min(response.body.len());
        bytes.extend(&response.body[..end]);
    }
    // the client may have closed the connection
    let _ = stream.write_all(&bytes).and_then(|()| stream.flush());
    if response.hang {
        let _ = stream.read(&mut [0]);
    }
}

fn read_request(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    Some(Request { method, path, headers })
}

/// A repository on the hub.
#[derive(Clone)]
pub struct Model {
    pub id: &'static str,
    pub commit: &'static str,
    pub files: Vec<(&'static str, Vec<u8>)>,
}

pub const COMMIT: &str = "1234567890abcdef1234567890abcdef12345678";

impl Model {
    pub fn new(id: &'static str, files: &[(&'static str, &[u8])]) -> Self {
        let files = files.iter().map(|(name, bytes)| (*name, bytes.to_vec())).collect();
        Self { id, commit: COMMIT, files }
    }

    /// Creates a small complete model.
    pub fn small() -> Self {
        Self::new(
            "org/name",
            &[
                ("config.json", br#"{"model_type": "marian"}"#),
                ("model.safetensors", &weights()),
                ("README.md", b"hello"),
                ("source.spm", b"pieces"),
                ("tf_model.h5", b"other weights"),
            ],
        )
    }

    /// Responds as the hub does: the ETag of a large file (weights) is its SHA-256, that of a small one a Git
    /// hash.
    pub fn respond(&self, request: &Request) -> Response {
        let api = format!("/api/models/{}/revision/", self.id);
        if let Some(revision) = request.path.strip_prefix(&api) {
            return self.repo_info(revision);
        }
        let resolve = format!("/{}/resolve/{}/", self.id, self.commit);
        match request.path.strip_prefix(&resolve).and_then(|name| self.file(name)) {
            Some(content) => file_response(request, content, is_large(&request.path)),
            None => Response::status(404).with("x-error-code", "EntryNotFound"),
        }
    }

    fn repo_info(&self, revision: &str) -> Response {
        if !["main", "v1", self.commit].contains(&revision) {
            return Response::status(404).with("x-error-code", "RevisionNotFound");
        }
        let siblings: Vec<_> =
            self.files.iter().map(|(name, _)| serde_json::json!({"rfilename": name})).collect();
        Response::status(200).body(serde_json::json!({"sha": self.commit, "siblings": siblings}).to_string())
    }

    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.files.iter().find(|(file, _)| *file == name).map(|(_, content)| content.as_slice())
    }
}

pub fn is_large(path: &str) -> bool {
    path.ends_with(".safetensors") || path.ends_with(".bin")
}

/// Returns half a megabyte of pseudo-random bytes.
pub fn weights() -> Vec<u8> {
    (0..1 << 19).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// Responds with a file and its ETag, from the start of the requested range on.
pub fn file_response(request: &Request, content: &[u8], large: bool) -> Response {
    let etag = etag(content, large);
    let with_etag = |response: Response| match large {
        true => response
            .with("x-linked-etag", format!("\"{etag}\""))
            .with("x-linked-size", content.len())
            .with("etag", "\"of-the-pointer\""),
        false => response.with("etag", format!("\"{etag}\"")),
    };
    let from = request
        .headers
        .get("range")
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    match from {
        Some(from) if from >= content.len() => {
            Response::status(416).with("content-range", format!("bytes */{}", content.len()))
        }
        Some(from) => with_etag(Response::status(206))
            .with("content-range", format!("bytes {from}-{}/{}", content.len() - 1, content.len()))
            .body(&content[from..]),
        None => with_etag(Response::status(200)).body(content),
    }
}

/// Returns the ETag of a file, as the hub makes it.
pub fn etag(content: &[u8], large: bool) -> String {
    if large {
        Sha256::hash(content).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    } else {
        git_blob_id(content)
    }
}

//! A hub on loopback with an empty cache, and models for it to serve.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use attn_tui::error::{Error, HubError, Result};
use attn_tui::files::ModelFiles;
use attn_tui::hub::{Hub, HubOptions, Located, RetryPolicy, locate_on};
use attn_tui::progress::{Unwatched, Watch};

use super::server::{Model, Request, Response, Server, weights};

/// A hub on loopback and an empty cache.
pub struct Setup {
    pub hub: Hub,
    pub folder: tempfile::TempDir,
}

impl Setup {
    pub fn new(server: &Server) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hub = Hub {
            endpoint: server.url.clone(),
            token: None,
            cache: folder.path().join("hub"),
            offline: false,
            authorities: None,
            retry: RetryPolicy {
                timeout: Duration::from_secs(20),
                backoff: Duration::from_millis(1),
                retries: 3,
            },
        };
        Self { hub, folder }
    }

    pub fn open(&self, model: &str) -> Result<ModelFiles> {
        self.open_with(model, &Unwatched)
    }

    pub fn open_with(&self, model: &str, watch: &dyn Watch) -> Result<ModelFiles> {
        self.open_as(model, &HubOptions::default(), watch)
    }

    pub fn open_as(&self, model: &str, options: &HubOptions, watch: &dyn Watch) -> Result<ModelFiles> {
        match locate_on(&self.hub, model, options, &|_| Ok(()), watch)? {
            Located::Model(files) => Ok(files),
            Located::Capture(path) => panic!("capture {}", path.display()),
        }
    }

    pub fn failure(&self, model: &str) -> HubError {
        match self.open(model).unwrap_err() {
            Error::Hub(error) => error,
            error => panic!("{error}"),
        }
    }

    pub fn repo_folder(&self) -> PathBuf {
        self.hub.cache.join("models--org--name")
    }

    /// Returns the names of the blobs, sorted.
    pub fn blobs(&self) -> Vec<String> {
        file_names(&self.repo_folder().join("blobs"))
    }
}

pub fn file_names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub fn small_model() -> (Server, Setup) {
    let model = Model::small();
    let server = Server::start(move |request| model.respond(request));
    let setup = Setup::new(&server);
    (server, setup)
}

/// Starts a hub with a small model. `respond` answers the downloads of its weights, which it gets with the
/// number of downloads before.
pub fn with_weights(
    respond: impl Fn(&Request, &[u8], usize) -> Response + Send + Sync + 'static,
) -> (Server, Setup) {
    let model = Model::small();
    let count = AtomicUsize::new(0);
    let server = Server::start(move |request| {
        if request.is("GET", "/model.safetensors") {
            respond(request, &weights(), count.fetch_add(1, Ordering::SeqCst))
        } else {
            model.respond(request)
        }
    });
    let setup = Setup::new(&server);
    (server, setup)
}

pub fn assert_complete(files: &ModelFiles) {
    assert_eq!(files.need("model.safetensors").unwrap()[..], weights()[..]);
    assert_eq!(&files.need("source.spm").unwrap()[..], b"pieces");
}

/// Returns an address without a listener.
pub fn unused_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

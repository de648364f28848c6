//! Repositories of the hub: what is fetched, where it goes, and every way in which that can fail.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use attn_tui::checkpoint::ModelConfig;
use attn_tui::error::{Error, HubError, Result};
use attn_tui::files::{ModelFile, ModelFiles};
use attn_tui::hub::{
    AccessToken, Hub, HubOptions, Located, Location, RetryPolicy, cached, inspect_on, locate_on,
};
use attn_tui::progress::{Progress, Unwatched, Watch};

use super::server::{Answer, COMMIT, Model, Request, Server, etag, file, weights};

/// A hub on this machine and an empty cache.
struct Place {
    hub: Hub,
    folder: tempfile::TempDir,
}

impl Place {
    fn new(server: &Server) -> Self {
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

    fn open(&self, model: &str) -> Result<ModelFiles> {
        self.open_with(model, &Unwatched)
    }

    fn open_with(&self, model: &str, watch: &dyn Watch) -> Result<ModelFiles> {
        self.open_as(model, &HubOptions::default(), watch)
    }

    fn open_as(&self, model: &str, options: &HubOptions, watch: &dyn Watch) -> Result<ModelFiles> {
        match locate_on(&self.hub, model, options, &|_| Ok(()), watch)? {
            Located::Model(files) => Ok(files),
            Located::Capture(path) => panic!("capture {}", path.display()),
        }
    }

    fn failure(&self, model: &str) -> HubError {
        match self.open(model).unwrap_err() {
            Error::Hub(error) => error,
            error => panic!("{error}"),
        }
    }

    fn repository(&self) -> PathBuf {
        self.hub.cache.join("models--org--name")
    }

    /// What lies among the contents, by name.
    fn blobs(&self) -> Vec<String> {
        names(&self.repository().join("blobs"))
    }
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn small() -> (Server, Place) {
    let model = Model::small();
    let server = Server::start(move |request| model.answer(request));
    let place = Place::new(&server);
    (server, place)
}

/// A small model whose weights are answered otherwise.
fn with_weights(
    answer: impl Fn(&Request, &[u8], usize) -> Answer + Send + Sync + 'static,
) -> (Server, Place) {
    let model = Model::small();
    let count = AtomicUsize::new(0);
    let server = Server::start(move |request| {
        if request.is("GET", "/model.safetensors") {
            answer(request, &weights(), count.fetch_add(1, Ordering::SeqCst))
        } else {
            model.answer(request)
        }
    });
    let place = Place::new(&server);
    (server, place)
}

fn is_whole(files: &ModelFiles) {
    assert_eq!(files.need("model.safetensors").unwrap()[..], weights()[..]);
    assert_eq!(&files.need("source.spm").unwrap()[..], b"pieces");
}

#[test]
fn a_model_is_fetched_into_the_shared_layout() {
    let (server, place) = small();
    let files = place.open("org/name").unwrap();
    is_whole(&files);
    assert_eq!(files.name, "org/name");
    assert_eq!(files.commit.as_deref(), Some(COMMIT));
    let names_of_files: Vec<_> = files.files.keys().map(String::as_str).collect();
    assert_eq!(names_of_files, ["config.json", "model.safetensors", "source.spm"]);

    let repository = place.repository();
    assert_eq!(std::fs::read_to_string(repository.join("refs/main")).unwrap(), COMMIT);
    let snapshot = repository.join("snapshots").join(COMMIT);
    assert_eq!(names(&snapshot), ["config.json", "model.safetensors", "source.spm"]);
    let content = etag(&weights(), true);
    #[cfg(unix)]
    assert_eq!(
        std::fs::read_link(snapshot.join("model.safetensors")).unwrap(),
        PathBuf::from(format!("../../blobs/{content}"))
    );
    assert!(place.blobs().contains(&content));
    assert!(place.blobs().iter().all(|name| !name.contains('.')), "{:?}", place.blobs());
    assert_eq!(server.count("GET", "tf_model.h5") + server.count("GET", "README.md"), 0);
}

#[test]
fn what_is_there_is_not_fetched_again() {
    let (server, place) = small();
    place.open("org/name").unwrap();
    let before = server.asked().len();
    is_whole(&place.open("org/name").unwrap());
    assert_eq!(server.asked().len(), before + 1, "one question: which commit is it now?");
}

#[test]
fn a_revision_is_asked_for_after_the_name_or_as_an_option() {
    let (server, place) = small();
    assert_eq!(place.open("org/name@v1").unwrap().name, "org/name@v1");
    let options = HubOptions { revision: Some(COMMIT.into()), offline: false };
    place.open_as("org/name@v1", &options, &Unwatched).unwrap();
    assert_eq!(names(&place.repository().join("refs")), ["v1"], "a commit needs no reference");
    let asked: Vec<_> =
        server.asked().into_iter().filter(|request| request.path.starts_with("/api")).collect();
    assert!(asked[0].path.ends_with("/revision/v1") && asked[1].path.ends_with(COMMIT));
}

#[test]
fn offline_opens_what_is_cached_and_asks_nobody() {
    let (server, place) = small();
    place.open("org/name@v1").unwrap();
    let before = server.asked().len();
    let offline = HubOptions { revision: None, offline: true };
    is_whole(&place.open_as("org/name@v1", &offline, &Unwatched).unwrap());
    is_whole(&place.open_as(&format!("org/name@{COMMIT}"), &offline, &Unwatched).unwrap());
    let error = place.open_as("org/name", &offline, &Unwatched).unwrap_err();
    assert_eq!(error.to_string(), "org/name is not in the cache");
    std::fs::remove_file(place.repository().join("snapshots").join(COMMIT).join("model.safetensors"))
        .unwrap();
    let error = place.open_as("org/name@v1", &offline, &Unwatched).unwrap_err();
    assert_eq!(error.to_string(), "org/name@v1 is not in the cache as a whole: weights missing");
    assert_eq!(server.asked().len(), before);
}

#[cfg(unix)]
#[test]
fn a_cache_that_python_wrote_opens_offline() {
    let (_server, mut place) = small();
    place.hub.offline = true;
    let repository = place.repository();
    let snapshot = repository.join("snapshots").join(COMMIT);
    std::fs::create_dir_all(repository.join("blobs")).unwrap();
    std::fs::create_dir_all(repository.join("refs")).unwrap();
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::write(repository.join("refs/main"), COMMIT).unwrap();
    for (name, content) in Model::small().files {
        let etag = etag(&content, super::server::is_large(name));
        std::fs::write(repository.join("blobs").join(&etag), &content).unwrap();
        std::os::unix::fs::symlink(format!("../../blobs/{etag}"), snapshot.join(name)).unwrap();
    }
    let files = place.open("org/name").unwrap();
    is_whole(&files);
    assert!(!files.has("tf_model.h5"));
}

#[test]
fn without_a_network_a_cached_model_still_opens() {
    let (_server, mut place) = small();
    place.open("org/name").unwrap();
    place.hub.endpoint = closed();
    is_whole(&place.open("org/name").unwrap());
    assert!(matches!(place.failure("org/other"), HubError::Unreachable { host, .. } if host == "127.0.0.1"));
}

/// An address where nobody listens.
fn closed() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn files_come_from_where_the_hub_redirects_and_the_token_stays_at_home() {
    let content = weights();
    let store = Server::start(move |request| file(request, &content, false));
    let model = Model::small();
    let elsewhere = format!("{}/store/abc?signature=x", store.url);
    let server = Server::start(move |request| {
        if request.path.starts_with("/org/old/") || request.path.starts_with("/api/models/org/old/") {
            // a renamed repository: a path on the same host
            Answer::status(307).with("location", request.path.replace("org/old", "org/name"))
        } else if request.path.ends_with("/model.safetensors") {
            file(request, &weights(), true).with("location", &elsewhere).redirected()
        } else {
            model.answer(request)
        }
    });
    let mut place = Place::new(&server);
    place.hub.token = AccessToken::new("hf_secret");
    is_whole(&place.open("org/old").unwrap());
    assert!(server.asked().iter().all(|request| request.headers["authorization"] == "Bearer hf_secret"));
    let seen = store.asked();
    assert_eq!(seen.len(), 1, "the question for the name ends at the hub");
    assert!(!seen[0].headers.contains_key("authorization"));
    assert_eq!(seen[0].headers["accept-encoding"], "identity");
}

impl Answer {
    fn redirected(mut self) -> Self {
        self.status = 302;
        self.body.clear();
        self
    }
}

#[test]
fn a_cut_connection_is_resumed_where_it_broke() {
    let (server, place) = with_weights(|request, content, count| match count {
        0 => file(request, content, true).cut_at(100_000),
        1 => file(request, content, true).cut_at(50_000),
        _ => file(request, content, true),
    });
    is_whole(&place.open("org/name").unwrap());
    let asked: Vec<_> = server.asked().into_iter().filter(|r| r.is("GET", "/model.safetensors")).collect();
    let ranges: Vec<_> = asked.iter().map(|r| r.headers.get("range").map(String::as_str)).collect();
    assert_eq!(ranges, [None, Some("bytes=100000-"), Some("bytes=150000-")]);
    assert_eq!(asked[1].headers["if-range"], format!("\"{}\"", etag(&weights(), true)));
}

#[test]
fn a_connection_that_always_breaks_gives_up_and_keeps_what_came() {
    let (server, place) = with_weights(|request, content, count| match count {
        0 => file(request, content, true).cut_at(1000),
        _ => file(request, content, true).cut_at(0),
    });
    assert!(
        matches!(place.failure("org/name"), HubError::Interrupted { file, .. } if file == "model.safetensors")
    );
    assert_eq!(server.count("GET", "/model.safetensors"), 4);
    let partial = place.repository().join("blobs").join(etag(&weights(), true) + ".incomplete");
    assert_eq!(std::fs::metadata(partial).unwrap().len(), 1000);
}

#[test]
fn a_server_without_ranges_sends_the_whole_file_again() {
    let (_server, place) = with_weights(|request, content, count| {
        let whole = Request { headers: Default::default(), ..request.clone() };
        let answer = file(&whole, content, true);
        if count == 0 { answer.cut_at(1000) } else { answer }
    });
    is_whole(&place.open("org/name").unwrap());
}

#[test]
fn a_refused_range_starts_from_the_beginning() {
    let (server, place) = with_weights(|request, content, count| match count {
        0 => file(request, content, true).cut_at(1000),
        1 => Answer::status(416),
        _ => file(request, content, true),
    });
    is_whole(&place.open("org/name").unwrap());
    let last = server.asked().into_iter().rfind(|r| r.is("GET", "/model.safetensors")).unwrap();
    assert!(!last.headers.contains_key("range"));
}

/// Cancels once a file has a size.
struct CancelAt {
    path: PathBuf,
    size: u64,
}

impl Watch for CancelAt {
    fn progress(&self, _: Progress) {}

    fn cancelled(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|data| data.len() == self.size)
    }
}

#[test]
fn a_cancelled_download_stops_at_once_and_resumes_later() {
    let (server, place) = with_weights(|request, content, count| match count {
        0 => file(request, content, true).hang_at(200_000),
        _ => file(request, content, true),
    });
    let path = place.repository().join("blobs").join(etag(&weights(), true) + ".incomplete");
    let begun = Instant::now();
    let error = place.open_with("org/name", &CancelAt { path: path.clone(), size: 200_000 }).unwrap_err();
    assert!(matches!(error, Error::Cancelled));
    assert!(begun.elapsed() < place.hub.retry.timeout, "it did not wait for the silent server");
    is_whole(&place.open("org/name").unwrap());
    let last = server.asked().into_iter().rfind(|r| r.is("GET", "/model.safetensors")).unwrap();
    assert_eq!(last.headers["range"], "bytes=200000-");
    assert!(!path.exists());
}

#[test]
fn a_changed_file_is_fetched_anew_and_not_glued_to_the_old_half() {
    let old = Model::small();
    let mut new = old.clone();
    new.commit = "ffffffffffffffffffffffffffffffffffffffff";
    new.files[1].1.reverse();
    let expected = new.files[1].1.clone();
    let moved = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let switch = moved.clone();
    let server = Server::start(move |request| match switch.load(Ordering::SeqCst) {
        false if request.is("GET", "/model.safetensors") => old.answer(request).cut_at(1000),
        false => old.answer(request),
        true => new.answer(request),
    });
    let mut place = Place::new(&server);
    place.hub.retry.retries = 0;
    assert!(matches!(place.failure("org/name"), HubError::Interrupted { .. }));
    assert!(!place.repository().join("refs").exists(), "what is not whole is not what the branch means");
    moved.store(true, Ordering::SeqCst);
    let files = place.open("org/name").unwrap();
    assert_eq!(files.need("model.safetensors").unwrap()[..], expected[..]);
    assert!(files.commit.unwrap().starts_with("ffff"));
}

#[test]
fn wrong_sizes_and_checksums_are_caught_and_leave_nothing() {
    let (_server, place) = with_weights(|request, content, _| {
        let mut wrong = content.to_vec();
        wrong[77] ^= 1;
        file(request, &wrong, true)
    });
    assert!(
        matches!(place.failure("org/name"), HubError::WrongChecksum { file } if file == "model.safetensors")
    );
    let left = place.blobs();
    assert!(left.iter().all(|name| name.len() == 40), "{left:?}");

    let (_server, place) =
        with_weights(|request, content, _| file(request, &[content, b"more"].concat(), true));
    assert!(matches!(place.failure("org/name"), HubError::WrongSize { expected, .. } if expected == 1 << 19));
    assert!(place.blobs().iter().all(|name| name.len() == 40));
}

#[test]
fn a_wrong_half_from_an_earlier_run_is_thrown_away() {
    let (server, place) = small();
    let blobs = place.repository().join("blobs");
    std::fs::create_dir_all(&blobs).unwrap();
    std::fs::write(blobs.join(etag(&weights(), true) + ".incomplete"), [9; 5000]).unwrap();
    is_whole(&place.open("org/name").unwrap());
    assert_eq!(server.count("GET", "/model.safetensors"), 2);
}

#[test]
fn passing_trouble_of_the_hub_is_waited_for() {
    let model = Model::small();
    let count = AtomicUsize::new(0);
    let server = Server::start(move |request| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::status(500),
        1 => Answer::status(429).with("retry-after", 0),
        2 => Answer::status(503),
        _ => model.answer(request),
    });
    is_whole(&Place::new(&server).open("org/name").unwrap());
}

#[test]
fn refusals_are_named() {
    let refuse = |answer: Answer, token: bool| {
        let server = Server::start(move |_| answer.clone());
        let mut place = Place::new(&server);
        place.hub.token = AccessToken::new(if token { "hf_x" } else { "" });
        let error = place.failure("org/name");
        assert!(!error.to_string().contains('\n'));
        (error.clone(), error.hint().unwrap_or_default())
    };
    let code = |status, code: &str| Answer::status(status).with("x-error-code", code);

    let (error, hint) = refuse(code(404, "RepoNotFound"), true);
    assert_eq!(error, HubError::UnknownModel { model: "org/name".into(), token: true });
    assert!(hint.contains("spelling"));
    let (error, hint) = refuse(code(401, "RepoNotFound"), false);
    assert_eq!(error, HubError::UnknownModel { model: "org/name".into(), token: false });
    assert!(hint.contains("HF_TOKEN"));
    assert_eq!(
        refuse(code(404, "RevisionNotFound"), false).0,
        HubError::UnknownRevision { model: "org/name".into(), revision: "main".into() }
    );
    let mirror = Answer::status(404).body(r#"{"error": "Invalid rev id: main"}"#);
    assert!(matches!(refuse(mirror, false).0, HubError::UnknownRevision { .. }));
    assert!(matches!(refuse(Answer::status(404), false).0, HubError::UnknownModel { .. }));
    let (error, hint) = refuse(code(403, "GatedRepo"), true);
    assert!(matches!(error, HubError::Gated { token: true, .. }));
    assert!(hint.ends_with("/org/name") && !hint.contains("HF_TOKEN"));
    assert!(refuse(code(401, "GatedRepo"), false).1.contains("HF_TOKEN"));
    assert_eq!(refuse(Answer::status(401), false).0, HubError::NoToken { model: "org/name".into() });
    assert_eq!(refuse(Answer::status(401), true).0, HubError::BadToken);
    assert_eq!(refuse(code(401, "RepoNotFound"), true).0, HubError::BadToken);
    let why = "Access to this resource is disabled.";
    assert_eq!(
        refuse(Answer::status(403).with("x-error-message", why), false).0,
        HubError::Refused { what: "org/name".into(), status: 403, why: why.into() }
    );
    assert_eq!(
        refuse(Answer::status(429).with("retry-after", 120), false).0,
        HubError::RateLimited { seconds: Some(120) }
    );
    assert_eq!(refuse(Answer::status(502), false).0, HubError::Unavailable { status: 502 });
    let (error, hint) = refuse(Answer::status(200).body("<html>please sign in</html>"), false);
    assert!(matches!(error, HubError::BadReply { .. }));
    assert!(hint.contains("HF_ENDPOINT"));
}

#[test]
fn a_gated_file_of_an_open_list_is_named() {
    let model = Model::small();
    let server = Server::start(move |request| match request.path.contains("/resolve/") {
        true => Answer::status(403).with("x-error-code", "GatedRepo"),
        false => model.answer(request),
    });
    assert!(matches!(Place::new(&server).failure("org/name"), HubError::Gated { token: false, .. }));
}

#[test]
fn repositories_without_a_model_are_named_before_anything_large_comes() {
    let adapter = Model::new(
        "org/name",
        &[
            ("adapter_config.json", br#"{"base_model_name_or_path": "google/mt5-small"}"#),
            ("adapter_model.safetensors", b"x"),
        ],
    );
    let server = Server::start(move |request| adapter.answer(request));
    let error = Place::new(&server).open("org/name").unwrap_err();
    assert!(matches!(error, Error::Adapter { base: Some(base), .. } if base == "google/mt5-small"));

    let flax = Model::new("org/name", &[("config.json", b"{}"), ("flax_model.msgpack", b"x")]);
    let server = Server::start(move |request| flax.answer(request));
    let error = Place::new(&server).open("org/name").unwrap_err();
    assert!(matches!(error, Error::NoWeights { found, .. } if found == ["Flax"]));

    let (server, place) = small();
    let refuse = |config: &ModelConfig| Err(Error::Config(format!("not {}", config.model_type()?)));
    let error = locate_on(&place.hub, "org/name", &HubOptions::default(), &refuse, &Unwatched).unwrap_err();
    assert_eq!(error.to_string(), "config.json: not marian");
    assert_eq!(server.count("GET", "source.spm") + server.count("GET", "model.safetensors"), 0);
}

#[test]
fn sharded_weights_come_with_every_shard() {
    let index = br#"{"weight_map": {"a": "pytorch_model-1.bin", "b": "pytorch_model-2.bin"}}"#;
    let model = Model::new(
        "org/name",
        &[
            ("config.json", b"{}"),
            ("pytorch_model.bin.index.json", index),
            ("pytorch_model-1.bin", b"one"),
            ("pytorch_model-2.bin", b"two"),
            ("pytorch_model-3.bin", b"unused"),
        ],
    );
    let server = Server::start(move |request| model.answer(request));
    let place = Place::new(&server);
    let files = place.open("org/name").unwrap();
    assert_eq!(&files.need("pytorch_model-2.bin").unwrap()[..], b"two");
    assert!(!files.has("pytorch_model-3.bin"));
}

#[test]
fn a_disk_without_room_is_told_before_the_download() {
    let model = Model::small();
    let server = Server::start(move |request| match request.is("HEAD", "/model.safetensors") {
        true => Answer::status(200)
            .with("x-linked-etag", etag(&weights(), true))
            .with("x-linked-size", 1_u64 << 60),
        false => model.answer(request),
    });
    let place = Place::new(&server);
    let error = place.failure("org/name");
    if cfg!(unix) {
        assert!(
            matches!(&error, HubError::DiskFull { needed: Some(needed), .. } if *needed == 1 << 60),
            "{error}"
        );
        assert!(error.hint().unwrap().contains("HF_HOME"));
        assert_eq!(server.count("GET", "/model.safetensors"), 0);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_up_is_told_and_left_clean() {
    let (_server, place) = small();
    let blobs = place.repository().join("blobs");
    std::fs::create_dir_all(&blobs).unwrap();
    let partial = blobs.join(etag(&weights(), true) + ".incomplete");
    std::os::unix::fs::symlink("/dev/full", &partial).unwrap();
    assert!(
        matches!(place.failure("org/name"), HubError::DiskFull { file, .. } if file == "model.safetensors")
    );
    assert!(std::fs::symlink_metadata(partial).is_err());
}

#[test]
fn two_processes_at_once_fetch_a_content_once() {
    let (server, place) = small();
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..4).map(|_| scope.spawn(|| is_whole(&place.open("org/name").unwrap()))).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    assert_eq!(server.count("GET", "/model.safetensors"), 1);
}

/// Remembers the progress of every file.
#[derive(Default)]
struct Log(Mutex<Vec<(String, u64, Option<u64>)>>);

impl Watch for Log {
    fn progress(&self, progress: Progress) {
        if let Progress::Download { file, done, total, speed } = progress {
            assert!(speed >= 0.0 && speed.is_finite());
            self.0.lock().unwrap().push((file, done, total));
        }
    }
}

#[test]
fn progress_tells_file_and_bytes() {
    let (_server, place) = small();
    let log = Log::default();
    place.open_with("org/name", &log).unwrap();
    let log = log.0.into_inner().unwrap();
    let last = log.iter().rfind(|(file, ..)| file == "model.safetensors").unwrap();
    assert_eq!((last.1, last.2), (1 << 19, Some(1 << 19)));
    assert_eq!(log[0], ("config.json".into(), 0, Some(24)));
    assert_eq!(log.last().unwrap().0, "model.safetensors", "the small files come first");
}

#[test]
fn hostile_names_never_leave_the_cache() {
    let model = Model::new(
        "org/name",
        &[("config.json", b"{}"), ("../../evil.spm", b"x"), ("pytorch_model.bin", b"x")],
    );
    let server = Server::start(move |request| model.answer(request));
    let place = Place::new(&server);
    place.open("org/name").unwrap();
    assert_eq!(server.asked().iter().filter(|request| request.path.contains("evil")).count(), 0);

    let model = Model::small();
    let server = Server::start(move |request| match request.method.as_str() {
        "HEAD" => Answer::status(200).with("etag", "\"../../../evil\""),
        _ => model.answer(request),
    });
    assert!(matches!(Place::new(&server).failure("org/name"), HubError::BadReply { .. }));
    assert!(!place.folder.path().join("evil").exists());
}

#[test]
fn a_secure_hub_is_trusted_by_its_authority_alone() {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let fixture = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name);
    let chain = CertificateDer::pem_file_iter(fixture("server.pem")).unwrap().map(|c| c.unwrap()).collect();
    let key = PrivateKeyDer::from_pem_file(fixture("server.key")).unwrap();
    let provider = std::sync::Arc::new(rustls_graviola::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let config = std::sync::Arc::new(config);
    let model = Model::small();
    let server = Server::start_over(
        move |request| model.answer(request),
        "https",
        move |stream| {
            let connection = rustls::ServerConnection::new(config.clone()).ok()?;
            Some(rustls::StreamOwned::new(connection, stream))
        },
    );
    let mut place = Place::new(&server);
    assert!(matches!(place.failure("org/name"), HubError::Tls { .. }), "nobody knows its authority");
    place.hub.authorities = Some(fixture("authority.pem"));
    is_whole(&place.open("org/name").unwrap());
}

#[test]
fn files_of_a_repository_are_on_disk() {
    let (_server, place) = small();
    let files = place.open("org/name").unwrap();
    assert!(
        matches!(&files.files["config.json"], ModelFile::Path(path) if path.starts_with(&place.hub.cache))
    );
}

#[test]
fn a_survey_tells_what_would_be_fetched_and_fetches_nothing() {
    let (server, place) = small();
    let look = |offline: bool| {
        inspect_on(&place.hub, "org/name", &HubOptions { revision: None, offline }, &Unwatched)
    };
    let survey = look(false).unwrap();
    let parts: Vec<_> = survey.files.iter().map(|file| (file.name.as_str(), file.size)).collect();
    let expected = [("config.json", Some(24)), ("source.spm", Some(6)), ("model.safetensors", Some(1 << 19))];
    assert_eq!(parts, expected);
    assert!(survey.files.iter().all(|file| file.file.is_none()) && survey.model_files().is_none());
    assert!(survey.problem.is_none() && matches!(survey.location, Location::Hub(_)));
    assert_eq!(survey.config.unwrap().model_type().unwrap(), "marian");
    assert!(!place.hub.cache.exists());
    assert_eq!(server.count("GET", "model.safetensors"), 0);
    assert!(matches!(look(true), Err(Error::Hub(HubError::NotCached { .. }))));

    place.open("org/name").unwrap();
    is_whole(&look(false).unwrap().model_files().unwrap());
    let survey = look(true).unwrap();
    assert!(matches!(survey.location, Location::Cache(_)));
    is_whole(&survey.model_files().unwrap());
    assert_eq!(
        cached(&place.hub).iter().map(|survey| survey.name.as_str()).collect::<Vec<_>>(),
        ["org/name"]
    );
}

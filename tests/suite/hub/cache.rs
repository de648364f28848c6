//! Models on the hub are downloaded into the cache, in the shared layout, and opened from it.

use std::path::PathBuf;

use attn_tui::error::{Error, HubError};
use attn_tui::files::ModelFile;
use attn_tui::hub::{HubOptions, ModelLocation, cached, inspect_on};
use attn_tui::progress::Unwatched;

use super::server::{COMMIT, Model, Server, etag, weights};
use super::setup::{Setup, assert_complete, file_names, small_model, unused_address};

#[test]
fn a_model_is_downloaded_into_the_shared_layout() {
    let (server, setup) = small_model();
    let files = setup.open("org/name").unwrap();
    assert_complete(&files);
    assert_eq!(files.name, "org/name");
    assert_eq!(files.commit.as_deref(), Some(COMMIT));
    let names_of_files: Vec<_> = files.files.keys().map(String::as_str).collect();
    assert_eq!(names_of_files, ["config.json", "model.safetensors", "source.spm"]);

    let repo = setup.repo_folder();
    assert_eq!(std::fs::read_to_string(repo.join("refs/main")).unwrap(), COMMIT);
    let snapshot = repo.join("snapshots").join(COMMIT);
    assert_eq!(file_names(&snapshot), ["config.json", "model.safetensors", "source.spm"]);
    let content = etag(&weights(), true);
    #[cfg(unix)]
    assert_eq!(
        std::fs::read_link(snapshot.join("model.safetensors")).unwrap(),
        PathBuf::from(format!("../../blobs/{content}"))
    );
    assert!(setup.blobs().contains(&content));
    assert!(setup.blobs().iter().all(|name| !name.contains('.')), "{:?}", setup.blobs());
    assert_eq!(server.count("GET", "tf_model.h5") + server.count("GET", "README.md"), 0);
}

#[test]
fn cached_files_are_not_downloaded_again() {
    let (server, setup) = small_model();
    setup.open("org/name").unwrap();
    let before = server.requests().len();
    assert_complete(&setup.open("org/name").unwrap());
    assert_eq!(server.requests().len(), before + 1, "one request, for the current commit");
}

#[test]
fn a_revision_is_part_of_the_id_or_an_option() {
    let (server, setup) = small_model();
    assert_eq!(setup.open("org/name@v1").unwrap().name, "org/name@v1");
    let options = HubOptions { revision: Some(COMMIT.into()), offline: false };
    setup.open_as("org/name@v1", &options, &Unwatched).unwrap();
    assert_eq!(file_names(&setup.repo_folder().join("refs")), ["v1"], "a commit needs no ref");
    let requests: Vec<_> =
        server.requests().into_iter().filter(|request| request.path.starts_with("/api")).collect();
    assert!(requests[0].path.ends_with("/revision/v1") && requests[1].path.ends_with(COMMIT));
}

#[test]
fn offline_opens_the_cache_without_requests() {
    let (server, setup) = small_model();
    setup.open("org/name@v1").unwrap();
    let before = server.requests().len();
    let offline = HubOptions { revision: None, offline: true };
    assert_complete(&setup.open_as("org/name@v1", &offline, &Unwatched).unwrap());
    assert_complete(&setup.open_as(&format!("org/name@{COMMIT}"), &offline, &Unwatched).unwrap());
    let error = setup.open_as("org/name", &offline, &Unwatched).unwrap_err();
    assert_eq!(error.to_string(), "org/name is not in the cache");
    std::fs::remove_file(setup.repo_folder().join("snapshots").join(COMMIT).join("model.safetensors"))
        .unwrap();
    let error = setup.open_as("org/name@v1", &offline, &Unwatched).unwrap_err();
    assert_eq!(error.to_string(), "org/name@v1 is incomplete in the cache: no weights");
    assert_eq!(server.requests().len(), before);
}

#[cfg(unix)]
#[test]
fn a_cache_written_by_python_opens_offline() {
    let (_server, mut setup) = small_model();
    setup.hub.offline = true;
    let repo = setup.repo_folder();
    let snapshot = repo.join("snapshots").join(COMMIT);
    std::fs::create_dir_all(repo.join("blobs")).unwrap();
    std::fs::create_dir_all(repo.join("refs")).unwrap();
    std::fs::create_dir_all(&snapshot).unwrap();
    std::fs::write(repo.join("refs/main"), COMMIT).unwrap();
    for (name, content) in Model::small().files {
        let etag = etag(&content, super::server::is_large(name));
        std::fs::write(repo.join("blobs").join(&etag), &content).unwrap();
        std::os::unix::fs::symlink(format!("../../blobs/{etag}"), snapshot.join(name)).unwrap();
    }
    let files = setup.open("org/name").unwrap();
    assert_complete(&files);
    assert!(!files.has("tf_model.h5"));
}

#[test]
fn a_cached_model_opens_without_a_network() {
    let (_server, mut setup) = small_model();
    setup.open("org/name").unwrap();
    setup.hub.endpoint = unused_address();
    assert_complete(&setup.open("org/name").unwrap());
    assert!(matches!(setup.failure("org/other"), HubError::Unreachable { host, .. } if host == "127.0.0.1"));
}

#[test]
fn every_shard_of_the_index_is_downloaded() {
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
    let server = Server::start(move |request| model.respond(request));
    let setup = Setup::new(&server);
    let files = setup.open("org/name").unwrap();
    assert_eq!(&files.need("pytorch_model-2.bin").unwrap()[..], b"two");
    assert!(!files.has("pytorch_model-3.bin"));
}

#[test]
fn concurrent_downloads_fetch_a_blob_once() {
    let (server, setup) = small_model();
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..4).map(|_| scope.spawn(|| assert_complete(&setup.open("org/name").unwrap()))).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    assert_eq!(server.count("GET", "/model.safetensors"), 1);
}

#[test]
fn files_are_in_the_cache_folder() {
    let (_server, setup) = small_model();
    let files = setup.open("org/name").unwrap();
    assert!(
        matches!(&files.files["config.json"], ModelFile::Path(path) if path.starts_with(&setup.hub.cache))
    );
}

#[test]
fn an_inspection_lists_files_and_downloads_none() {
    let (server, setup) = small_model();
    let inspect = |offline: bool| {
        inspect_on(&setup.hub, "org/name", &HubOptions { revision: None, offline }, &Unwatched)
    };
    let inspection = inspect(false).unwrap();
    let files: Vec<_> = inspection.files.iter().map(|file| (file.name.as_str(), file.size)).collect();
    let expected = [("config.json", Some(24)), ("source.spm", Some(6)), ("model.safetensors", Some(1 << 19))];
    assert_eq!(files, expected);
    assert!(inspection.files.iter().all(|file| file.file.is_none()) && inspection.model_files().is_none());
    assert!(inspection.problem.is_none() && matches!(inspection.location, ModelLocation::Hub(_)));
    assert_eq!(inspection.config.unwrap().model_type().unwrap(), "marian");
    assert!(!setup.hub.cache.exists());
    assert_eq!(server.count("GET", "model.safetensors"), 0);
    assert!(matches!(inspect(true), Err(Error::Hub(HubError::NotCached { .. }))));

    setup.open("org/name").unwrap();
    assert_complete(&inspect(false).unwrap().model_files().unwrap());
    let inspection = inspect(true).unwrap();
    assert!(matches!(inspection.location, ModelLocation::Cache(_)));
    assert_complete(&inspection.model_files().unwrap());
    assert_eq!(
        cached(&setup.hub).iter().map(|inspection| inspection.name.as_str()).collect::<Vec<_>>(),
        ["org/name"]
    );
}

#[cfg(unix)]
#[test]
fn a_damaged_small_file_is_downloaded_again() {
    let (server, setup) = small_model();
    setup.open("org/name").unwrap();
    let blob = setup.repo_folder().join("blobs").join(etag(b"pieces", false));
    for damage in ["pieceS", "", "pieces and more"] {
        std::fs::write(&blob, damage).unwrap();
        let offline = HubOptions { revision: None, offline: true };
        let error = setup.open_as("org/name", &offline, &Unwatched).unwrap_err();
        let damaged = HubError::Damaged { model: "org/name".into(), files: vec!["source.spm".into()] };
        assert!(matches!(error, Error::Hub(error) if error == damaged));
        let found = inspect_on(&setup.hub, "org/name", &offline, &Unwatched).unwrap();
        assert!(matches!(found.problem, Some(Error::Hub(error)) if error == damaged));
        let found = inspect_on(&setup.hub, "org/name", &HubOptions::default(), &Unwatched).unwrap();
        assert!(found.problem.is_none() && found.model_files().is_none(), "it is to be downloaded again");
        assert_complete(&setup.open("org/name").unwrap());
        assert_complete(&setup.open_as("org/name", &offline, &Unwatched).unwrap());
    }
    assert_eq!((server.count("GET", "/source.spm"), server.count("GET", "/model.safetensors")), (4, 1));
}

#[test]
fn a_silent_or_failing_hub_delays_a_cached_model_little() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};
    let model = Model::small();
    let broken = std::sync::Arc::new(AtomicUsize::new(0));
    let state = broken.clone();
    let server = Server::start(move |request| match state.load(Ordering::SeqCst) {
        0 => model.respond(request),
        1 => super::server::Response::status(503),
        2 => model.respond(request).hang_at(3),
        _ => {
            std::thread::sleep(Duration::from_secs(15));
            model.respond(request)
        }
    });
    let mut setup = Setup::new(&server);
    setup.open("org/name").unwrap();
    setup.hub.retry = attn_tui::hub::RetryPolicy::default();
    for state in 1..4 {
        broken.store(state, Ordering::SeqCst);
        let start = Instant::now();
        assert_complete(&setup.open("org/name").unwrap());
        assert!(start.elapsed() < Duration::from_secs(10), "{state}: {:?}", start.elapsed());
    }
    let start = Instant::now();
    inspect_on(&setup.hub, "org/name", &HubOptions::default(), &Unwatched).unwrap();
    assert!(start.elapsed() < Duration::from_secs(10));
}

//! Downloads resume, can be cancelled, are verified, and report their progress.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Instant;

use attn_tui::error::{Error, HubError};
use attn_tui::files::{ModelFile, ModelFiles};
use attn_tui::hub::{HubOptions, tokenizer_files};
use attn_tui::progress::{Progress, Unwatched, Watch};

use super::server::{Model, Request, Response, Server, etag, file_response, weights};
use super::setup::{Setup, assert_complete, small_model, with_weights};

#[test]
fn a_lost_connection_is_resumed() {
    let (server, setup) = with_weights(|request, content, count| match count {
        0 => file_response(request, content, true).truncate_at(100_000),
        1 => file_response(request, content, true).truncate_at(50_000),
        _ => file_response(request, content, true),
    });
    assert_complete(&setup.open("org/name").unwrap());
    let requests: Vec<_> =
        server.requests().into_iter().filter(|r| r.is("GET", "/model.safetensors")).collect();
    let ranges: Vec<_> = requests.iter().map(|r| r.headers.get("range").map(String::as_str)).collect();
    assert_eq!(ranges, [None, Some("bytes=100000-"), Some("bytes=150000-")]);
    assert_eq!(requests[1].headers["if-range"], format!("\"{}\"", etag(&weights(), true)));
}

#[test]
fn after_the_last_retry_the_partial_file_stays() {
    let (server, setup) = with_weights(|request, content, count| match count {
        0 => file_response(request, content, true).truncate_at(1000),
        _ => file_response(request, content, true).truncate_at(0),
    });
    assert!(
        matches!(setup.failure("org/name"), HubError::Interrupted { file, .. } if file == "model.safetensors")
    );
    assert_eq!(server.count("GET", "/model.safetensors"), 4);
    let partial = setup.repo_folder().join("blobs").join(etag(&weights(), true) + ".incomplete");
    assert_eq!(std::fs::metadata(partial).unwrap().len(), 1000);
}

#[test]
fn a_server_without_ranges_sends_the_whole_file_again() {
    let (_server, setup) = with_weights(|request, content, count| {
        let whole = Request { headers: Default::default(), ..request.clone() };
        let response = file_response(&whole, content, true);
        if count == 0 { response.truncate_at(1000) } else { response }
    });
    assert_complete(&setup.open("org/name").unwrap());
}

#[test]
fn a_refused_range_restarts_the_download() {
    let (server, setup) = with_weights(|request, content, count| match count {
        0 => file_response(request, content, true).truncate_at(1000),
        1 => Response::status(416),
        _ => file_response(request, content, true),
    });
    assert_complete(&setup.open("org/name").unwrap());
    let last = server.requests().into_iter().rfind(|r| r.is("GET", "/model.safetensors")).unwrap();
    assert!(!last.headers.contains_key("range"));
}

/// Cancels once a file has the given size.
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
    let (server, setup) = with_weights(|request, content, count| match count {
        0 => file_response(request, content, true).hang_at(200_000),
        _ => file_response(request, content, true),
    });
    let path = setup.repo_folder().join("blobs").join(etag(&weights(), true) + ".incomplete");
    let start = Instant::now();
    let error = setup.open_with("org/name", &CancelAt { path: path.clone(), size: 200_000 }).unwrap_err();
    assert!(matches!(error, Error::Cancelled));
    assert!(start.elapsed() < setup.hub.retry.timeout, "it waited for the silent server");
    assert_complete(&setup.open("org/name").unwrap());
    let last = server.requests().into_iter().rfind(|r| r.is("GET", "/model.safetensors")).unwrap();
    assert_eq!(last.headers["range"], "bytes=200000-");
    assert!(!path.exists());
}

#[test]
fn a_changed_file_is_not_appended_to_its_old_part() {
    let old = Model::small();
    let mut new = old.clone();
    new.commit = "ffffffffffffffffffffffffffffffffffffffff";
    new.files[1].1.reverse();
    let expected = new.files[1].1.clone();
    let moved = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let switch = moved.clone();
    let server = Server::start(move |request| match switch.load(Ordering::SeqCst) {
        false if request.is("GET", "/model.safetensors") => old.respond(request).truncate_at(1000),
        false => old.respond(request),
        true => new.respond(request),
    });
    let mut setup = Setup::new(&server);
    setup.hub.retry.retries = 0;
    assert!(matches!(setup.failure("org/name"), HubError::Interrupted { .. }));
    assert!(!setup.repo_folder().join("refs").exists(), "an incomplete commit gets no ref");
    moved.store(true, Ordering::SeqCst);
    let files = setup.open("org/name").unwrap();
    assert_eq!(files.need("model.safetensors").unwrap()[..], expected[..]);
    assert!(files.commit.unwrap().starts_with("ffff"));
}

#[test]
fn wrong_sizes_and_checksums_leave_no_blob() {
    let (_server, setup) = with_weights(|request, content, _| {
        let mut wrong = content.to_vec();
        wrong[77] ^= 1;
        file_response(request, &wrong, true)
    });
    assert!(
        matches!(setup.failure("org/name"), HubError::WrongChecksum { file } if file == "model.safetensors")
    );
    let blobs = setup.blobs();
    assert!(blobs.iter().all(|name| name.len() == 40), "{blobs:?}");

    let (_server, setup) =
        with_weights(|request, content, _| file_response(request, &[content, b"more"].concat(), true));
    assert!(matches!(setup.failure("org/name"), HubError::WrongSize { expected, .. } if expected == 1 << 19));
    assert!(setup.blobs().iter().all(|name| name.len() == 40));
}

#[test]
fn a_wrong_partial_file_is_discarded() {
    let (server, setup) = small_model();
    let blobs = setup.repo_folder().join("blobs");
    std::fs::create_dir_all(&blobs).unwrap();
    std::fs::write(blobs.join(etag(&weights(), true) + ".incomplete"), [9; 5000]).unwrap();
    assert_complete(&setup.open("org/name").unwrap());
    assert_eq!(server.count("GET", "/model.safetensors"), 2);
}

#[test]
fn a_lack_of_disk_space_is_noticed_before_the_download() {
    let model = Model::small();
    let server = Server::start(move |request| match request.is("HEAD", "/model.safetensors") {
        true => Response::status(200)
            .with("x-linked-etag", etag(&weights(), true))
            .with("x-linked-size", 1_u64 << 60),
        false => model.respond(request),
    });
    let setup = Setup::new(&server);
    let error = setup.failure("org/name");
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
fn a_full_disk_is_an_error_and_leaves_no_partial_file() {
    let (_server, setup) = small_model();
    let blobs = setup.repo_folder().join("blobs");
    std::fs::create_dir_all(&blobs).unwrap();
    let partial = blobs.join(etag(&weights(), true) + ".incomplete");
    std::os::unix::fs::symlink("/dev/full", &partial).unwrap();
    assert!(
        matches!(setup.failure("org/name"), HubError::DiskFull { file, .. } if file == "model.safetensors")
    );
    assert!(std::fs::symlink_metadata(partial).is_err());
}

/// Records the progress of every file.
#[derive(Default)]
struct ProgressLog(Mutex<Vec<(String, u64, Option<u64>)>>);

impl Watch for ProgressLog {
    fn progress(&self, progress: Progress) {
        if let Progress::Download { file, done, total, speed } = progress {
            assert!(speed >= 0.0 && speed.is_finite());
            self.0.lock().unwrap().push((file, done, total));
        }
    }
}

#[test]
fn progress_reports_file_and_bytes() {
    let (_server, setup) = small_model();
    let log = ProgressLog::default();
    setup.open_with("org/name", &log).unwrap();
    let log = log.0.into_inner().unwrap();
    let last = log.iter().rfind(|(file, ..)| file == "model.safetensors").unwrap();
    assert_eq!((last.1, last.2), (1 << 19, Some(1 << 19)));
    assert_eq!(log[0], ("config.json".into(), 0, Some(24)));
    assert_eq!(log.last().unwrap().0, "model.safetensors", "small files come first");
}

/// Checks that a download from a hub that never sends what it promises ends.
fn ends(server: &Server, setup: &Setup) {
    let error = setup.failure("org/name");
    assert!(matches!(error, HubError::Interrupted { .. }), "{error}");
    let requests = server.count("GET", "/model.safetensors");
    assert!(requests <= 8, "{requests} requests");
}

#[test]
fn a_size_larger_than_the_file_ends_the_download() {
    let model = Model::small();
    let server = Server::start(move |request| match request.is("HEAD", "/model.safetensors") {
        true => Response::status(200)
            .with("x-linked-etag", etag(&weights(), true))
            .with("x-linked-size", weights().len() + 1000),
        false => model.respond(request),
    });
    ends(&server, &Setup::new(&server));
}

#[test]
fn ranges_from_the_wrong_start_end_the_download() {
    let (server, setup) = with_weights(|_, content, count| {
        let whole = Response::status(if count % 2 == 0 { 200 } else { 206 }).body(content);
        let range = format!("bytes 0-{}/{}", content.len() - 1, content.len());
        whole.with("content-range", range).truncate_at(1000)
    });
    ends(&server, &setup);
}

#[test]
fn a_configuration_without_a_length_is_bounded() {
    let model = Model::small();
    let server = Server::start(move |request| match request.path.ends_with("/config.json") {
        true => {
            let endless = [b"4100000\r\n".to_vec(), vec![b' '; 0x410_0000]].concat();
            let body = if request.method == "GET" { endless } else { Vec::new() };
            let response = Response::status(200).with("transfer-encoding", "chunked");
            response.with("etag", etag(b"{}", false)).body(body)
        }
        false => model.respond(request),
    });
    let setup = Setup::new(&server);
    let error = setup.failure("org/name");
    assert!(matches!(error, HubError::TooLarge { .. }), "{error}");
    assert!(setup.blobs().is_empty(), "{:?}", setup.blobs());
}

#[test]
fn the_tokenizer_of_another_model_is_downloaded_without_its_weights() {
    let (server, setup) = small_model();
    let own = |name: &str, text: &'static [u8]| (name.to_string(), ModelFile::Static(text));
    let files = [own("config.json", b"{}"), own("generation_config.json", b"{\"num_beams\": 2}")];
    let checkpoint = ModelFiles::new("checkpoint", None, files);
    for offline in [false, true] {
        let options = HubOptions { revision: Some("only the checkpoint's".into()), offline };
        let found = tokenizer_files(Some(&setup.hub), &checkpoint, Some("org/name"), &options, &Unwatched);
        let found = found.unwrap();
        assert_eq!(&found.need("source.spm").unwrap()[..], b"pieces");
        assert_eq!(&found.need("config.json").unwrap()[..], br#"{"model_type": "marian"}"#);
        assert_eq!(&found.need("generation_config.json").unwrap()[..], b"{\"num_beams\": 2}");
        assert!(!found.has("model.safetensors"));
    }
    assert_eq!((server.count("GET", "/source.spm"), server.count("GET", "/model.safetensors")), (1, 0));
    let missing =
        tokenizer_files(Some(&setup.hub), &checkpoint, Some("org/none"), &HubOptions::default(), &Unwatched);
    assert!(matches!(missing, Err(Error::Hub(HubError::UnknownModel { .. }))));
}

//! Refusals of the hub and repositories without a usable model become errors of their own, with a hint.

use std::sync::atomic::{AtomicUsize, Ordering};

use attn_tui::checkpoint::ModelConfig;
use attn_tui::error::{Error, HubError};
use attn_tui::hub::{AccessToken, HubOptions, locate_on};
use attn_tui::progress::Unwatched;

use super::server::{Model, Response, Server};
use super::setup::{Setup, assert_complete, small_model};

#[test]
fn temporary_errors_of_the_hub_are_retried() {
    let model = Model::small();
    let count = AtomicUsize::new(0);
    let server = Server::start(move |request| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Response::status(500),
        1 => Response::status(429).with("retry-after", 0),
        2 => Response::status(503),
        _ => model.respond(request),
    });
    assert_complete(&Setup::new(&server).open("org/name").unwrap());
}

#[test]
fn refusals_have_errors_of_their_own() {
    let refuse = |response: Response, token: bool| {
        let server = Server::start(move |_| response.clone());
        let mut setup = Setup::new(&server);
        setup.hub.token = AccessToken::new(if token { "hf_x" } else { "" });
        let error = setup.failure("org/name");
        assert!(!error.to_string().contains('\n'));
        (error.clone(), error.hint().unwrap_or_default())
    };
    let code = |status, code: &str| Response::status(status).with("x-error-code", code);

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
    let mirror = Response::status(404).body(r#"{"error": "Invalid rev id: main"}"#);
    assert!(matches!(refuse(mirror, false).0, HubError::UnknownRevision { .. }));
    assert!(matches!(refuse(Response::status(404), false).0, HubError::UnknownModel { .. }));
    let (error, hint) = refuse(code(403, "GatedRepo"), true);
    assert!(matches!(error, HubError::Gated { token: true, .. }));
    assert!(hint.ends_with("/org/name") && !hint.contains("HF_TOKEN"));
    assert!(refuse(code(401, "GatedRepo"), false).1.contains("HF_TOKEN"));
    assert_eq!(refuse(Response::status(401), false).0, HubError::NoToken { model: "org/name".into() });
    assert_eq!(refuse(Response::status(401), true).0, HubError::BadToken);
    assert_eq!(refuse(code(401, "RepoNotFound"), true).0, HubError::BadToken);
    let why = "Access to this resource is disabled.";
    assert_eq!(
        refuse(Response::status(403).with("x-error-message", why), false).0,
        HubError::Refused { what: "org/name".into(), status: 403, why: why.into() }
    );
    assert_eq!(
        refuse(Response::status(429).with("retry-after", 120), false).0,
        HubError::RateLimited { seconds: Some(120) }
    );
    assert_eq!(refuse(Response::status(502), false).0, HubError::Unavailable { status: 502 });
    let (error, hint) = refuse(Response::status(200).body("<html>please sign in</html>"), false);
    assert!(matches!(error, HubError::BadReply { .. }));
    assert!(hint.contains("HF_ENDPOINT"));
}

#[test]
fn a_gated_file_of_a_listed_repository_is_an_error() {
    let model = Model::small();
    let server = Server::start(move |request| match request.path.contains("/resolve/") {
        true => Response::status(403).with("x-error-code", "GatedRepo"),
        false => model.respond(request),
    });
    assert!(matches!(Setup::new(&server).failure("org/name"), HubError::Gated { token: false, .. }));
}

#[test]
fn unusable_repositories_are_refused_before_large_downloads() {
    let adapter = Model::new(
        "org/name",
        &[
            ("adapter_config.json", br#"{"base_model_name_or_path": "google/mt5-small"}"#),
            ("adapter_model.safetensors", b"x"),
        ],
    );
    let server = Server::start(move |request| adapter.respond(request));
    let error = Setup::new(&server).open("org/name").unwrap_err();
    assert!(matches!(error, Error::Adapter { base: Some(base), .. } if base == "google/mt5-small"));

    let flax = Model::new("org/name", &[("config.json", b"{}"), ("flax_model.msgpack", b"x")]);
    let server = Server::start(move |request| flax.respond(request));
    let error = Setup::new(&server).open("org/name").unwrap_err();
    assert!(matches!(error, Error::NoWeights { found, .. } if found == ["Flax"]));

    let (server, setup) = small_model();
    let refuse = |config: &ModelConfig| Err(Error::Config(format!("not {}", config.model_type()?)));
    let error = locate_on(&setup.hub, "org/name", &HubOptions::default(), &refuse, &Unwatched).unwrap_err();
    assert_eq!(error.to_string(), "config.json: not marian");
    assert_eq!(server.count("GET", "source.spm") + server.count("GET", "model.safetensors"), 0);
}

#[test]
fn a_mirror_without_error_codes_still_tells_revisions_from_models() {
    let model = Model::small();
    let server = Server::start(move |request| match request.path.as_str() {
        "/api/models/org/name" => Response::status(200).body("{}"),
        "/api/models/org/name/revision/main" => model.respond(request),
        _ => Response::status(404),
    });
    let setup = Setup::new(&server);
    let revision = HubError::UnknownRevision { model: "org/name".into(), revision: "v9".into() };
    assert_eq!(setup.failure("org/name@v9"), revision);
    let model = HubError::UnknownModel { model: "org/other".into(), token: false };
    assert_eq!(setup.failure("org/other@v9"), model);
}

//! The token stays with the hub, names stay within the cache, and TLS trusts only the given authority.

use std::path::Path;

use attn_tui::error::HubError;
use attn_tui::hub::AccessToken;

use super::server::{Model, Response, Server, file_response, weights};
use super::setup::{Setup, assert_complete};

#[test]
fn the_token_is_not_sent_to_other_hosts() {
    let content = weights();
    let store = Server::start(move |request| file_response(request, &content, false));
    let model = Model::small();
    let redirect = format!("{}/store/abc?signature=x", store.url);
    let server = Server::start(move |request| {
        if request.path.starts_with("/org/old/") || request.path.starts_with("/api/models/org/old/") {
            // a renamed repository redirects to a path on the same host
            Response::status(307).with("location", request.path.replace("org/old", "org/name"))
        } else if request.path.ends_with("/model.safetensors") {
            file_response(request, &weights(), true).with("location", &redirect).redirected()
        } else {
            model.respond(request)
        }
    });
    let mut setup = Setup::new(&server);
    setup.hub.token = AccessToken::new("hf_secret");
    assert_complete(&setup.open("org/old").unwrap());
    assert!(server.requests().iter().all(|request| request.headers["authorization"] == "Bearer hf_secret"));
    let requests = store.requests();
    assert_eq!(requests.len(), 1, "the HEAD request ends at the hub");
    assert!(!requests[0].headers.contains_key("authorization"));
    assert_eq!(requests[0].headers["accept-encoding"], "identity");
}

impl Response {
    fn redirected(mut self) -> Self {
        self.status = 302;
        self.body.clear();
        self
    }
}

#[test]
fn hostile_names_stay_within_the_cache() {
    let model = Model::new(
        "org/name",
        &[("config.json", b"{}"), ("../../evil.spm", b"x"), ("pytorch_model.bin", b"x")],
    );
    let server = Server::start(move |request| model.respond(request));
    let setup = Setup::new(&server);
    setup.open("org/name").unwrap();
    assert_eq!(server.requests().iter().filter(|request| request.path.contains("evil")).count(), 0);

    let model = Model::small();
    let server = Server::start(move |request| match request.method.as_str() {
        "HEAD" => Response::status(200).with("etag", "\"../../../evil\""),
        _ => model.respond(request),
    });
    assert!(matches!(Setup::new(&server).failure("org/name"), HubError::BadReply { .. }));
    assert!(!setup.folder.path().join("evil").exists());
}

#[test]
fn only_the_given_certificate_authority_is_trusted() {
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
        move |request| model.respond(request),
        "https",
        move |stream| {
            let connection = rustls::ServerConnection::new(config.clone()).ok()?;
            Some(rustls::StreamOwned::new(connection, stream))
        },
    );
    let mut setup = Setup::new(&server);
    assert!(
        matches!(setup.failure("org/name"), HubError::Tls { .. }),
        "its certificate authority is unknown"
    );
    setup.hub.authorities = Some(fixture("authority.pem"));
    assert_complete(&setup.open("org/name").unwrap());
}

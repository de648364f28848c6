//! MODEL arguments: the built-in model, folders, capture files, and repositories on a hub, for which a small
//! server on loopback stands.

mod cache;
mod download;
mod errors;
mod local;
mod security;
mod server;
mod setup;

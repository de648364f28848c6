//! From the MODEL argument to files: the built-in model, folders, capture files, and the hub (a small server of
//! the test's own on loopback stands for it).

mod local;
mod remote;
mod server;

//! Every way in which fetching a model from the hub can fail.

use std::path::PathBuf;

/// What went wrong between the MODEL argument and the files in the hub's cache.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// The hub has no such repository, or hides it.
    #[error("the hub has no model '{model}'")]
    UnknownModel {
        /// `org/name`.
        model: String,
        /// Whether the question carried a token.
        token: bool,
    },
    /// The repository has no such branch, tag or commit.
    #[error("{model} has no revision '{revision}'")]
    UnknownRevision {
        /// `org/name`.
        model: String,
        /// Branch, tag or commit.
        revision: String,
    },
    /// The model's owner gives access on request.
    #[error("{model} is gated: its owner grants access on request")]
    Gated {
        /// `org/name`.
        model: String,
        /// Whether the question carried a token.
        token: bool,
        /// The model's page, where access is asked for.
        page: String,
    },
    /// The hub wants a token and got none.
    #[error("{model} is private or does not exist, and no hub token is set")]
    NoToken {
        /// `org/name`.
        model: String,
    },
    /// The hub does not know the token.
    #[error("the hub does not accept the token")]
    BadToken,
    /// No connection to a host.
    #[error("cannot reach {host}: {why}")]
    Unreachable {
        /// Host of the hub or of where it keeps its files.
        host: String,
        /// What the system said.
        why: String,
    },
    /// No trust in a host.
    #[error("no secure connection to {host}: {why}")]
    Tls {
        /// Host of the hub or of where it keeps its files.
        host: String,
        /// What is wrong with its certificate.
        why: String,
    },
    /// The processor lacks instructions that secure connections need.
    #[error("this processor lacks instructions that secure connections need")]
    Processor,
    /// The transfer broke off again and again.
    #[error("{file}: the download broke off: {why}")]
    Interrupted {
        /// File name within the repository.
        file: String,
        /// What the connection said.
        why: String,
    },
    /// No room for a file.
    #[error("the disk is full: no room for {file} in {}", folder.display())]
    DiskFull {
        /// File name within the repository.
        file: String,
        /// Folder of the cache.
        folder: PathBuf,
        /// Bytes still to come, where known.
        needed: Option<u64>,
    },
    /// A file came with another size than was announced.
    #[error("{file}: {size} bytes came instead of {expected}")]
    WrongSize {
        /// File name within the repository.
        file: String,
        /// Announced bytes.
        expected: u64,
        /// Bytes that came.
        size: u64,
    },
    /// A file came with another content than was announced.
    #[error("{file}: the checksum (SHA-256) of what came is wrong")]
    WrongChecksum {
        /// File name within the repository.
        file: String,
    },
    /// Too many requests.
    #[error("the hub asks to wait: too many requests")]
    RateLimited {
        /// Seconds to wait, where the hub told them.
        seconds: Option<u64>,
    },
    /// The hub is in trouble.
    #[error("the hub is in trouble (status {status})")]
    Unavailable {
        /// HTTP status.
        status: u16,
    },
    /// Any other refusal.
    #[error("the hub refuses {what} (status {status}){}", because(why))]
    Refused {
        /// What was asked for.
        what: String,
        /// HTTP status.
        status: u16,
        /// The hub's own words, where it gave some.
        why: String,
    },
    /// An answer that makes no sense.
    #[error("{host} does not answer like a model hub: {why}")]
    BadReply {
        /// Host that was asked.
        host: String,
        /// What is wrong with its answer.
        why: String,
    },
    /// Offline, and the model is not there, or not all of it.
    #[error("{model} is not in the cache{}", except(missing))]
    NotCached {
        /// `org/name`, with the revision where it is not the default one.
        model: String,
        /// The first missing file, where others are there.
        missing: Option<String>,
    },
    /// The user's folders are unknown, so that there is no place for the cache.
    #[error("no home folder for the hub's cache")]
    NoHome,
}

impl HubError {
    /// What the user can do about it, in one line.
    pub fn hint(&self) -> Option<String> {
        const LOGIN: &str = "set HF_TOKEN to a token from https://huggingface.co/settings/tokens";
        let hint = match self {
            Self::UnknownModel { token: false, .. } | Self::NoToken { .. } => {
                format!("check the spelling (org/name); if it is private, {LOGIN}")
            }
            Self::UnknownModel { token: true, .. } => {
                "check the spelling (org/name), and that your token may read it".into()
            }
            Self::UnknownRevision { .. } => "give one of its branches, tags or full commits, or none".into(),
            Self::Gated { token: true, page, .. } => format!("ask for access at {page}"),
            Self::Gated { token: false, page, .. } => format!("ask for access at {page}, then {LOGIN}"),
            Self::BadToken => format!("{LOGIN}, or unset it: public models need none"),
            Self::Unreachable { .. } => {
                "check the network (HTTPS_PROXY, HF_ENDPOINT); --offline opens what is in the cache".into()
            }
            Self::Tls { .. } => {
                "behind a proxy with certificates of its own, set SSL_CERT_FILE to its authority's".into()
            }
            Self::Processor => "fetch the model on another machine and give its folder".into(),
            Self::Interrupted { .. } => "run it again: it goes on where it stopped".into(),
            Self::DiskFull { needed: Some(bytes), .. } => {
                format!("free {}, or set HF_HOME to a folder on another disk", crate::human::bytes(*bytes))
            }
            Self::DiskFull { needed: None, .. } => {
                "free some space, or set HF_HOME to a folder on another disk".into()
            }
            Self::WrongSize { .. } | Self::WrongChecksum { .. } => {
                "run it again; if it stays so, something between here and the hub changes files".into()
            }
            Self::RateLimited { seconds: Some(seconds) } => format!("try again in {seconds} s"),
            Self::RateLimited { seconds: None } | Self::Unavailable { .. } => {
                "try again in a few minutes".into()
            }
            Self::BadReply { .. } => "is HF_ENDPOINT right, or does a proxy ask to sign in?".into(),
            Self::NotCached { .. } => "run it once without --offline (and HF_HUB_OFFLINE) to fetch it".into(),
            Self::NoHome => "set HF_HOME to a folder".into(),
            Self::Refused { .. } => return None,
        };
        Some(hint)
    }
}

fn because(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!(": {why}") }
}

fn except(missing: &Option<String>) -> String {
    missing.as_ref().map(|file| format!(" as a whole: {file} missing")).unwrap_or_default()
}

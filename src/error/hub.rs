//! Errors of the hub and its cache.

use std::path::PathBuf;

/// An error of downloading a model from the hub or of finding it in the cache.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// The hub has no such repository, or it is hidden.
    #[error("the hub has no model '{model}'")]
    UnknownModel {
        /// `org/name`.
        model: String,
        /// True if the request had an access token.
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
    /// The repository is gated: access must be requested.
    #[error("{model} is gated: its owner grants access on request")]
    Gated {
        /// `org/name`.
        model: String,
        /// True if the request had an access token.
        token: bool,
        /// URL of the model's page, where access is requested.
        page: String,
    },
    /// The hub requires an access token, and none is set.
    #[error("{model} is private or does not exist, and no access token is set")]
    NoToken {
        /// `org/name`.
        model: String,
    },
    /// The hub rejected the access token.
    #[error("the hub rejected the access token")]
    BadToken,
    /// A host cannot be reached.
    #[error("cannot reach {host}: {why}")]
    Unreachable {
        /// Host name of the hub or its storage server.
        host: String,
        /// Error of the operating system.
        why: String,
    },
    /// No secure connection to a host is possible.
    #[error("no secure connection to {host}: {why}")]
    Tls {
        /// Host name of the hub or its storage server.
        host: String,
        /// Reason, such as an untrusted certificate.
        why: String,
    },
    /// The processor lacks instructions of the TLS library.
    #[error("this processor lacks instructions that secure connections need")]
    Processor,
    /// A download was interrupted, and the retries are exhausted.
    #[error("{file}: the download was interrupted: {why}")]
    Interrupted {
        /// File name within the repository.
        file: String,
        /// Reason.
        why: String,
    },
    /// The disk is full.
    #[error("the disk is full: no space for {file} in {}", folder.display())]
    DiskFull {
        /// File name within the repository.
        file: String,
        /// Folder of the file.
        folder: PathBuf,
        /// Bytes still to download, if known.
        needed: Option<u64>,
    },
    /// A downloaded file has the wrong size.
    #[error("{file}: received {size} bytes instead of {expected}")]
    WrongSize {
        /// File name within the repository.
        file: String,
        /// Size in bytes according to the hub.
        expected: u64,
        /// Size in bytes of the download.
        size: u64,
    },
    /// A downloaded file has the wrong checksum.
    #[error("{file}: the download has the wrong checksum")]
    WrongChecksum {
        /// File name within the repository.
        file: String,
    },
    /// A file without an announced size is longer than files of its kind are.
    #[error("{file}: the hub sends more than {} without announcing a size", crate::human::bytes(*limit))]
    TooLarge {
        /// File name within the repository.
        file: String,
        /// Largest accepted size in bytes.
        limit: u64,
    },
    /// Files in the cache differ from their checksums.
    #[error("{model} is damaged in the cache: {} not match the checksum", do_not(files))]
    Damaged {
        /// `org/name`, with the revision if it is not the default branch.
        model: String,
        /// Names of the files within the repository.
        files: Vec<String>,
    },
    /// The hub limits the rate of requests.
    #[error("too many requests to the hub")]
    RateLimited {
        /// Seconds to wait, if the hub sent them.
        seconds: Option<u64>,
    },
    /// The hub is temporarily unavailable.
    #[error("the hub is unavailable (status {status})")]
    Unavailable {
        /// HTTP status.
        status: u16,
    },
    /// The hub refused a request for any other reason.
    #[error("the hub refused {what} (status {status}){}", because(why))]
    Refused {
        /// Requested file or model.
        what: String,
        /// HTTP status.
        status: u16,
        /// Message of the hub; may be empty.
        why: String,
    },
    /// A response is invalid.
    #[error("{host} does not respond like a model hub: {why}")]
    BadReply {
        /// Host name.
        host: String,
        /// Reason.
        why: String,
    },
    /// The model is not in the cache or incomplete there, and the hub may not be asked.
    #[error("{model} is {}", uncached(missing))]
    NotCached {
        /// `org/name`, with the revision if it is not the default branch.
        model: String,
        /// First missing file of an incomplete model.
        missing: Option<String>,
    },
    /// No environment variable sets a folder for the cache.
    #[error("no folder for the hub cache: HOME is not set")]
    NoHome,
}

impl HubError {
    /// Returns a suggestion for the user in one line, if there is one.
    pub fn hint(&self) -> Option<String> {
        const LOGIN: &str = "set HF_TOKEN to a token from https://huggingface.co/settings/tokens";
        let hint = match self {
            Self::UnknownModel { token: false, .. } | Self::NoToken { .. } => {
                format!("check the spelling (org/name); if it is private, {LOGIN}")
            }
            Self::UnknownModel { token: true, .. } => {
                "check the spelling (org/name), and that your token may read it".into()
            }
            Self::UnknownRevision { .. } => "give a branch, a tag or a full commit of the model".into(),
            Self::Gated { token: true, page, .. } => format!("request access at {page}"),
            Self::Gated { token: false, page, .. } => format!("request access at {page}, then {LOGIN}"),
            Self::BadToken => format!("{LOGIN}, or unset it for public models"),
            Self::Unreachable { .. } => {
                "check the network, HTTPS_PROXY and HF_ENDPOINT; --offline uses the cache only".into()
            }
            Self::Tls { .. } => {
                "if a proxy intercepts TLS, set SSL_CERT_FILE to the certificate of its authority".into()
            }
            Self::Processor => "download the model on another machine and give its folder".into(),
            Self::Interrupted { .. } => "run the command again to resume the download".into(),
            Self::DiskFull { needed: Some(bytes), .. } => {
                format!("free {}, or set HF_HOME to a folder on another disk", crate::human::bytes(*bytes))
            }
            Self::DiskFull { needed: None, .. } => {
                "free some space, or set HF_HOME to a folder on another disk".into()
            }
            Self::WrongSize { .. } | Self::WrongChecksum { .. } => {
                "run the command again; if the error persists, a proxy may be changing files".into()
            }
            Self::RateLimited { seconds: Some(seconds) } => format!("try again in {seconds} s"),
            Self::RateLimited { seconds: None } | Self::Unavailable { .. } => {
                "try again in a few minutes".into()
            }
            Self::BadReply { .. } => "check HF_ENDPOINT, and whether a proxy requires a login".into(),
            Self::NotCached { .. } => {
                "run the command once without --offline and HF_HUB_OFFLINE to download it".into()
            }
            Self::NoHome => "set HF_HOME to a folder".into(),
            Self::Refused { .. } => "check the model's page on the hub, and that HF_TOKEN may read it".into(),
            Self::TooLarge { .. } => "check HF_ENDPOINT, and whether a proxy changes files".into(),
            Self::Damaged { .. } => {
                "run the command once without --offline and HF_HUB_OFFLINE to download it again".into()
            }
        };
        Some(hint)
    }
}

fn do_not(files: &[String]) -> String {
    format!("{} {}", files.join(", "), if files.len() == 1 { "does" } else { "do" })
}

fn because(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!(": {why}") }
}

fn uncached(missing: &Option<String>) -> String {
    match missing {
        Some(file) => format!("incomplete in the cache: no {file}"),
        None => "not in the cache".into(),
    }
}

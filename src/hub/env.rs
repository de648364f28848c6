//! The hub and its cache, as the environment variables of huggingface_hub set them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, HubError, Result};

/// A hub and its local cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hub {
    /// URL without a trailing slash (`HF_ENDPOINT`).
    pub endpoint: String,
    /// Access token (`HF_TOKEN`, or the token file).
    pub token: Option<AccessToken>,
    /// Cache folder (`HF_HUB_CACHE`, `HF_HOME`).
    pub cache: PathBuf,
    /// Never touch the network (`HF_HUB_OFFLINE`).
    pub offline: bool,
    /// PEM file with the certificate authorities that replace the built-in ones (`SSL_CERT_FILE`).
    pub authorities: Option<PathBuf>,
    /// Timeout and retries of requests.
    pub retry: RetryPolicy,
}

/// Timeout and retries of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Longest time without any data from the server.
    pub timeout: Duration,
    /// Wait before the first retry; doubled for each further one.
    pub backoff: Duration,
    /// Number of retries after the first attempt.
    pub retries: u32,
}

impl RetryPolicy {
    /// Returns the policy for a model that the cache has: waiting for the hub must not delay it for long.
    #[must_use]
    pub fn with_fallback(self) -> Self {
        Self { timeout: self.timeout.min(Duration::from_secs(4)), retries: 0, ..self }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30), backoff: Duration::from_millis(500), retries: 5 }
    }
}

/// An access token; its `Debug` form hides the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(String);

impl AccessToken {
    /// Creates a token; `None` if the text is blank.
    pub fn new(text: &str) -> Option<Self> {
        let text: String = text.split_whitespace().collect();
        (!text.is_empty()).then_some(Self(text))
    }

    /// Returns the secret.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccessToken(…)")
    }
}

impl Hub {
    /// Reads the environment variables of the process.
    ///
    /// # Errors
    /// [`HubError::NoHome`] if they set no folder for the cache.
    pub fn from_env() -> Result<Self> {
        Self::from_variables(|name| std::env::var_os(name))
    }

    /// Reads environment variables through `variable`. Empty variables count as unset.
    ///
    /// # Errors
    /// [`HubError::NoHome`] if they set no folder for the cache.
    pub fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |name: &str| set(name).and_then(|value| value.into_string().ok());
        let user = set("HOME").or_else(|| set("USERPROFILE")).map(PathBuf::from);
        let path = |name: &str| set(name).map(|value| expand(PathBuf::from(value), user.as_ref()));
        let home = path("HF_HOME")
            .or_else(|| path("XDG_CACHE_HOME").map(|cache| cache.join("huggingface")))
            .or_else(|| user.as_ref().map(|user| user.join(".cache/huggingface")));
        let cache = path("HF_HUB_CACHE")
            .or_else(|| path("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| home.as_ref().map(|home| home.join("hub")))
            .ok_or(Error::Hub(HubError::NoHome))?;
        let token_file = path("HF_TOKEN_PATH").or_else(|| home.map(|home| home.join("token")));
        let token = text("HF_TOKEN")
            .or_else(|| text("HUGGING_FACE_HUB_TOKEN"))
            .or_else(|| token_file.and_then(|file| std::fs::read_to_string(file).ok()));
        let endpoint = text("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into());
        Ok(Self {
            endpoint: endpoint.trim().trim_end_matches('/').to_owned(),
            token: token.as_deref().and_then(AccessToken::new),
            cache,
            offline: ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"]
                .iter()
                .any(|name| text(name).is_some_and(is_true)),
            authorities: path("SSL_CERT_FILE"),
            retry: RetryPolicy::default(),
        })
    }
}

/// Returns true for the values that huggingface_hub reads as true.
fn is_true(text: String) -> bool {
    ["1", "on", "yes", "true"].iter().any(|word| text.trim().eq_ignore_ascii_case(word))
}

/// Replaces a leading `~` by the home folder.
fn expand(path: PathBuf, home: Option<&PathBuf>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(variables: &[(&str, &str)]) -> Hub {
        Hub::from_variables(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
        })
        .unwrap()
    }

    #[test]
    fn the_cache_lies_where_python_puts_it() {
        assert_eq!(hub(&[("HOME", "/u")]).cache, PathBuf::from("/u/.cache/huggingface/hub"));
        assert_eq!(
            hub(&[("HOME", "/u"), ("XDG_CACHE_HOME", "/x")]).cache,
            PathBuf::from("/x/huggingface/hub")
        );
        assert_eq!(hub(&[("HOME", "/u"), ("HF_HOME", "~/h")]).cache, PathBuf::from("/u/h/hub"));
        assert_eq!(hub(&[("HF_HOME", "/h"), ("HF_HUB_CACHE", "/c")]).cache, PathBuf::from("/c"));
        assert!(matches!(Hub::from_variables(|_| None), Err(Error::Hub(HubError::NoHome))));
    }

    #[test]
    fn the_token_comes_from_the_environment_or_its_file_and_stays_secret() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "hf_file\n").unwrap();
        let home = folder.path().to_str().unwrap();
        assert_eq!(hub(&[("HF_HOME", home)]).token.unwrap().reveal(), "hf_file");
        let other = folder.path().join("other");
        std::fs::write(&other, "hf_other").unwrap();
        let variables = [("HF_HOME", home), ("HF_TOKEN_PATH", other.to_str().unwrap())];
        assert_eq!(hub(&variables).token.unwrap().reveal(), "hf_other");
        let told = hub(&[("HF_HOME", home), ("HF_TOKEN", "hf_set")]);
        assert_eq!(told.token.as_ref().unwrap().reveal(), "hf_set");
        assert!(!format!("{told:?}").contains("hf_set"));
    }

    #[test]
    fn offline_and_endpoint_follow_their_variables() {
        let plain = hub(&[("HOME", "/u"), ("HF_HUB_OFFLINE", "0")]);
        assert!(!plain.offline);
        assert_eq!(plain.endpoint, "https://huggingface.co");
        let set = hub(&[("HOME", "/u"), ("HF_HUB_OFFLINE", "1"), ("HF_ENDPOINT", "http://mirror:80/hf/")]);
        assert!(set.offline);
        assert_eq!(set.endpoint, "http://mirror:80/hf");
    }
}

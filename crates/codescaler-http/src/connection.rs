//! HTTP connections to others: how they are made, read, and spoken of.

use std::error::Error;

use reqwest::{
    Response, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
    redirect::Policy,
};

use crate::endpoint::{ApiKey, ClientError};

/// A larger answer than this is none.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 << 20;

/// What a server says about an error is kept up to here.
const MESSAGE_CHARS_MAX: usize = 1_000;

/// Whoever asks this URL, which people know as `name`, with this key.
pub(crate) fn client(
    (url, name): (&Url, &str),
    key: Option<&ApiKey>,
) -> Result<reqwest::Client, ClientError> {
    // A process has one provider of cryptography; one that is there already will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(key) = key {
        let bearer = HeaderValue::try_from(format!("Bearer {}", key.secret()));
        let mut bearer = bearer
            .ok()
            .filter(|_| !key.secret().is_empty())
            .ok_or_else(|| ClientError::Key { endpoint: name.to_owned() })?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    // A redirect would carry the conversation to where nobody sent it.
    let builder = reqwest::Client::builder()
        .default_headers(headers)
        .user_agent(concat!("codescaler/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .no_proxy();
    // Without encryption, certificates are not looked for.
    let builder = if url.scheme() == "https" { builder } else { builder.tls_certs_only([]) };
    builder
        .build()
        .map_err(|error| ClientError::Tls { endpoint: name.to_owned(), what: causes(&error) })
}

/// Reads an answer; `None` when it is too large.
pub(crate) async fn read(mut response: Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes))
}

/// An error with all that it comes from.
pub(crate) fn causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// A text of a server or a library as it may be shown: without the key, and not without end.
pub(crate) fn shown(text: String, key: Option<&ApiKey>) -> String {
    let text = match key {
        Some(key) => text.replace(key.secret(), &key.to_string()),
        None => text,
    };
    if text.is_empty() {
        return "no message".to_owned();
    }
    match text.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

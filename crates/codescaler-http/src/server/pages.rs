//! Pages for people, which browsers ask for.

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{
    endpoint::ApiKey,
    server::{Shared, backend::Page, failure::Failure},
};

/// What browsers send that know the token: it is the password of the user `codescaler`.
pub(crate) fn basic(token: &ApiKey) -> String {
    BASE64_STANDARD.encode(format!("codescaler:{}", token.secret()))
}

pub(crate) async fn index(state: State<Shared>) -> Result<Response, Failure> {
    page(state, Path(String::new())).await
}

pub(crate) async fn page(
    State(shared): State<Shared>,
    Path(path): Path<String>,
) -> Result<Response, Failure> {
    // One at a time: a page of a large run takes memory.
    let _turn = shared.pages.acquire().await.expect("nobody closes the semaphore");
    let backend = shared.backend.clone();
    let made = tokio::task::spawn_blocking(move || backend.page(&path)).await;
    let made = made.map_err(|_| Failure::Fault("the page could not be made".to_owned()))?;
    let nowhere = || {
        Failure::NotFound(
            "there is no such page: /ui lists them, where --ui names a folder".to_owned(),
        )
    };
    let Page { html, is_live, is_refusal } =
        made.map_err(Failure::Unprocessable)?.ok_or_else(nowhere)?;
    let mut response = Response::new(Body::from(html));
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // The rest of the policy stands in the page, with the hashes of its style and script.
        (header::CONTENT_SECURITY_POLICY, "frame-ancestors 'none'"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if is_refusal {
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    }
    if is_live {
        let seconds = HeaderValue::from_static("15");
        response.headers_mut().insert(HeaderName::from_static("refresh"), seconds);
    }
    Ok(response)
}

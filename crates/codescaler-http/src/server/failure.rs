//! Requests that get no answer, and how they are told.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use serde_json::{Value, json};

/// Why a request gets no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The body cannot be read, or is not what the route takes.
    Malformed(String),
    /// It is JSON of the right form that asks for what cannot be.
    Unprocessable(String),
    /// The body is not JSON by its own word.
    MediaType(String),
    /// More than one request may have.
    TooLarge(String),
    /// The client took too long to send it.
    Slow,
    /// No token, or a wrong one.
    Unauthorized,
    /// The same where browsers ask, which then ask their people.
    UnauthorizedBrowser,
    /// No such route, or it is switched off: what to do.
    NotFound(String),
    /// Not with this method.
    Method,
    /// There is no room now. Trainers take 429 for the end of the run, so it is 503 for them.
    Overloaded,
    /// There is no room now, for clients that expect 429.
    TooMany,
    /// The answer was not there in time.
    Late,
    /// We failed; the same request may succeed.
    Fault(String),
    /// Those behind us failed.
    Upstream(String),
}

/// Seconds after which a client may try again.
const RETRY_AFTER_S: &str = "1";

impl Failure {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Failure::Malformed(_) => StatusCode::BAD_REQUEST,
            Failure::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Failure::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Failure::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Failure::Slow => StatusCode::REQUEST_TIMEOUT,
            Failure::Unauthorized | Failure::UnauthorizedBrowser => StatusCode::UNAUTHORIZED,
            Failure::NotFound(_) => StatusCode::NOT_FOUND,
            Failure::Method => StatusCode::METHOD_NOT_ALLOWED,
            Failure::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Failure::Overloaded | Failure::Late | Failure::Fault(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Failure::Upstream(_) => StatusCode::BAD_GATEWAY,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Failure::Malformed(_) => "malformed",
            Failure::Unprocessable(_) => "invalid_request",
            Failure::MediaType(_) => "unsupported_media_type",
            Failure::TooLarge(_) => "too_large",
            Failure::Slow => "slow_request",
            Failure::Unauthorized | Failure::UnauthorizedBrowser => "unauthorized",
            Failure::NotFound(_) => "not_found",
            Failure::Method => "method_not_allowed",
            Failure::TooMany | Failure::Overloaded => "overloaded",
            Failure::Late => "timeout",
            Failure::Fault(_) => "infra_error",
            Failure::Upstream(_) => "upstream_error",
        }
    }

    fn message(&self) -> &str {
        match self {
            Failure::Malformed(text)
            | Failure::Unprocessable(text)
            | Failure::MediaType(text)
            | Failure::TooLarge(text)
            | Failure::NotFound(text)
            | Failure::Fault(text)
            | Failure::Upstream(text) => text,
            Failure::Slow => "the request did not come in time",
            Failure::Unauthorized => "give the server's token as `Authorization: Bearer …`",
            Failure::UnauthorizedBrowser => {
                "give the user codescaler, and the server's token as the password"
            }
            Failure::Method => "this route is not for this method",
            Failure::TooMany | Failure::Overloaded => "the queue is full: try again",
            Failure::Late => "there was no answer in time: try again",
        }
    }

    /// Says where in the request the key is that it complains of.
    pub(crate) fn within(self, place: &str) -> Failure {
        if let Failure::Unprocessable(text) = self {
            return Failure::Unprocessable(format!("{place}.{text}"));
        }
        self
    }

    /// As OpenAI, vLLM and SGLang have it.
    pub(crate) fn body(&self) -> Value {
        json!({"error": {
            "message": self.message(), "type": self.kind(), "code": self.status().as_u16(),
        }})
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response<Body> {
        let mut response = json_response(self.status(), &self.body());
        let headers = response.headers_mut();
        match self {
            Failure::Overloaded | Failure::TooMany | Failure::Late | Failure::Fault(_) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
            }
            Failure::Unauthorized => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Failure::UnauthorizedBrowser => {
                let basic = HeaderValue::from_static("Basic realm=\"codescaler\"");
                headers.insert(header::WWW_AUTHENTICATE, basic);
            }
            Failure::Slow => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Failure::Malformed(_)
            | Failure::Unprocessable(_)
            | Failure::MediaType(_)
            | Failure::TooLarge(_)
            | Failure::NotFound(_)
            | Failure::Method
            | Failure::Upstream(_) => {}
        }
        response
    }
}

/// An answer in JSON.
pub(crate) fn json_response(status: StatusCode, value: &impl serde::Serialize) -> Response<Body> {
    let body = serde_json::to_vec(value).expect("answers have nothing that JSON has not");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

//! Spans for OpenTelemetry: one for each request, sent in batches to a collector (OTLP over HTTP).
//!
//! A request that comes with a `traceparent` (W3C Trace Context) goes on with that trace. What is
//! lost when no collector listens is lost: nobody waits for it.

use std::{fmt, future::Future, pin::Pin, time::Duration};

use axum::http::{HeaderMap, Method};
use opentelemetry::{
    Context, KeyValue,
    propagation::TextMapPropagator as _,
    trace::{Span as _, SpanKind, Status, TraceId, Tracer as _, TracerProvider as _},
};
use opentelemetry_http::{Bytes, HeaderExtractor, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{SdkTracer, SdkTracerProvider, Span},
};
use tokio::runtime::{Builder, Runtime};

use crate::{connection, endpoint::base_url, server::ServerError};

/// How long a batch may take to be sent.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// Where spans begin and end.
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    propagator: TraceContextPropagator,
}

impl Traces {
    /// Spans for the collector at this address, such as `http://127.0.0.1:4318`.
    pub(crate) fn new(collector: &str) -> Result<Traces, ServerError> {
        let fail = |what: String| ServerError::Traces { collector: collector.to_owned(), what };
        let mut url = base_url(collector).map_err(|error| fail(error.to_string()))?;
        let http =
            connection::client((&url, collector), None).map_err(|error| fail(error.to_string()))?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["v1", "traces"]);
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("codescaler-traces")
            .enable_all()
            .build()
            .map_err(ServerError::Thread)?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Courier { http, runtime: Some(runtime) })
            .with_endpoint(url.as_str())
            .with_timeout(SEND_TIMEOUT)
            .build()
            .map_err(|error| fail(error.to_string()))?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = Resource::builder().with_service_name("codescaler").with_attribute(version);
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        let tracer = provider.tracer("codescaler");
        Ok(Traces { provider, tracer, propagator: TraceContextPropagator::new() })
    }

    /// A request has come.
    pub(crate) fn begin(&self, method: &Method, route: &str, headers: &HeaderMap) -> Span {
        let parent =
            self.propagator.extract_with_context(&Context::new(), &HeaderExtractor(headers));
        // The names of OpenTelemetry's semantic conventions for HTTP.
        let attributes = [
            KeyValue::new("http.request.method", method.to_string()),
            KeyValue::new("http.route", route.to_owned()),
        ];
        let span = self.tracer.span_builder(format!("{method} {route}"));
        span.with_kind(SpanKind::Server)
            .with_attributes(attributes)
            .start_with_context(&self.tracer, &parent)
    }

    /// It is answered.
    pub(crate) fn end(mut span: Span, status: u16) -> TraceId {
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
        if status >= 500 {
            span.set_status(Status::error(""));
        }
        span.span_context().trace_id()
    }

    /// Sends what is left.
    pub(crate) fn stop(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(SEND_TIMEOUT) {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// Sends batches on threads of its own, because whoever has them sent has no reactor.
struct Courier {
    http: reqwest::Client,
    /// There until it is dropped.
    runtime: Option<Runtime>,
}

impl Drop for Courier {
    fn drop(&mut self) {
        // The last owner may be a task, which must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Courier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Courier")
    }
}

type Sent<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>;

impl HttpClient for Courier {
    fn send_bytes<'a, 'b>(&'a self, request: Request<Bytes>) -> Sent<'b>
    where
        'a: 'b,
        Self: 'b,
    {
        let http = self.http.clone();
        let runtime = self.runtime.as_ref().expect("it is there until it is dropped");
        let sent = runtime.spawn(async move {
            let response = http.execute(request.try_into()?).await?;
            let mut answer = Response::builder().status(response.status());
            if let Some(headers) = answer.headers_mut() {
                headers.extend(response.headers().clone());
            }
            let body = connection::read(response).await?.unwrap_or_default();
            Ok::<_, HttpError>(answer.body(Bytes::from(body))?)
        });
        Box::pin(async move {
            let answer = sent.await?;
            if let Err(error) = &answer {
                tracing::warn!(%error, "spans were not sent");
            }
            answer
        })
    }
}

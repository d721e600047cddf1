//! What Prometheus reads.

use std::{fmt::Write as _, time::Duration};

use codescaler::execution::Verdict;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use crate::{scorers::Scorers, server::backend::Outcome};

/// Counters, gauges and histograms. Names are `codescaler_<thing>_<unit>`.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    request_seconds: Family<Route, Histogram>,
    items: Family<Item, Counter>,
    queue_items: Gauge,
    queue_bytes: Gauge,
    batch_items: Histogram,
    batch_seconds: Histogram,
    connections: Gauge,
    verdicts: Family<Run, Counter>,
    remote_in_rotation: Family<Remote, Gauge>,
    remote_tokens: Family<Remote, Gauge>,
    remote_requests: Family<Remote, Gauge>,
    remote_failures: Family<Remote, Gauge>,
    remote_cached: Gauge,
}

/// A remote scorer.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Remote {
    scorer: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Request {
    route: String,
    status: u32,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Item {
    outcome: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Run {
    verdict: String,
}

impl Metrics {
    pub(crate) fn new() -> Metrics {
        let mut registry = Registry::with_prefix("codescaler");
        let seconds = || Histogram::new(exponential_buckets(0.001, 2.0, 18));
        let request_seconds: Family<Route, Histogram> =
            Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 2.0, 18)));
        let metrics = Metrics {
            requests: Family::default(),
            request_seconds,
            items: Family::default(),
            queue_items: Gauge::default(),
            queue_bytes: Gauge::default(),
            batch_items: Histogram::new(exponential_buckets(1.0, 2.0, 12)),
            batch_seconds: seconds(),
            connections: Gauge::default(),
            verdicts: Family::default(),
            remote_in_rotation: Family::default(),
            remote_tokens: Family::default(),
            remote_requests: Family::default(),
            remote_failures: Family::default(),
            remote_cached: Gauge::default(),
            registry: Registry::default(),
        };
        registry.register("requests", "Requests by route and status", metrics.requests.clone());
        registry.register_with_unit(
            "request",
            "Time from a request's head to its answer",
            Unit::Seconds,
            metrics.request_seconds.clone(),
        );
        registry.register("items", "Items by what came of scoring them", metrics.items.clone());
        registry.register("queue_items", "Items that wait", metrics.queue_items.clone());
        registry.register_with_unit(
            "queue",
            "Texts that wait",
            Unit::Bytes,
            metrics.queue_bytes.clone(),
        );
        registry.register("batch_items", "Items of a batch", metrics.batch_items.clone());
        registry.register_with_unit(
            "batch",
            "Time to score a batch",
            Unit::Seconds,
            metrics.batch_seconds.clone(),
        );
        registry.register("connections", "Open connections", metrics.connections.clone());
        registry.register("verdicts", "Tests run, by verdict", metrics.verdicts.clone());
        for (name, help, gauge) in [
            ("in_rotation", "Whether a remote scorer is in rotation", &metrics.remote_in_rotation),
            ("outstanding_tokens", "Tokens that it has to read, estimated", &metrics.remote_tokens),
            ("answered_requests", "Requests that it answered", &metrics.remote_requests),
            ("failed_requests", "Requests that it failed", &metrics.remote_failures),
        ] {
            registry.register(format!("remote_{name}"), help, gauge.clone());
        }
        let help = "Scores of remote scorers that were known already";
        registry.register("remote_cached_items", help, metrics.remote_cached.clone());
        Metrics { registry, ..metrics }
    }

    /// Looks how remote scorers are.
    pub(crate) fn scorers(&self, scorers: &Scorers) {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.remote_cached.set(number(scorers.cached()));
        for state in scorers.states() {
            let remote = Remote { scorer: state.url };
            let set = |family: &Family<Remote, Gauge>, value| {
                family.get_or_create(&remote).set(value);
            };
            set(&self.remote_in_rotation, i64::from(state.fault.is_none()));
            set(&self.remote_tokens, number(state.outstanding_tokens));
            set(&self.remote_requests, number(state.answered));
            set(&self.remote_failures, number(state.failed));
        }
    }

    pub(crate) fn answered(&self, route: &str, status: u16, took: Duration) {
        let route = route.to_owned();
        let request = Request { route: route.clone(), status: u32::from(status) };
        self.requests.get_or_create(&request).inc();
        self.request_seconds.get_or_create(&Route { route }).observe(took.as_secs_f64());
    }

    pub(crate) fn waits(&self, items: usize, bytes: usize) {
        self.queue_items.set(i64::try_from(items).unwrap_or(i64::MAX));
        self.queue_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    pub(crate) fn judged(&self, outcome: &Outcome) {
        let outcome = match outcome {
            Outcome::Scored(_) => "ok",
            Outcome::Invalid(_) => "invalid",
            Outcome::TooLong(_) => "too_long",
            Outcome::Fault(_) => "infra_error",
        };
        self.items.get_or_create(&Item { outcome: outcome.to_owned() }).inc();
    }

    pub(crate) fn scored(&self, items: usize, took: Duration) {
        self.batch_items.observe(items as f64);
        self.batch_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn ran(&self, verdicts: &[Verdict]) {
        for verdict in verdicts {
            self.verdicts.get_or_create(&Run { verdict: verdict.name().to_owned() }).inc();
        }
    }

    pub(crate) fn connected(&self, by: i64) {
        self.connections.inc_by(by);
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            // Writing to a string does not fail.
            let _ = text.write_str("# incomplete\n");
        }
        text
    }
}

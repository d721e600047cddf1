//! Whether there is another attempt, and when.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use reqwest::header::HeaderMap;

use crate::endpoint::Retries;

/// How many further attempts a client makes, in percent of its calls, beside [`RETRY_FLOOR`]. So a
/// server in trouble sees hardly more requests than one that is well.
pub const RETRY_PERCENT_MAX: u64 = 20;

/// How many further attempts a client always has.
pub const RETRY_FLOOR: u64 = 10;

/// The further attempts of one client.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    calls: AtomicU64,
    retries: AtomicU64,
}

impl Budget {
    pub(crate) fn count_call(&self) {
        self.calls.fetch_add(1, Relaxed);
    }

    /// Takes one further attempt, if one is left.
    pub(crate) fn take(&self) -> bool {
        let retries_max = RETRY_FLOOR + self.calls.load(Relaxed) * RETRY_PERCENT_MAX / 100;
        self.retries.fetch_update(Relaxed, Relaxed, |n| (n < retries_max).then_some(n + 1)).is_ok()
    }
}

/// What may follow an attempt in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// The same request would fail in the same way.
    Never,
    /// Another attempt, after a wait of our choice.
    Backoff,
    /// Another attempt, not before this.
    After(Duration),
}

/// What a wait is drawn for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    pub(crate) ticket: u64,
    pub(crate) index: usize,
    /// How many attempts were in vain so far; from 1.
    pub(crate) tries: u32,
}

/// The wait before the next attempt; `None` when the server wants a longer one than we do.
pub(crate) fn wait(retries: &Retries, again: Again, draw: Draw) -> Option<Duration> {
    let told = match again {
        Again::Never => return None,
        Again::Backoff => Duration::ZERO,
        Again::After(told) => told,
    };
    let doubled = 1_u64 << (draw.tries - 1).min(32);
    let bound_ms = retries.first_wait_ms.saturating_mul(doubled).min(retries.wait_ms_max);
    // All who were told the same time should not come at the same time.
    (told <= Duration::from_millis(retries.retry_after_ms_max))
        .then(|| told + jitter(retries.seed, draw, bound_ms))
}

fn jitter(seed: u64, draw: Draw, bound_ms: u64) -> Duration {
    let parts = [draw.ticket, draw.index as u64, u64::from(draw.tries)];
    let drawn = parts.iter().fold(mix(seed), |state, part| mix(state ^ part));
    Duration::from_millis(drawn.checked_rem(bound_ms.saturating_add(1)).unwrap_or_default())
}

/// SplitMix64 (Steele, Lea, Flood 2014).
fn mix(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Whether and when a status allows another attempt.
pub(crate) fn after_status(code: u16, headers: &HeaderMap) -> Again {
    match code {
        408 | 409 | 425 | 429 | 500.. => told_wait(headers).map_or(Again::Backoff, Again::After),
        _ => Again::Never,
    }
}

/// The wait that the headers tell: in milliseconds, as some servers do, or in seconds. A date is
/// not read, since clocks differ.
fn told_wait(headers: &HeaderMap) -> Option<Duration> {
    let number = |name| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms").map(|ms| ms / 1e3).or_else(|| number("retry-after"))?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRIES: Retries = Retries {
        attempts_max: 9,
        first_wait_ms: 100,
        wait_ms_max: 1_000,
        retry_after_ms_max: 5_000,
        seed: 7,
    };

    fn draw(ticket: u64, tries: u32) -> Draw {
        Draw { ticket, index: 0, tries }
    }

    #[test]
    fn waits_fill_their_bounds_and_are_the_same_again() {
        for (tries, bound_ms) in [(1, 100), (2, 200), (4, 800), (5, 1_000), (90, 1_000)] {
            let wait_ms = |ticket| {
                let waited = wait(&RETRIES, Again::Backoff, draw(ticket, tries));
                u64::try_from(waited.expect("backoff always waits").as_millis()).unwrap()
            };
            let waits: Vec<u64> = (0..500).map(wait_ms).collect();
            assert_eq!(waits, (0..500).map(wait_ms).collect::<Vec<_>>());
            let longest = *waits.iter().max().unwrap();
            assert!(longest <= bound_ms && longest > bound_ms * 9 / 10, "{tries}: {longest}");
            assert!(*waits.iter().min().unwrap() < bound_ms / 10);
        }
    }

    #[test]
    fn a_told_wait_is_kept_or_too_long() {
        let told = |ms| wait(&RETRIES, Again::After(Duration::from_millis(ms)), draw(1, 1));
        assert!(told(5_000).is_some_and(|wait| wait >= Duration::from_millis(5_000)));
        assert_eq!(told(5_001), None);
        assert_eq!(wait(&RETRIES, Again::Never, draw(1, 1)), None);
    }

    #[test]
    fn headers_tell_waits() {
        let rows: [(&str, &str, Again); 6] = [
            ("retry-after", "2", Again::After(Duration::from_secs(2))),
            ("retry-after", "0.5", Again::After(Duration::from_millis(500))),
            ("retry-after-ms", "30", Again::After(Duration::from_millis(30))),
            ("retry-after", "-1", Again::Backoff),
            ("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT", Again::Backoff),
            ("x", "2", Again::Backoff),
        ];
        for (name, value, again) in rows {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            assert_eq!(after_status(429, &headers), again, "{name}: {value}");
            assert_eq!(after_status(401, &headers), Again::Never);
        }
    }

    #[test]
    fn the_budget_grows_with_calls() {
        let budget = Budget::default();
        let taken = |budget: &Budget| (0..100).filter(|_| budget.take()).count();
        assert_eq!(taken(&budget), 10);
        (0..10).for_each(|_| budget.count_call());
        assert_eq!(taken(&budget), 2);
    }
}

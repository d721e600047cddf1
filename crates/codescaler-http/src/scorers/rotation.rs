//! Whose turn it is: workers in rotation, and how much each has to do.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{sync::Notify, time};

/// Workers by their place in the list of URLs.
pub(crate) struct Rotation {
    workers: Mutex<Vec<Worker>>,
    /// Somebody has more room, or came or went.
    changed: Notify,
    in_flight_max: usize,
}

/// What is known of a worker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Worker {
    /// Why it gets nothing; `None` in rotation.
    pub(crate) fault: Option<String>,
    /// It asked to be left alone until then.
    paused_until: Option<Instant>,
    pub(crate) in_flight: usize,
    /// Estimated tokens of requests under way.
    pub(crate) outstanding_tokens: u64,
    /// Estimated tokens of all requests so far, by which ties are broken.
    pub(crate) sent_tokens: u64,
    pub(crate) answered: u64,
    pub(crate) failed: u64,
}

/// A place at a worker. What it has to do is given back when this is dropped.
pub(crate) struct Lease {
    rotation: Arc<Rotation>,
    pub(crate) worker: usize,
    tokens: u64,
}

enum Pick {
    Worker(usize),
    /// Nobody has room until then, or until something changes.
    Wait(Option<Instant>),
    /// Nobody is in rotation, for this reason.
    Nobody(String),
}

impl Rotation {
    /// All workers out of rotation.
    pub(crate) fn new(n: usize, in_flight_max: usize) -> Rotation {
        let worker = Worker { fault: Some("not asked yet".to_owned()), ..Worker::default() };
        let workers = Mutex::new(vec![worker; n]);
        Rotation { workers, changed: Notify::new(), in_flight_max }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Vec<Worker>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place at the worker with the least outstanding tokens that has room, rather one that was
    /// not `tried`; waits for room.
    ///
    /// # Errors
    /// When nobody is in rotation, with the reason of one.
    pub(crate) async fn lease(
        self: &Arc<Self>,
        tokens: u64,
        tried: &[usize],
    ) -> Result<Lease, String> {
        loop {
            // Made before looking, so that no change is missed.
            let changed = self.changed.notified();
            match self.pick(tokens, tried) {
                Pick::Worker(worker) => {
                    return Ok(Lease { rotation: Arc::clone(self), worker, tokens });
                }
                Pick::Wait(None) => changed.await,
                Pick::Wait(Some(until)) => {
                    // Both ends of the wait lead to another look.
                    let _ = time::timeout_at(until.into(), changed).await;
                }
                Pick::Nobody(why) => return Err(why),
            }
        }
    }

    fn pick(&self, tokens: u64, tried: &[usize]) -> Pick {
        let mut workers = self.lock();
        let now = Instant::now();
        let mut places: Vec<usize> =
            (0..workers.len()).filter(|&at| workers[at].fault.is_none()).collect();
        if places.is_empty() {
            let why = workers.iter().find_map(|worker| worker.fault.clone());
            return Pick::Nobody(why.unwrap_or_default());
        }
        if places.iter().any(|at| !tried.contains(at)) {
            places.retain(|at| !tried.contains(at));
        }
        let is_paused = |worker: &Worker| worker.paused_until.is_some_and(|until| until > now);
        let free = places
            .iter()
            .copied()
            .filter(|&at| !is_paused(&workers[at]) && workers[at].in_flight < self.in_flight_max);
        let least =
            free.min_by_key(|&at| (workers[at].outstanding_tokens, workers[at].sent_tokens));
        let Some(least) = least else {
            let paused = places.iter().filter(|&&at| is_paused(&workers[at]));
            return Pick::Wait(paused.filter_map(|&at| workers[at].paused_until).min());
        };
        let worker = &mut workers[least];
        worker.in_flight += 1;
        worker.outstanding_tokens += tokens;
        worker.sent_tokens += tokens;
        Pick::Worker(least)
    }

    /// Puts a worker into rotation, or takes it out for a reason.
    pub(crate) fn set(&self, at: usize, fault: Option<String>) {
        self.lock()[at].fault = fault;
        self.changed.notify_waiters();
    }

    /// Leaves a worker alone for a while.
    pub(crate) fn pause(&self, at: usize, wait: Duration) {
        self.lock()[at].paused_until = Instant::now().checked_add(wait);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut workers = self.rotation.lock();
        let worker = &mut workers[self.worker];
        worker.in_flight -= 1;
        worker.outstanding_tokens -= self.tokens;
        drop(workers);
        self.rotation.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotation(n: usize, in_flight_max: usize) -> Arc<Rotation> {
        let rotation = Arc::new(Rotation::new(n, in_flight_max));
        (0..n).for_each(|at| rotation.set(at, None));
        rotation
    }

    fn block<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime").block_on(future)
    }

    #[test]
    fn the_least_loaded_is_next_and_load_is_given_back() {
        let rotation = rotation(3, 9);
        block(async {
            let lease =
                async |tokens, tried: &[usize]| rotation.lease(tokens, tried).await.unwrap();
            let (a, b, c) = (lease(50, &[]).await, lease(10, &[]).await, lease(30, &[]).await);
            assert_eq!([a.worker, b.worker, c.worker], [0, 1, 2]);
            let d = lease(30, &[]).await;
            assert_eq!(d.worker, 1, "10 are less than 50 and 30");
            assert_eq!(lease(1, &[]).await.worker, 2, "30 are less than 50 and 40");
            assert_eq!(lease(1, &[1, 2]).await.worker, 0, "the others were tried");
            assert_eq!(lease(1, &[0, 1, 2]).await.worker, 2, "all were tried");
            drop((a, b, c, d));
            assert!(rotation.lock().iter().all(|w| (w.outstanding_tokens, w.in_flight) == (0, 0)));
            assert_eq!(lease(1, &[]).await.worker, 2, "whoever was sent least breaks ties");
        });
    }

    #[test]
    fn nobody_is_an_error_and_full_is_a_wait() {
        let rotation = rotation(2, 1);
        block(async {
            rotation.set(1, Some("it burns".to_owned()));
            let held = rotation.lease(5, &[]).await.unwrap();
            assert_eq!(held.worker, 0);
            let soon = Duration::from_millis(20);
            assert!(time::timeout(soon, rotation.lease(5, &[])).await.is_err(), "there is no room");
            let (next, ()) = tokio::join!(rotation.lease(5, &[]), async { drop(held) });
            assert_eq!(next.unwrap().worker, 0);
            rotation.pause(0, soon);
            let since = Instant::now();
            assert_eq!(rotation.lease(5, &[]).await.unwrap().worker, 0);
            assert!(since.elapsed() >= soon);
            rotation.set(0, Some("gone".to_owned()));
            assert_eq!(rotation.lease(5, &[]).await.err().as_deref(), Some("gone"));
        });
    }
}

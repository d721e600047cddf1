//! From requests to batches and back: one queue before the one who scores.

use std::{
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
    time::Instant,
};

use tokio::{sync::oneshot, time};

use crate::server::{
    backend::{Ask, Backend, Judgement, Outcome},
    metrics::Metrics,
    queue::{Bounds, Queue, Waiting},
};

/// So many batches in a row without a single score mean that the scorer is dead.
const FAILED_BATCHES_MAX: u32 = 3;

/// Takes items of requests, and gives them to the backend in batches. Batches form while the one
/// before is computed: an idle desk lets nobody wait.
pub(crate) struct Desk {
    shared: Arc<Shared>,
    workers: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    backend: Arc<dyn Backend>,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
    arrived: Condvar,
    failed_batches: AtomicU32,
}

struct State {
    queue: Queue<Ticket>,
    is_closed: bool,
}

struct Ticket {
    ask: Ask,
    deadline: Instant,
    reply: oneshot::Sender<Judgement>,
}

/// There is no room for a request.
#[derive(Debug)]
pub(crate) struct Full;

impl Desk {
    pub(crate) fn open(
        backend: Arc<dyn Backend>,
        metrics: Arc<Metrics>,
        bounds: Bounds,
    ) -> std::io::Result<Desk> {
        let shared = Arc::new(Shared {
            backend,
            metrics,
            state: Mutex::new(State { queue: Queue::new(bounds), is_closed: false }),
            arrived: Condvar::new(),
            failed_batches: AtomicU32::new(0),
        });
        let desk = Desk { shared, workers: Mutex::default() };
        for _ in 0..desk.shared.backend.about().batches.max(1) {
            let shared = Arc::clone(&desk.shared);
            let worker = thread::Builder::new().name("scorer".to_owned());
            desk.lock_workers().push(worker.spawn(move || shared.work())?);
        }
        Ok(desk)
    }

    fn lock_workers(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One judgement per item, in order. What is not known at the deadline is a fault. Dropping the
    /// future lets go of the items.
    pub(crate) async fn score(
        &self,
        asks: Vec<Ask>,
        deadline: Instant,
    ) -> Result<Vec<Judgement>, Full> {
        let (mut waiting, mut replies) = (Vec::new(), Vec::new());
        for ask in asks {
            let (reply, receiver) = oneshot::channel();
            let (shared_bytes, own_bytes) = ask.bytes();
            waiting.push(Waiting {
                group: ask.group(),
                shared_bytes,
                own_bytes,
                item: Ticket { ask, deadline, reply },
            });
            replies.push(receiver);
        }
        self.shared.admit(waiting)?;
        let late = time::sleep_until(deadline.into());
        tokio::pin!(late);
        let mut judgements = Vec::with_capacity(replies.len());
        for mut reply in replies {
            judgements.push(tokio::select! {
                biased;
                judgement = &mut reply => judgement.unwrap_or_else(|_| failed("the scorer failed")),
                () = &mut late => reply.try_recv().unwrap_or_else(|_| failed("timeout")),
            });
        }
        Ok(judgements)
    }

    /// Whether scores come out.
    pub(crate) fn is_alive(&self) -> bool {
        self.shared.failed_batches.load(Ordering::Relaxed) < FAILED_BATCHES_MAX
    }

    /// How many items wait, and bytes of text.
    pub(crate) fn load(&self) -> (usize, usize) {
        let state = self.shared.lock();
        (state.queue.len(), state.queue.bytes())
    }

    /// Finishes what waits, then ends the workers.
    pub(crate) fn close(&self) {
        self.shared.lock().is_closed = true;
        self.shared.arrived.notify_all();
        let workers = std::mem::take(&mut *self.lock_workers());
        for worker in workers {
            // A worker that panicked has said so.
            let _ = worker.join();
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.close();
    }
}

fn failed(why: &str) -> Judgement {
    Judgement::of(Outcome::Fault(why.to_owned()))
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self, waiting: Vec<Waiting<Ticket>>) -> Result<(), Full> {
        let mut state = self.lock();
        if state.is_closed || !state.queue.push_all(waiting) {
            return Err(Full);
        }
        self.metrics.waits(state.queue.len(), state.queue.bytes());
        self.arrived.notify_all();
        Ok(())
    }

    fn work(&self) {
        while let Some(batch) = self.next_batch() {
            self.score(batch);
        }
    }

    /// The next batch; `None` when there will be none.
    fn next_batch(&self) -> Option<Vec<Ticket>> {
        let mut state = self.lock();
        loop {
            let batch = state.queue.take(self.backend.about().batch_bytes);
            if !batch.is_empty() {
                self.metrics.waits(state.queue.len(), state.queue.bytes());
                return Some(batch);
            }
            if state.is_closed {
                return None;
            }
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn score(&self, batch: Vec<Ticket>) {
        let now = Instant::now();
        // Nobody waits for what is late or was let go of.
        let is_wanted = |ticket: &Ticket| !ticket.reply.is_closed() && ticket.deadline > now;
        let until = batch.iter().filter(|ticket| is_wanted(ticket)).map(|t| t.deadline).max();
        let (asks, mut replies): (Vec<Ask>, Vec<Option<oneshot::Sender<Judgement>>>) = batch
            .into_iter()
            .filter(is_wanted)
            .map(|ticket| (ticket.ask, Some(ticket.reply)))
            .unzip();
        if asks.is_empty() {
            return;
        }
        let asks: Vec<&Ask> = asks.iter().collect();
        let until = until.expect("there are items");
        let (mut open, mut is_counted) = (asks.len(), false);
        // Counted before the last reply, so that whoever has it finds `/health` to agree.
        let fails = || {
            self.failed_batches.fetch_add(1, Ordering::Relaxed);
            tracing::error!(items = asks.len(), "a batch has no score at all");
        };
        let mut give = |place: usize, judgement: Judgement| {
            self.metrics.judged(&judgement.outcome);
            if !matches!(judgement.outcome, Outcome::Fault(_)) {
                self.failed_batches.store(0, Ordering::Relaxed);
                is_counted = true;
            } else if open == 1 && !is_counted {
                fails();
                is_counted = true;
            }
            if let Some(reply) = replies[place].take() {
                // The client may have gone meanwhile.
                let _ = reply.send(judgement);
                open -= 1;
            }
            if open == 0 || replies.iter().flatten().all(oneshot::Sender::is_closed) {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        };
        // A panic has been told; the items that it left are faults.
        let _ = catch_unwind(AssertUnwindSafe(|| self.backend.score(&asks, until, &mut give)));
        if !is_counted {
            fails();
        }
        self.metrics.scored(asks.len(), now.elapsed());
        // Replies that are left are dropped here: who waits for them is told of a fault.
    }
}

//! The client: tickets in, replies out, everything between on one thread.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
    task::AbortHandle,
};

use crate::{
    capabilities::Capabilities,
    chat::{ChatError, ChatRequest, Reply},
    endpoint::{ClientError, Endpoint},
    lane::Lane,
    retry::Budget,
};

/// Asks endpoints for chat completions. Can be shared between threads. Dropping it lets go of
/// everything that is under way.
pub struct Client {
    lanes: Vec<Arc<Lane>>,
    desk: Arc<Desk>,
    handle: Handle,
    /// The thread ends when this is dropped.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// Where tickets are handed in and replies are handed out.
#[derive(Default)]
struct Desk {
    tickets: Mutex<Tickets>,
    arrived: Condvar,
}

#[derive(Default)]
struct Tickets {
    /// Tickets that nobody received or cancelled yet.
    pending: BTreeMap<u64, Pending>,
    /// Replies in order; one is void when its submission is not pending any more.
    replies: VecDeque<(u64, u64, Result<Reply, ChatError>)>,
    submissions: u64,
}

struct Pending {
    /// Tells apart submissions under the same ticket.
    submission: u64,
    task: AbortHandle,
}

impl Tickets {
    fn is_pending(&self, ticket: u64, submission: u64) -> bool {
        self.pending.get(&ticket).is_some_and(|pending| pending.submission == submission)
    }

    fn next(&mut self) -> Option<(u64, Result<Reply, ChatError>)> {
        while let Some((ticket, submission, result)) = self.replies.pop_front() {
            if self.is_pending(ticket, submission) {
                self.pending.remove(&ticket);
                return Some((ticket, result));
            }
        }
        None
    }
}

impl Desk {
    fn tickets(&self) -> MutexGuard<'_, Tickets> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand_out(&self, ticket: u64, submission: u64, result: Result<Reply, ChatError>) {
        let mut tickets = self.tickets();
        if tickets.is_pending(ticket, submission) {
            tickets.replies.push_back((ticket, submission, result));
            self.arrived.notify_all();
        }
    }
}

impl Client {
    /// A client for these endpoints, which are named by their place in the list.
    ///
    /// # Errors
    /// When an endpoint can never be asked, or the machine gives no thread.
    pub fn new(endpoints: Vec<Endpoint>) -> Result<Self, ClientError> {
        let budget = Arc::new(Budget::default());
        let lanes = endpoints
            .into_iter()
            .map(|endpoint| Lane::new(endpoint, Arc::clone(&budget)).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()?;
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(ClientError::Thread)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new()
            .name("codescaler-http".to_owned())
            .spawn(move || {
                // An error is what the dropped sender sends.
                let _ = runtime.block_on(stopped);
                // Does not wait for a name that is being looked up.
                runtime.shutdown_background();
            })
            .map_err(ClientError::Thread)?;
        let desk = Arc::new(Desk::default());
        Ok(Client { lanes, desk, handle, stop: Some(stop), thread: Some(thread) })
    }

    /// Queues a request under a ticket. Never waits; the queue has no bound but what is submitted.
    /// A request that is pending under the same ticket is cancelled.
    ///
    /// # Panics
    /// When there is no such endpoint.
    pub fn submit(&self, endpoint: usize, ticket: u64, request: ChatRequest) {
        let lane = self.lane(endpoint);
        let desk = Arc::clone(&self.desk);
        // Held until the ticket is pending, so that its reply cannot come before it.
        let mut tickets = self.desk.tickets();
        tickets.submissions += 1;
        let submission = tickets.submissions;
        let task = self.handle.spawn(async move {
            let result = lane.answer(ticket, request).await;
            desk.hand_out(ticket, submission, result);
        });
        let pending = Pending { submission, task: task.abort_handle() };
        if let Some(former) = tickets.pending.insert(ticket, pending) {
            former.task.abort();
        }
    }

    /// Lets go of a request, queued, under way or answered: no reply comes for it any more. A
    /// connection that it has is closed, so that the server stops generating.
    pub fn cancel(&self, ticket: u64) {
        if let Some(pending) = self.desk.tickets().pending.remove(&ticket) {
            pending.task.abort();
        }
    }

    /// The next reply; `None` when none came in this time.
    #[must_use]
    pub fn receive(&self, wait: Duration) -> Option<(u64, Result<Reply, ChatError>)> {
        // A wait beyond all clocks is one without end.
        let deadline = Instant::now().checked_add(wait);
        let mut tickets = self.desk.tickets();
        loop {
            if let Some(next) = tickets.next() {
                return Some(next);
            }
            let left = match deadline {
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
                None => Duration::MAX,
            };
            if left.is_zero() {
                return None;
            }
            let woken = self.desk.arrived.wait_timeout(tickets, left);
            tickets = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// How many tickets were submitted and neither received nor cancelled.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.desk.tickets().pending.len()
    }

    /// The names under which an endpoint serves language models, if it says so. Waits for the
    /// answer, at most ten seconds.
    ///
    /// # Errors
    /// When nobody answers, or the key is refused.
    ///
    /// # Panics
    /// When there is no such endpoint.
    pub fn names(&self, endpoint: usize) -> Result<Option<Vec<String>>, ChatError> {
        let lane = self.lane(endpoint);
        let (answer, answered) = mpsc::channel();
        self.handle.spawn(async move {
            // Whoever asked is gone when nobody listens.
            let _ = answer.send(lane.names().await);
        });
        answered.recv().expect("the thread lives as long as the client")
    }

    /// What is known about an endpoint by now.
    ///
    /// # Panics
    /// When there is no such endpoint.
    #[must_use]
    pub fn capabilities(&self, endpoint: usize) -> Capabilities {
        *self.lane(endpoint).capabilities()
    }

    fn lane(&self, endpoint: usize) -> Arc<Lane> {
        let n_lanes = self.lanes.len();
        assert!(endpoint < n_lanes, "endpoint {endpoint} of {n_lanes}");
        Arc::clone(&self.lanes[endpoint])
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

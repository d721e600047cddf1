//! Who may run now: a number of slots, a bounded queue before them, and a lane for one alone.

use std::{
    sync::{Condvar, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use codescaler::execution::{Fault, FaultKind};

/// A number of places that are used by one caller at a time.
pub(crate) struct Slots<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    n_slots: usize,
    waiting_max: usize,
}

struct State<T> {
    free: Vec<T>,
    n_waiting: usize,
    /// Whether someone wants to be alone, or is: no other begins.
    closed: bool,
}

/// How long a caller waits for its turn.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Patience {
    /// As long as it takes.
    Endless,
    /// At most this long, and only if not too many wait already.
    Until(Instant),
}

impl Patience {
    pub(crate) fn of(patience: Duration) -> Patience {
        Patience::Until(Instant::now() + patience)
    }
}

impl<T> Slots<T> {
    /// Slots, before which `waiting_max` callers with bounded patience may wait.
    pub(crate) fn new(slots: Vec<T>, waiting_max: usize) -> Slots<T> {
        let n_slots = slots.len();
        let state = Mutex::new(State { free: slots, n_waiting: 0, closed: false });
        Slots { state, changed: Condvar::new(), n_slots, waiting_max }
    }

    /// A free slot.
    ///
    /// # Errors
    /// Too many wait already, or none came free in time.
    pub(crate) fn take(&self, patience: Patience) -> Result<T, Fault> {
        let mut state = self.lock();
        let is_ready = |state: &State<T>| !state.closed && !state.free.is_empty();
        if !is_ready(&state) {
            if state.n_waiting >= self.waiting_max && matches!(patience, Patience::Until(_)) {
                return Err(Fault {
                    kind: FaultKind::Overload,
                    message: format!("busy: {} programs wait already", state.n_waiting),
                });
            }
            state.n_waiting += 1;
            while !is_ready(&state) {
                let left = match patience {
                    Patience::Endless => Duration::MAX,
                    Patience::Until(deadline) => deadline.saturating_duration_since(Instant::now()),
                };
                if left.is_zero() {
                    state.n_waiting -= 1;
                    return Err(Fault {
                        kind: FaultKind::Cancelled,
                        message: "no slot came free in time".to_owned(),
                    });
                }
                state = self.wait(state, left);
            }
            state.n_waiting -= 1;
        }
        Ok(state.free.pop().expect("one is free"))
    }

    /// Ends the use of a slot.
    pub(crate) fn give_back(&self, slot: T) {
        self.lock().free.push(slot);
        self.changed.notify_all();
    }

    /// Runs `work` while no other slot is used; the caller holds none.
    pub(crate) fn alone<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let mut state = self.lock();
        while state.closed {
            state = self.wait(state, Duration::MAX);
        }
        state.closed = true;
        while state.free.len() < self.n_slots {
            state = self.wait(state, Duration::MAX);
        }
        let mut slot = state.free.pop().expect("all are free");
        drop(state);
        let result = work(&mut slot);
        let mut state = self.lock();
        state.free.push(slot);
        state.closed = false;
        drop(state);
        self.changed.notify_all();
        result
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().expect("no thread panics while it holds the slots")
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State<T>>,
        patience: Duration,
    ) -> MutexGuard<'a, State<T>> {
        // A century is as good as endless, and no platform's clock overflows.
        let patience = patience.min(Duration::from_secs(3 << 30));
        let waited = self.changed.wait_timeout(state, patience);
        waited.expect("no thread panics while it holds the slots").0
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    use super::*;

    #[test]
    fn nobody_else_runs_beside_one_alone() {
        let slots = Slots::new(vec![(); 3], 0);
        let n_running = AtomicUsize::new(0);
        thread::scope(|scope| {
            for index in 0..24 {
                let (slots, n_running) = (&slots, &n_running);
                scope.spawn(move || {
                    let pause = || thread::sleep(Duration::from_millis(2));
                    if index % 4 == 0 {
                        slots.alone(|()| {
                            assert_eq!(n_running.fetch_add(1, Ordering::SeqCst), 0);
                            pause();
                            assert_eq!(n_running.fetch_sub(1, Ordering::SeqCst), 1);
                        });
                    } else {
                        slots.take(Patience::Endless).unwrap();
                        assert!(n_running.fetch_add(1, Ordering::SeqCst) < 3);
                        pause();
                        n_running.fetch_sub(1, Ordering::SeqCst);
                        slots.give_back(());
                    }
                });
            }
        });
        assert_eq!(slots.lock().free.len(), 3);
    }

    #[test]
    fn patience_ends_and_the_queue_is_bounded() {
        let kind = |slots: &Slots<()>, patience| slots.take(patience).unwrap_err().kind;
        let full = Slots::new(vec![()], 0);
        full.take(Patience::of(Duration::ZERO)).unwrap();
        assert_eq!(kind(&full, Patience::of(Duration::from_secs(60))), FaultKind::Overload);
        let slots = Slots::new(vec![()], 1);
        slots.take(Patience::Endless).unwrap();
        assert_eq!(kind(&slots, Patience::of(Duration::from_millis(5))), FaultKind::Cancelled);
        slots.give_back(());
        slots.take(Patience::of(Duration::ZERO)).unwrap();
    }
}

//! Work that threads share.

#![expect(unsafe_code, reason = "helpers that outlive what they help with")]

use std::any::Any;
use std::hint;
use std::panic::{self, AssertUnwindSafe};
use std::process;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{self, Thread};

/// How often a helper looks for work before it sleeps: a few times the pause between two products.
/// To wake it takes longer than most of them.
const LOOKS: u32 = 20_000;

/// Calls `work` for every item, on as many threads as there are `scratches`, the calling one
/// included. Items are handed out in order; which thread gets which is left to chance, so a
/// result must depend on its item alone.
///
/// The other threads are the process's helpers, who wait for the next call; where they are busy, or
/// this process is a fork that they did not come along with, threads of this call.
pub(crate) fn for_each<S: Send, T: Send>(
    scratches: &mut [S],
    items: impl ExactSizeIterator<Item = T> + Send,
    work: impl Fn(&mut S, T) + Sync,
) {
    let threads = scratches.len().min(items.len());
    let queue = Mutex::new(items);
    let next = || queue.lock().expect("taking an item does not panic").next();
    let scratches = Mutex::new(scratches.iter_mut());
    let run = || {
        let scratch = scratches.lock().expect("taking a scratch does not panic").next();
        let scratch = scratch.expect("as many scratches as threads");
        while let Some(item) = next() {
            work(scratch, item);
        }
    };
    let Some(helpers) = threads.checked_sub(1) else { return };
    if helpers == 0 {
        return run();
    }
    static CREW: Mutex<Option<Crew>> = Mutex::new(None);
    // Not waited for: a fork's copy may be held for ever.
    let crew = match CREW.try_lock() {
        Ok(crew) => Some(crew),
        Err(TryLockError::Poisoned(crew)) => Some(crew.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    };
    if let Some(mut crew) = crew {
        let crew = crew.get_or_insert_with(Crew::new);
        if crew.process == process::id() {
            return crew.run(helpers, &run);
        }
    }
    thread::scope(|scope| {
        for _ in 0..helpers {
            scope.spawn(run);
        }
        run();
    });
}

/// Threads that wait for work.
struct Crew {
    /// Where they are.
    process: u32,
    helpers: Vec<(Arc<Post>, Thread)>,
}

/// Where a helper is told what to do.
struct Post {
    /// [`IDLE`], [`CALLED`] or [`DONE`].
    state: AtomicU8,
    task: Mutex<Option<Task>>,
    /// How it ended, when it did not end well.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

const IDLE: u8 = 0;
const CALLED: u8 = 1;
const DONE: u8 = 2;

/// What a helper does once. Whoever calls it stays until it is done.
#[derive(Clone, Copy)]
struct Task(*const (dyn Fn() + Sync));

// SAFETY: what it points to may be called from any thread, being `Sync`, and is there until the
// helper is done: `Crew::run` does not return, nor unwind, before.
unsafe impl Send for Task {}

impl Crew {
    fn new() -> Self {
        Self { process: process::id(), helpers: Vec::new() }
    }

    /// Calls `run` on so many helpers and here, and returns when all have returned.
    fn run(&mut self, helpers: usize, run: &(dyn Fn() + Sync)) {
        while self.helpers.len() < helpers {
            let post = Arc::new(Post {
                state: AtomicU8::new(IDLE),
                task: Mutex::new(None),
                panic: Mutex::new(None),
            });
            let own = post.clone();
            let helper = thread::Builder::new().name("codescaler-nn".to_owned());
            let helper = helper.spawn(move || own.wait()).expect("a thread can be started");
            self.helpers.push((post, helper.thread().clone()));
        }
        let called = &self.helpers[..helpers];
        // SAFETY: only the lifetime changes; see `Task`.
        let task = Task(unsafe {
            std::mem::transmute::<*const (dyn Fn() + Sync), *const (dyn Fn() + Sync + 'static)>(run)
        });
        for (post, thread) in called {
            *lock(&post.task) = Some(task);
            post.state.store(CALLED, Ordering::Release);
            thread.unpark();
        }
        // A panic waits for the helpers, too.
        let mut panicked = panic::catch_unwind(AssertUnwindSafe(run)).err();
        for (post, _) in called {
            post.await_done();
            panicked = panicked.or(lock(&post.panic).take());
        }
        if let Some(panicked) = panicked {
            panic::resume_unwind(panicked);
        }
    }
}

impl Post {
    /// The life of a helper.
    fn wait(&self) {
        loop {
            let mut looks = 0;
            while self.state.load(Ordering::Acquire) != CALLED {
                looks += 1;
                if looks < LOOKS { hint::spin_loop() } else { thread::park() }
            }
            let task = lock(&self.task).take();
            if let Some(Task(task)) = task {
                // SAFETY: see `Task`.
                let done = panic::catch_unwind(AssertUnwindSafe(|| unsafe { (*task)() }));
                *lock(&self.panic) = done.err();
            }
            self.state.store(DONE, Ordering::Release);
        }
    }

    fn await_done(&self) {
        let mut looks = 0;
        while self.state.load(Ordering::Acquire) != DONE {
            looks += 1;
            if looks < LOOKS { hint::spin_loop() } else { thread::yield_now() }
        }
        self.state.store(IDLE, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every item is worked on once, with a scratch that nobody else has.
    #[track_caller]
    fn check(threads: usize, items: usize) {
        let mut scratches = vec![0_usize; threads];
        let done: Vec<_> = (0..items).map(|_| AtomicU8::new(0)).collect();
        for_each(&mut scratches, done.iter(), |scratch, item| {
            *scratch += 1;
            item.fetch_add(1, Ordering::Relaxed);
        });
        assert!(done.iter().all(|item| item.load(Ordering::Relaxed) == 1));
        assert_eq!(scratches.iter().sum::<usize>(), items);
    }

    #[test]
    fn items_are_shared_out() {
        for (threads, items) in [(0, 0), (1, 5), (2, 0), (2, 1), (3, 100), (8, 3)] {
            check(threads, items);
        }
        // Within work, and from several threads, helpers are busy.
        for_each(&mut [(); 3], 0..6, |(), _| check(2, 10));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..50).for_each(|_| check(3, 20)));
            }
        });
    }

    #[test]
    fn a_panic_comes_back_and_the_next_call_works() {
        for broken in 0..4 {
            let caught = panic::catch_unwind(|| {
                for_each(&mut [(); 3], 0..4, |(), item| assert_ne!(item, broken, "on purpose"));
            });
            assert!(caught.is_err());
            check(3, 10);
        }
    }
}

//! What was made once and may be used again: results by the content of their job.

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard},
};

/// The content that something was made from: a digest of all of it (BLAKE3, 256 bits).
pub(crate) type Key = [u8; 32];

/// Keeps what was made last, up to a number of bytes, and makes nothing twice at the same time:
/// who asks for what is being made waits for it.
pub(crate) struct Cache<T> {
    inner: Mutex<Inner<T>>,
    changed: Condvar,
    bytes_max: usize,
}

struct Inner<T> {
    places: BTreeMap<Key, Place<T>>,
    /// Keys of finished things by the time of their last use.
    by_use: BTreeMap<u64, Key>,
    n_uses: u64,
    n_bytes: usize,
}

enum Place<T> {
    /// Somebody is at it.
    Underway,
    Done {
        thing: Arc<T>,
        n_bytes: usize,
        used: u64,
    },
}

impl<T> Cache<T> {
    pub(crate) fn new(bytes_max: usize) -> Cache<T> {
        let (places, by_use) = (BTreeMap::new(), BTreeMap::new());
        let inner = Mutex::new(Inner { places, by_use, n_uses: 0, n_bytes: 0 });
        Cache { inner, changed: Condvar::new(), bytes_max }
    }

    /// What was made for `key`, or what `make` makes now, with its size in bytes; and whether it
    /// was there before. What cannot be made is not kept: the next who asks tries again.
    pub(crate) fn get_or_make<E>(
        &self,
        key: Key,
        make: impl FnOnce() -> Result<(T, usize), E>,
    ) -> Result<(Arc<T>, bool), E> {
        let mut inner = self.lock();
        loop {
            match inner.places.get(&key) {
                Some(Place::Done { .. }) => return Ok((inner.take(key), true)),
                Some(Place::Underway) => {
                    inner = self.changed.wait(inner).expect("no thread panics while it holds it");
                }
                None => break,
            }
        }
        inner.places.insert(key, Place::Underway);
        drop(inner);
        let underway = Underway { cache: self, key };
        let (thing, n_bytes) = make()?;
        let thing = Arc::new(thing);
        let mut inner = self.lock();
        inner.put(key, &thing, n_bytes, self.bytes_max);
        drop(inner);
        drop(underway);
        Ok((thing, false))
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().expect("no thread panics while it holds it")
    }
}

impl<T> Inner<T> {
    /// Something finished, which is used now.
    fn take(&mut self, key: Key) -> Arc<T> {
        self.n_uses += 1;
        let Some(Place::Done { thing, used, .. }) = self.places.get_mut(&key) else {
            unreachable!("the caller saw that it is done")
        };
        self.by_use.remove(used);
        self.by_use.insert(self.n_uses, key);
        *used = self.n_uses;
        Arc::clone(thing)
    }

    /// Keeps something, and drops what was not used for the longest time until all fits.
    fn put(&mut self, key: Key, thing: &Arc<T>, n_bytes: usize, bytes_max: usize) {
        self.n_uses += 1;
        self.n_bytes += n_bytes;
        self.by_use.insert(self.n_uses, key);
        let place = Place::Done { thing: Arc::clone(thing), n_bytes, used: self.n_uses };
        self.places.insert(key, place);
        while self.n_bytes > bytes_max {
            let Some((_, oldest)) = self.by_use.pop_first() else { return };
            if let Some(Place::Done { n_bytes, .. }) = self.places.remove(&oldest) {
                self.n_bytes -= n_bytes;
            }
        }
    }
}

/// Ends the wait of others, however the making ended.
struct Underway<'a, T> {
    cache: &'a Cache<T>,
    key: Key,
}

impl<T> Drop for Underway<'_, T> {
    fn drop(&mut self) {
        let mut inner = self.cache.lock();
        if let Some(Place::Underway) = inner.places.get(&self.key) {
            inner.places.remove(&self.key);
        }
        drop(inner);
        self.cache.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        thread,
        time::Duration,
    };

    use super::*;

    fn key(n: u8) -> Key {
        [n; 32]
    }

    /// Asks for keys in turn, each thing ten bytes; the keys that had to be made.
    #[track_caller]
    fn check(bytes_max: usize, asked: &[u8], expected: &[u8]) {
        let cache = Cache::new(bytes_max);
        let mut made = Vec::new();
        for n in asked {
            let make = || {
                made.push(*n);
                Ok::<_, ()>((*n, 10))
            };
            assert_eq!(*cache.get_or_make(key(*n), make).unwrap().0, *n);
        }
        assert_eq!(made, expected);
        assert!(cache.lock().n_bytes <= bytes_max);
    }

    #[test]
    fn what_was_used_last_is_kept() {
        check(100, &[1, 2, 1, 2, 1], &[1, 2]);
        check(20, &[1, 2, 1, 3, 1, 2], &[1, 2, 3, 2]);
        check(10, &[1, 2, 1], &[1, 2, 1]);
        check(9, &[1, 1], &[1, 1]);
    }

    #[test]
    fn what_fails_is_tried_again() {
        let cache: Cache<u8> = Cache::new(100);
        assert_eq!(cache.get_or_make(key(1), || Err("no")), Err("no"));
        assert_eq!(*cache.get_or_make(key(1), || Ok::<_, ()>((7, 1))).unwrap().0, 7);
    }

    #[test]
    fn what_is_underway_is_waited_for() {
        let (cache, n_made) = (Cache::new(100), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let make = || {
                        thread::sleep(Duration::from_millis(20));
                        n_made.fetch_add(1, Ordering::Relaxed);
                        Ok::<_, ()>((5, 1))
                    };
                    assert_eq!(*cache.get_or_make(key(1), make).unwrap().0, 5);
                });
            }
        });
        assert_eq!(n_made.into_inner(), 1);
    }
}

//! Processes that wait for each other share a core.
//!
//! A program and its tester talk call by call; a program that forks per test, and who watches it,
//! take turns, too. One of them works, never two, and to wake another core costs more than most
//! calls do: a quarter of the time of a solution with asserts (LOG.md, 2026-11-21).

use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::{
    process::Pid,
    thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity},
};

use crate::zygote::Process;

/// How many conversations each core of this machine holds now.
pub(crate) struct Cores(Vec<AtomicUsize>);

impl Cores {
    pub(crate) fn new() -> Cores {
        Cores((0..CpuSet::MAX_CPU).map(|_| AtomicUsize::new(0)).collect())
    }

    /// Brings this thread to one of the cores that it may use: the one it is on, unless another
    /// holds fewer conversations. `None` where there is no choice.
    pub(crate) fn share(&self) -> Option<Shared<'_>> {
        let before = sched_getaffinity(None).ok().filter(|allowed| allowed.count() > 1)?;
        let here = sched_getcpu();
        let allowed = (0..self.0.len()).filter(|core| before.is_set(*core));
        let load = |core: &usize| (self.0[*core].load(Ordering::Relaxed), *core != here);
        let core = allowed.min_by_key(load)?;
        let mut only = CpuSet::new();
        only.set(core);
        sched_setaffinity(None, &only).ok()?;
        self.0[core].fetch_add(1, Ordering::Relaxed);
        Some(Shared { cores: self, core, only, before })
    }
}

/// A conversation on one core. The thread may use its others again when this is dropped.
pub(crate) struct Shared<'a> {
    cores: &'a Cores,
    core: usize,
    only: CpuSet,
    before: CpuSet,
}

impl Shared<'_> {
    /// Brings a process to the core, and what it will fork. One that stays where it is costs time
    /// and nothing else.
    pub(crate) fn bring(&self, process: &Process) {
        if let Some(pid) = process.pid().and_then(Pid::from_raw) {
            let _ = sched_setaffinity(Some(pid), &self.only);
        }
    }
}

impl Drop for Shared<'_> {
    fn drop(&mut self) {
        self.cores.0[self.core].fetch_sub(1, Ordering::Relaxed);
        let _ = sched_setaffinity(None, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_has_one_core_and_then_its_own_again() {
        let cores = Cores::new();
        let before = sched_getaffinity(None).unwrap();
        let first = cores.share();
        // One core is no choice.
        assert_eq!(first.is_some(), before.count() > 1);
        if let Some(first) = first {
            assert_eq!(sched_getaffinity(None).unwrap().count(), 1);
            assert_eq!(sched_getcpu(), first.core);
            let other = std::thread::scope(|scope| {
                let share = || {
                    sched_setaffinity(None, &before).unwrap();
                    cores.share().map(|shared| shared.core)
                };
                scope.spawn(share).join().unwrap()
            });
            assert_ne!(other, Some(first.core));
        }
        assert_eq!(sched_getaffinity(None).unwrap(), before);
    }
}

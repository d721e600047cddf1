//! The one system call that has no safe wrapper.

use std::time::Duration;

/// CPU time that the process with this id has used, over all its threads; `None` when there is no
/// such process.
pub(crate) fn process_cpu(pid: i32) -> Option<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // The kernel's encoding of "the scheduler's clock of process `pid`" (clock_getcpuclockid(3)).
    let clock = (!pid << 3) | 2;
    #[expect(unsafe_code, reason = "rustix names no clock of another process")]
    // SAFETY: the call writes one `timespec` through a pointer to a live one, and nothing else.
    let result = unsafe { libc::clock_gettime(clock, &raw mut time) };
    if result != 0 {
        return None;
    }
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_clock_runs() {
        let me = i32::try_from(std::process::id()).unwrap();
        let before = process_cpu(me).unwrap();
        let sum = (0..1_000_000_u64).fold(0, |sum, i| std::hint::black_box(sum ^ i));
        std::hint::black_box(sum);
        assert!(process_cpu(me).unwrap() > before);
        // Above the largest number that Linux gives.
        assert_eq!(process_cpu(1 << 23), None);
    }
}

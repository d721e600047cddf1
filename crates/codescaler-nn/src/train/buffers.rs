//! Working memory that is kept from one batch to the next, because fresh pages cost more than
//! what is computed on them.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard};

use crate::attention::Cell;

/// Buffers of the two types that products are computed from.
#[derive(Default)]
pub(crate) struct Memory {
    pub f32: Buffers<f32>,
    pub bf16: Buffers<u16>,
}

impl Memory {
    /// A buffer of cells whose numbers are whatever was there before.
    pub(crate) fn cells<C: Cell>(&self, len: usize) -> Buffer<'_, C> {
        C::buffers(self).take(len)
    }

    /// Lets go of what was not used since the last time: the batch before this one had no need of it.
    pub(crate) fn tidy(&self) {
        self.f32.tidy();
        self.bf16.tidy();
    }

    /// The same in f32.
    pub(crate) fn numbers(&self, len: usize) -> Buffer<'_, f32> {
        self.f32.take(len)
    }
}

/// Buffers that nobody uses now, and whether each was used since the last [`Memory::tidy`].
#[derive(Default)]
pub(crate) struct Buffers<T>(Mutex<Vec<(Vec<T>, bool)>>);

/// A buffer in use; it goes back when it is dropped.
pub(crate) struct Buffer<'a, T> {
    data: Vec<T>,
    len: usize,
    home: &'a Buffers<T>,
}

impl<T: Copy + Default> Buffers<T> {
    /// The smallest buffer that is large enough and at most twice as large, or a new one: a little
    /// larger than asked for, so that batches of about one size find theirs.
    pub(crate) fn take(&self, len: usize) -> Buffer<'_, T> {
        let room = len.next_multiple_of((len.next_power_of_two() / 8).max(1));
        let mut kept = self.lock();
        let fitting = kept
            .iter()
            .enumerate()
            .filter(|(_, (data, _))| data.len() >= len && data.len() <= 2 * room);
        let found = fitting.min_by_key(|(_, (data, _))| data.len()).map(|(index, _)| index);
        let found = found.map(|index| kept.swap_remove(index).0);
        drop(kept);
        let data = found.unwrap_or_else(|| vec![T::default(); room]);
        Buffer { data, len, home: self }
    }
}

impl<T> Buffers<T> {
    fn tidy(&self) {
        let mut kept = self.lock();
        kept.retain(|(_, used)| *used);
        kept.iter_mut().for_each(|(_, used)| *used = false);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Vec<T>, bool)>> {
        self.0.lock().expect("nothing panics while buffers are handed out")
    }
}

impl<T> Deref for Buffer<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.data[..self.len]
    }
}

impl<T> DerefMut for Buffer<'_, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.data[..self.len]
    }
}

impl<T> Drop for Buffer<'_, T> {
    fn drop(&mut self) {
        let data = std::mem::take(&mut self.data);
        self.home.lock().push((data, true));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_until_a_batch_has_no_need_of_them() {
        let buffers = Buffers::<f32>::default();
        let sizes = || {
            let mut sizes: Vec<usize> = buffers.lock().iter().map(|(data, _)| data.len()).collect();
            sizes.sort_unstable();
            sizes
        };
        let held = [buffers.take(16), buffers.take(30)];
        assert_eq!(held.each_ref().map(|buffer| buffer.len()), [16, 30]);
        drop(held);
        assert_eq!(sizes(), [16, 32]);
        let small = buffers.take(11);
        assert_eq!((small.len(), small.data.len()), (11, 16));
        let none_fits = [buffers.take(12), buffers.take(70)];
        assert_eq!(none_fits.each_ref().map(|buffer| buffer.data.len()), [12, 80]);
        assert_eq!(sizes(), [32]);
        drop((small, none_fits));
        buffers.tidy();
        drop(buffers.take(12));
        buffers.tidy();
        assert_eq!(sizes(), [12]);
    }
}

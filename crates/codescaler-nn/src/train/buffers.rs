//! Working memory that is kept from one batch to the next, because fresh pages cost more than
//! what is computed on them.

use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

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

    /// The same in f32.
    pub(crate) fn numbers(&self, len: usize) -> Buffer<'_, f32> {
        self.f32.take(len)
    }
}

/// Buffers that nobody uses now.
#[derive(Default)]
pub(crate) struct Buffers<T>(Mutex<Vec<Vec<T>>>);

/// A buffer in use; it goes back when it is dropped.
pub(crate) struct Buffer<'a, T> {
    data: Vec<T>,
    len: usize,
    home: &'a Buffers<T>,
}

impl<T: Copy + Default> Buffers<T> {
    /// The smallest buffer that is large enough; where there is none, a new one in place of the
    /// largest, so that there are never more than were in use at the same time.
    fn take(&self, len: usize) -> Buffer<'_, T> {
        let mut kept = self.0.lock().expect("nothing panics while buffers are handed out");
        let fitting = kept.iter().enumerate().filter(|(_, data)| data.len() >= len);
        let fitting = fitting.min_by_key(|(_, data)| data.len()).map(|(index, _)| index);
        let largest = || kept.iter().enumerate().max_by_key(|(_, data)| data.len()).map(|(i, _)| i);
        let found = fitting.or_else(largest).map(|index| kept.swap_remove(index));
        drop(kept);
        let data = found.filter(|data| data.len() >= len);
        Buffer { data: data.unwrap_or_else(|| vec![T::default(); len]), len, home: self }
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
        self.home.0.lock().expect("nothing panics while buffers are handed out").push(data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_and_the_smallest_that_fits_is_taken() {
        let buffers = Buffers::<f32>::default();
        let sizes = || {
            let mut sizes: Vec<usize> = buffers.0.lock().unwrap().iter().map(Vec::len).collect();
            sizes.sort_unstable();
            sizes
        };
        let held = [buffers.take(10), buffers.take(30)];
        assert_eq!(held.each_ref().map(|buffer| buffer.len()), [10, 30]);
        drop(held);
        assert_eq!(sizes(), [10, 30]);
        let small = buffers.take(7);
        assert_eq!((small.len(), small.data.len()), (7, 10));
        let large = buffers.take(40);
        assert_eq!(sizes(), [0; 0], "the one of 30 was given up");
        drop((small, large));
        assert_eq!(sizes(), [10, 40]);
    }
}

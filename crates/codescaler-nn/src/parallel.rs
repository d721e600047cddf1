use std::sync::Mutex;
use std::thread;

/// Calls `work` for every item, on as many threads as there are `scratches`, the calling one
/// included. Items are handed out in order; which thread gets which is left to chance, so a
/// result must depend on its item alone.
pub(crate) fn for_each<S: Send, T: Send>(
    scratches: &mut [S],
    items: impl ExactSizeIterator<Item = T> + Send,
    work: impl Fn(&mut S, T) + Sync,
) {
    let threads = scratches.len().min(items.len());
    let queue = Mutex::new(items);
    let next = || queue.lock().expect("taking an item does not panic").next();
    let run = |scratch: &mut S| {
        while let Some(item) = next() {
            work(scratch, item);
        }
    };
    let Some((own, others)) = scratches[..threads].split_first_mut() else { return };
    thread::scope(|scope| {
        for scratch in others {
            scope.spawn(|| run(scratch));
        }
        run(own);
    });
}

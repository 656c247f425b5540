//! How a fake vendor cuts a list into answers. How the next one is asked for is each vendor's own.

/// What one answer carries of a list.
pub(super) struct Page<'a, T> {
    /// Its rows.
    pub(super) rows: &'a [T],
    /// Where the next one starts, while there is one.
    pub(super) next: Option<usize>,
}

/// At most `size` of `all`, from `start` on. One that loops is the first, and names a next one for ever.
pub(super) fn page<T>(all: &[T], start: usize, size: usize, looping: bool) -> Page<'_, T> {
    let start = if looping { 0 } else { start.min(all.len()) };
    let end = start.saturating_add(size).min(all.len());
    Page { rows: &all[start..end], next: (looping || end < all.len()).then_some(end) }
}

//! Collects a body whole and inflates it, under a limit that is counted after inflation while it
//! streams in. Not what the body says.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;
use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, HeaderMap};

/// Why a body was not read to its end.
pub(super) enum BodyError {
    /// Longer than the limit.
    TooLarge,
    /// Packed in another way than once with gzip.
    Encoding(String),
    /// It does not inflate to its end.
    Damaged,
    /// It broke off or fell silent.
    Transport(reqwest::Error),
}

/// Reads a body of at most `limit` bytes. Allocates at most `limit` bytes for it.
///
/// A body cut short of its declared length, a chunked body without its last chunk and gzip without
/// its end are errors. A body that states no length and ends with the connection cannot be told
/// from a whole one here: JSON then does not parse, other formats need an end mark.
pub(super) async fn collect(mut response: Response, limit: usize) -> Result<Vec<u8>, BodyError> {
    let mut page = Page { bytes: Vec::new(), limit, full: false };
    if !is_gzip(response.headers())? {
        if response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(BodyError::TooLarge);
        }
        while let Some(chunk) = response.chunk().await.map_err(BodyError::Transport)? {
            page.write_all(&chunk).map_err(|_| BodyError::TooLarge)?;
        }
        return Ok(page.bytes);
    }
    let mut inflating = MultiGzDecoder::new(page);
    let mut empty = true;
    while let Some(chunk) = response.chunk().await.map_err(BodyError::Transport)? {
        empty &= chunk.is_empty();
        if inflating.write_all(&chunk).is_err() {
            return Err(if inflating.get_ref().full { BodyError::TooLarge } else { BodyError::Damaged });
        }
    }
    if empty {
        // Proxies promise gzip for answers without a body too, a 429 for example.
        return Ok(Vec::new());
    }
    // What is still held back can overflow the page as well.
    match inflating.try_finish() {
        Ok(()) => Ok(std::mem::take(&mut inflating.get_mut().bytes)),
        Err(_) if inflating.get_ref().full => Err(BodyError::TooLarge),
        Err(_) => Err(BodyError::Damaged),
    }
}

/// Whether the body is packed with gzip, once; anything else but plain is refused by name.
fn is_gzip(headers: &HeaderMap) -> Result<bool, BodyError> {
    let lines = headers.get_all(CONTENT_ENCODING).iter().map(|line| String::from_utf8_lossy(line.as_bytes()));
    let all = lines.collect::<Vec<_>>().join(", ");
    let mut packings =
        all.split(',').map(str::trim).filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("identity"));
    match (packings.next(), packings.next()) {
        (None, _) => Ok(false),
        (Some(name), None) if ["gzip", "x-gzip"].iter().any(|gzip| name.eq_ignore_ascii_case(gzip)) => Ok(true),
        _ => Err(BodyError::Encoding(all)),
    }
}

/// A body as it grows, refusing the first byte too many.
struct Page {
    bytes: Vec<u8>,
    limit: usize,
    full: bool,
}

impl Write for Page {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        let needed = self.bytes.len() + more.len();
        if needed > self.limit {
            self.full = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        if needed > self.bytes.capacity() {
            self.bytes.reserve_exact(room(needed, self.limit) - self.bytes.len());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The smallest of `limit`, `limit/2`, `limit/4` … that holds `needed` bytes. Growing in these steps
/// keeps the old and the new allocation together within the limit, even where growing copies.
fn room(needed: usize, limit: usize) -> usize {
    let mut room = limit;
    while room / 2 >= needed {
        room /= 2;
    }
    room
}

#[cfg(test)]
mod tests {
    use super::room;

    #[test]
    fn h10_growing_never_holds_more_than_the_limit() {
        for limit in [1, 2, 7, 1000, 64 * 1024 * 1024] {
            let (mut held, mut filled, mut needed) = (0, 0, 1);
            while needed <= limit {
                if needed > held {
                    let grown = room(needed, limit);
                    assert!(grown >= needed && grown <= limit, "{needed} of {limit}");
                    assert!(held + filled <= limit, "copying {filled} from {held} to {grown} of {limit}");
                    held = grown;
                }
                filled = needed;
                needed += 1 + needed / 3;
            }
        }
    }
}

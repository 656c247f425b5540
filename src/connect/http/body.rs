//! Collects a body whole, under a limit that is counted after inflation while it streams in. Not
//! what the body says.

use reqwest::Response;
use reqwest::header::CONTENT_ENCODING;

/// Why a body was not read to its end.
pub(super) enum BodyError {
    /// Longer than the limit.
    TooLarge,
    /// Still packed after the one gzip the client undoes.
    Encoding(String),
    /// It broke off, fell silent, or does not inflate.
    Transport(reqwest::Error),
}

/// Reads a body of at most `limit` bytes. Allocates at most `limit` bytes for it.
///
/// A body cut short of its declared length, a chunked body without its last chunk and a gzip stream
/// without its end are transport errors. A body that states no length and ends with the connection
/// cannot be told from a whole one here: JSON then does not parse, other formats need an end mark.
pub(super) async fn collect(mut response: Response, limit: usize) -> Result<Vec<u8>, BodyError> {
    // The client removes this header from what it has inflated itself.
    for encoding in response.headers().get_all(CONTENT_ENCODING) {
        if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") {
            return Err(BodyError::Encoding(String::from_utf8_lossy(encoding.as_bytes()).into_owned()));
        }
    }
    if response.content_length().is_some_and(|length| usize::try_from(length).is_ok_and(|l| l > limit)) {
        return Err(BodyError::TooLarge);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(BodyError::Transport)? {
        let needed = body.len() + chunk.len();
        if needed > limit {
            return Err(BodyError::TooLarge);
        }
        if needed > body.capacity() {
            body.reserve_exact(room(needed, limit) - body.len());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
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

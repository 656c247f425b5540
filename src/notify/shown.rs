//! What every receiver for people shows of a message: a headline, its lines, and below them when it was decided and the
//! delivery's id. How a receiver marks up what it shows is its notifier's business.

use super::plain::{lifeless, line};
use crate::domain::message::{Delivery, Message};
use crate::domain::verdict::Verdict;

/// What stands for a character in a receiver's markup; `None` for the character itself.
pub(super) type Escape = fn(char) -> Option<&'static str>;

/// Most lines of a message. With a limit on each this bounds the whole.
const MOST_LINES: usize = 10;
/// A label is a word or two; a concept's title in a digest.
const LABEL: usize = 100;

/// For receivers in which no character does anything.
pub(super) fn as_it_is(_: char) -> Option<&'static str> {
    None
}

/// The headline in at most `limit` bytes. Receivers refuse an empty text, so a headline of nothing visible is the
/// verdict's word, or says that it is a notice.
pub(super) fn headline(message: &Message, limit: usize, escape: Escape) -> String {
    let shown = line(&lifeless(&message.headline, limit), limit, escape);
    if shown.trim().is_empty() { message.verdict.map_or("NOTICE", Verdict::word).to_owned() } else { shown }
}

/// Label and text of each line, label and text in at most `limit` bytes, and all of them in at most `room`.
pub(super) fn lines(message: &Message, limit: usize, mut room: usize, escape: Escape) -> Vec<(String, String)> {
    let mut shown = Vec::new();
    for (label, text) in message.lines.iter().take(MOST_LINES) {
        let limit = limit.min(room);
        // Less than this holds nothing worth reading.
        if limit <= 2 * LABEL {
            break;
        }
        let label = line(&lifeless(label, LABEL), LABEL, escape);
        let text = line(&lifeless(text, limit), limit - label.len(), escape);
        if label.trim().is_empty() && text.trim().is_empty() {
            continue;
        }
        room -= label.len() + text.len();
        shown.push((label, text));
    }
    shown
}

/// `Why: 6.0% signed up`; only the text where there is no label.
pub(super) fn labelled(label: &str, text: &str) -> String {
    if label.is_empty() { text.to_owned() } else { format!("{label}: {text}") }
}

/// What a link to our own pages reads.
pub(super) const PAGE: &str = "Open the page";

/// A late message says when it was decided or noticed; a repeat can be told by its id.
pub(super) fn footer(delivery: &Delivery) -> String {
    let verb = if delivery.message.verdict.is_some() { "Decided" } else { "Noticed" };
    let at = delivery.message.decided_at.format("%a %-d %b %Y, %H:%M UTC");
    let repeat = if delivery.may_repeat { " · may repeat an earlier message with this id" } else { "" };
    format!("{verb} {at} · Delivery {}{repeat}", delivery.id)
}

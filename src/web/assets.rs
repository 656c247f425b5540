//! What pages are made with besides their text: one style sheet, one script, one picture, all in the program. An address
//! carries a hash of what stands there, so that browsers may keep it.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use ring::digest::{SHA256, digest};

/// The style sheet of every page and report.
pub const STYLE: &str =
    concat!(include_str!("style.css"), include_str!("chart/chart.css"), include_str!("concept/concept.css"));

/// What pages do without, and do better with.
const SCRIPT: &str = include_str!("page.js");

const ICON: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 16\"><rect width=\"16\" height=\"16\" rx=\"3\" \
                    fill=\"#16181D\"/><path d=\"M3 11h4V7h6\" fill=\"none\" stroke=\"#FFFFFF\" stroke-width=\"2\"/></svg>";

/// Where a browser finds each.
#[derive(Clone, Debug)]
pub struct Assets {
    /// The style sheet.
    pub style: String,
    /// The script.
    pub script: String,
    /// The picture beside the title.
    pub icon: String,
}

impl Default for Assets {
    fn default() -> Self {
        Self {
            style: named("style", "css", STYLE),
            script: named("page", "js", SCRIPT),
            icon: named("icon", "svg", ICON),
        }
    }
}

impl Assets {
    /// What stands at an address, where anything does.
    pub(super) fn answer(&self, path: &str) -> Option<Response> {
        let (kind, text) = match path {
            _ if path == self.style => ("text/css; charset=utf-8", STYLE),
            _ if path == self.script => ("text/javascript; charset=utf-8", SCRIPT),
            _ if path == self.icon => ("image/svg+xml", ICON),
            _ => return None,
        };
        let keep = (header::CACHE_CONTROL, "public, max-age=31536000, immutable");
        Some(([(header::CONTENT_TYPE, kind), keep], text).into_response())
    }
}

fn named(name: &str, kind: &str, text: &str) -> String {
    let hash: String =
        digest(&SHA256, text.as_bytes()).as_ref()[..6].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("/{name}-{hash}.{kind}")
}

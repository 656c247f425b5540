//! Real data beside the checkout. Absent on a newcomer's machine: the test says so and is skipped.

use std::path::{Path, PathBuf};

/// The file or folder below `../shared`, or `None` with a printed line. With
/// `WILLITSELL_SKIP_IS_FAILURE` set, as in `.ci/run`, absence is a failure.
pub fn real_data(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("WILLITSELL_SKIP_IS_FAILURE").is_none(), "{} is absent", path.display());
    println!("skipped: {} is absent", path.display());
    None
}

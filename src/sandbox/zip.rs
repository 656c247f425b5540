//! A ZIP archive of one compressed file, written by hand after the format's own description
//! (PKWARE APPNOTE 6.3): local header, data, directory, end. Nothing else is needed here.

use std::io::Write;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// 22 November 2026, noon, as the format counts.
const WHEN: [u8; 4] = [0x00, 0x60, 0x76, 0x5d];

/// An archive that holds `content` under `name`.
pub(super) fn archive(name: &str, content: &[u8]) -> Vec<u8> {
    let mut packed = DeflateEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory cannot fail.
    let _ = packed.write_all(content);
    let packed = packed.finish().unwrap_or_default();
    let mut crc = Crc::new();
    crc.update(content);

    let mut about = Vec::new();
    // Version 2.0, no flags, deflate.
    about.extend([20, 0, 0, 0, 8, 0]);
    about.extend(WHEN);
    for number in [crc.sum(), size(packed.len()), size(content.len()), size(name.len())] {
        about.extend(number.to_le_bytes());
    }
    // The name's length is two bytes; the other two say there is no extra field.
    let mut zip = b"PK\x03\x04".to_vec();
    zip.extend(&about);
    zip.extend(name.as_bytes());
    zip.extend(packed);

    let directory = zip.len();
    zip.extend(b"PK\x01\x02");
    zip.extend([20, 0]);
    zip.extend(&about);
    // No comment, one disk, a binary file, found at the very beginning.
    zip.extend([0; 14]);
    zip.extend(name.as_bytes());
    let length = zip.len() - directory;

    zip.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    zip.extend(size(length).to_le_bytes());
    zip.extend(size(directory).to_le_bytes());
    zip.extend([0, 0]);
    zip
}

/// The fake's files are far below four gigabytes.
fn size(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

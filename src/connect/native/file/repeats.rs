//! Finds rows that stand twice in a file of any size: hashes go to 64 spools by their first bits, each small
//! enough to be sorted in memory afterwards.

use std::io::{self, BufWriter, Read, Seek, Write};

use tempfile::SpooledTempFile;

const SPOOLS: usize = 64;
/// Held in memory per spool before it becomes a file: about 170,000 rows in all.
const HELD: usize = 64 * 1024;
const ENTRY: usize = 24;

/// Two rows that say who and when in the same words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Repeat {
    pub first_line: u64,
    pub second_line: u64,
    /// Their numbers are the same too.
    pub equal: bool,
}

/// Rows seen so far.
pub(super) struct Repeats {
    spools: Vec<BufWriter<SpooledTempFile>>,
}

impl Repeats {
    pub(super) fn new() -> Self {
        let spool = || BufWriter::new(SpooledTempFile::new(HELD));
        Self { spools: std::iter::repeat_with(spool).take(SPOOLS).collect() }
    }

    /// Notes a row: a hash of what identifies it, a hash of its numbers, and where it stands.
    pub(super) fn add(&mut self, identity: u64, numbers: u64, line: u64) -> io::Result<()> {
        let mut entry = [0; ENTRY];
        for (part, value) in entry.chunks_exact_mut(8).zip([identity, numbers, line]) {
            part.copy_from_slice(&value.to_be_bytes());
        }
        // The remainder is below 64, so nothing is lost on any machine.
        self.spools[usize::try_from(identity % SPOOLS as u64).unwrap_or_default()].write_all(&entry)
    }

    /// The repeat that comes first in the file, if there is one.
    pub(super) fn finish(self) -> io::Result<Option<Repeat>> {
        let mut earliest: Option<Repeat> = None;
        for spool in self.spools {
            let mut spool = spool.into_inner().map_err(io::IntoInnerError::into_error)?;
            spool.rewind()?;
            let mut bytes = Vec::new();
            spool.read_to_end(&mut bytes)?;
            let (entries, _) = bytes.as_chunks::<ENTRY>();
            let mut entries: Vec<[u64; 3]> = entries.iter().map(numbers).collect();
            drop(bytes);
            // By identity, then by line.
            entries.sort_unstable_by_key(|&[identity, _, line]| (identity, line));
            for pair in entries.windows(2) {
                let [[identity, numbers, first_line], [other, other_numbers, second_line]] = [pair[0], pair[1]];
                if identity == other && earliest.is_none_or(|found| second_line < found.second_line) {
                    earliest = Some(Repeat { first_line, second_line, equal: numbers == other_numbers });
                }
            }
        }
        Ok(earliest)
    }
}

fn numbers(entry: &[u8; ENTRY]) -> [u64; 3] {
    let mut numbers = [0; 3];
    for (number, bytes) in numbers.iter_mut().zip(entry.as_chunks::<8>().0) {
        *number = u64::from_be_bytes(*bytes);
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_repeat_of_many_rows_is_found_beyond_what_memory_holds() {
        let mut repeats = Repeats::new();
        let spread = |number: u64| number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        for line in 1..=300_000 {
            repeats.add(spread(line), 1, line).unwrap();
        }
        repeats.add(spread(250_000), 1, 300_001).unwrap();
        repeats.add(spread(7), 2, 300_002).unwrap();
        let found = repeats.finish().unwrap();
        assert_eq!(found, Some(Repeat { first_line: 250_000, second_line: 300_001, equal: true }));
        assert_eq!(Repeats::new().finish().unwrap(), None);
    }
}

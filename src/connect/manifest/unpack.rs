//! Opens a downloaded report: plain, gzip or a zip of one file, under a limit counted after inflation, and cuts
//! CSV into pages of JSON, so that the rows of both are read alike. Also a list of what stands in lines. Not what the rows say.

use std::io::{self, BufReader, Cursor, Read};

use flate2::CrcReader;
use flate2::read::{DeflateDecoder, MultiGzDecoder};
use serde_json::{Map, Value};

/// Records of one page.
const RECORDS: usize = 2_000;

/// How a report is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    None,
    Gzip,
    Zip,
}

/// A report as it inflates.
pub(super) type Opened = BufReader<Box<dyn Read + Send>>;

/// Opens a report of at most `limit` bytes after inflation.
///
/// # Errors
/// A sentence, where it is not packed so. What breaks off further on is an error of reading.
pub(super) fn open(bytes: Vec<u8>, packing: Packing, limit: u64) -> Result<Opened, String> {
    let inner: Box<dyn Read + Send> = match packing {
        Packing::None => Box::new(Cursor::new(bytes)),
        Packing::Gzip => Box::new(MultiGzDecoder::new(Cursor::new(bytes))),
        Packing::Zip => unzip(&bytes)?,
    };
    Ok(BufReader::with_capacity(64 * 1024, Box::new(Capped { inner, left: limit })))
}

/// Refuses the first byte too many.
struct Capped {
    inner: Box<dyn Read + Send>,
    left: u64,
}

impl Read for Capped {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than a window may be; ask for fewer days")
        })?;
        Ok(read)
    }
}

/// The one file of a zip, stored or deflated; its length and checksum must hold.
fn unzip(bytes: &[u8]) -> Result<Box<dyn Read + Send>, String> {
    let short = |at: usize| Some(usize::from(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?)));
    let long = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?));
    let size = |at: usize| usize::try_from(long(at)?).ok();
    let entry = || {
        // The directory's end is the last record; a comment of at most 64 KiB may follow it.
        let first = bytes.len().saturating_sub(22 + 65_535);
        let end = (first..=bytes.len().checked_sub(22)?).rev().find(|&at| bytes[at..].starts_with(b"PK\x05\x06"))?;
        let directory = size(end + 16)?;
        bytes.get(directory..)?.starts_with(b"PK\x01\x02").then_some(())?;
        let local = size(directory + 42)?;
        bytes.get(local..)?.starts_with(b"PK\x03\x04").then_some(())?;
        let data = local.checked_add(30)?.checked_add(short(local + 26)?)?.checked_add(short(local + 28)?)?;
        let packed = bytes.get(data..data.checked_add(size(directory + 20)?)?)?.to_vec();
        let encrypted = short(directory + 8)? & 1 == 1;
        Some((
            short(end + 10)?,
            encrypted,
            short(directory + 10)?,
            long(directory + 16)?,
            long(directory + 24)?,
            packed,
        ))
    };
    let Some((files, encrypted, method, checksum, length, packed)) = entry() else {
        return Err("it is no zip, or it is cut short".to_owned());
    };
    if files != 1 || encrypted {
        return Err(format!("the zip holds {files} files, or is locked; one open file is read"));
    }
    let packed = Cursor::new(packed);
    let inner: Box<dyn Read + Send> = match method {
        0 => Box::new(packed),
        8 => Box::new(DeflateDecoder::new(packed)),
        _ => return Err("the zip is packed in a way that is not read".to_owned()),
    };
    Ok(Box::new(Proven { inner: CrcReader::new(inner), checksum, length }))
}

/// Holds a file to its checksum and length when it ends.
struct Proven {
    inner: CrcReader<Box<dyn Read + Send>>,
    checksum: u32,
    length: u32,
}

impl Read for Proven {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        let crc = self.inner.crc();
        if read == 0 && !into.is_empty() && (crc.sum() != self.checksum || crc.amount() != self.length) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "its checksum does not hold"));
        }
        Ok(read)
    }
}

/// JSON that stands in lines as the list it is. A line that breaks off stays broken.
pub(super) fn list_of_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    format!("[{}]", lines.join(",\n"))
}

/// The records of a CSV file, a page at a time: a list of objects whose names are those of the columns.
pub(super) struct Records<R> {
    csv: csv::Reader<R>,
    names: Vec<String>,
    begun: bool,
}

impl<R: Read> Records<R> {
    /// Reads the names of the columns.
    ///
    /// # Errors
    /// A sentence.
    pub(super) fn new(reader: R) -> Result<Self, String> {
        let mut csv = csv::ReaderBuilder::new().has_headers(true).from_reader(reader);
        let names: Vec<_> = csv.headers().map_err(|error| broken(&error))?.iter().map(str::to_owned).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if names.is_empty() || sorted.len() < names.len() {
            return Err("its first line does not name each column once".to_owned());
        }
        Ok(Self { csv, names, begun: false })
    }

    /// The next page; the first one may be empty, `None` is the end.
    ///
    /// # Errors
    /// A sentence: a record of another length, a file that breaks off.
    pub(super) fn page(&mut self) -> Result<Option<String>, String> {
        let mut page = Vec::new();
        for record in self.csv.records().take(RECORDS) {
            let record = record.map_err(|error| broken(&error))?;
            let members = self.names.iter().zip(&record).map(|(name, value)| (name.clone(), Value::from(value)));
            page.push(Value::Object(members.collect::<Map<_, _>>()));
        }
        if page.is_empty() && std::mem::replace(&mut self.begun, true) {
            return Ok(None);
        }
        self.begun = true;
        Ok(Some(Value::Array(page).to_string()))
    }
}

fn broken(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Io(error) => io_sentence(error),
        csv::ErrorKind::UnequalLengths { pos, .. } => {
            format!("line {} has another number of columns", pos.as_ref().map_or(0, csv::Position::line))
        }
        csv::ErrorKind::Utf8 { pos, .. } => {
            format!("line {} is not UTF-8", pos.as_ref().map_or(0, csv::Position::line))
        }
        _ => "it is no CSV".to_owned(),
    }
}

/// What reading an opened report says.
pub(super) fn io_sentence(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::FileTooLarge => error.to_string(),
        _ => "it breaks off or is damaged".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(text).unwrap();
        packed.finish().unwrap()
    }

    fn all(bytes: Vec<u8>, packing: Packing, limit: u64) -> Result<Vec<String>, String> {
        let mut records = Records::new(open(bytes, packing, limit)?)?;
        std::iter::from_fn(|| records.page().transpose()).collect()
    }

    #[test]
    fn h10_a_bomb_is_refused_while_it_inflates() {
        let bomb = gzip(&vec![b'a'; 10 << 20]);
        assert!(bomb.len() < 20_000);
        let mut opened = open(bomb, Packing::Gzip, 1 << 20).unwrap();
        let mut seen = Vec::new();
        let error = opened.read_to_end(&mut seen).unwrap_err();
        assert!(seen.len() <= 1 << 20 && io_sentence(&error).contains("ask for fewer days"));
    }

    #[test]
    fn csv_becomes_pages_of_so_many_records() {
        let mut text = "\u{feff}\"Day\",Clicks\r\n".to_owned();
        text.push_str(&"2026-11-03,\"1\"\r\n".repeat(RECORDS + 1));
        let pages = all(gzip(text.as_bytes()), Packing::Gzip, 1 << 20).unwrap();
        assert_eq!(pages.len(), 2);
        assert_eq!(pages[1], r#"[{"Clicks":"1","Day":"2026-11-03"}]"#, "no mark before the first name");
        assert_eq!(all(b"a,b\n".to_vec(), Packing::None, 99).unwrap(), ["[]"]);
        for (text, says) in [("", "each column once"), ("a,a\n1,2", "each column once"), ("a,b\n1", "line 2 has")] {
            let error = all(text.as_bytes().to_vec(), Packing::None, 99).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn lines_become_the_list_they_are() {
        for (text, list) in
            [("", "[]"), ("\n", "[]"), ("{\"a\":1}\r\n\n[2]", "[{\"a\":1},\n[2]]"), ("{}\n{", "[{},\n{]")]
        {
            assert_eq!(list_of_lines(text), list, "{text}");
        }
    }

    #[test]
    fn h4_what_is_packed_and_cut_short_is_refused() {
        let whole = gzip(b"a,b\n1,2\n");
        for length in 0..whole.len() {
            assert!(all(whole[..length].to_vec(), Packing::Gzip, 99).is_err(), "{length}");
            assert!(all(whole[..length].to_vec(), Packing::Zip, 99).is_err(), "{length}");
        }
    }
}

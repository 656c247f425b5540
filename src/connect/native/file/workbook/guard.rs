//! Refuses a workbook that would take more memory than a table needs, before any of it is read as one: a workbook is packed,
//! and what it says of its sizes may be untrue. Each part is unpacked once, counted and thrown away.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use zip::ZipArchive;

use super::super::FileError;
use super::INSTEAD;

/// Largest workbook, packed. A million rows of ten columns take 60 MB.
const LARGEST: u64 = 128 << 20;

/// Largest sheet, unpacked: it is read row by row, so this bounds time.
const LARGEST_SHEET: u64 = 1 << 30;

/// Largest other part, unpacked: the texts that cells refer to, and the styles, are held in memory.
const LARGEST_PART: u64 = 32 << 20;

/// Texts that cells may refer to.
const MOST_TEXTS: u64 = 1_000_000;

/// Merged cells of a sheet.
const MOST_MERGED: u64 = 100_000;

/// Parts: a workbook has a dozen.
const MOST_PARTS: u64 = 10_000;

/// The most between two tags, and within one.
const LONGEST_TEXT: usize = 1 << 20;

/// What of a tag is looked at.
const SEEN_OF_TAG: usize = 512;

/// The end of a ZIP archive that has no comment.
const END: u64 = 22;

fn too_large(what: &str) -> FileError {
    FileError::ExportAgain(format!("the workbook is too large to be read: {what}. Instead, {INSTEAD}"))
}

fn damaged() -> FileError {
    FileError::ExportAgain(format!("the file is cut or damaged, or no XLSX workbook: download it again, or {INSTEAD}"))
}

/// Goes through all parts of a workbook.
pub(super) fn check(file: &File) -> Result<(), FileError> {
    if file.metadata()?.len() > LARGEST {
        return Err(too_large("it takes more than 128 MiB"));
    }
    check_end(file)?;
    let mut archive = ZipArchive::new(BufReader::new(file.try_clone()?)).map_err(|_| damaged())?;
    if archive.index_for_name("[Content_Types].xml").is_none() {
        return Err(FileError::ExportAgain(
            "this is a ZIP archive and no workbook: unpack it, and import the file that is in it".to_owned(),
        ));
    }
    if archive.file_names().flatten().any(|name| name.ends_with("workbook.bin")) {
        return Err(FileError::ExportAgain(format!("this is a binary workbook (XLSB): save it as XLSX, or {INSTEAD}")));
    }
    for index in 0..archive.len() {
        let part = archive.by_index(index).map_err(|_| damaged())?;
        let name = part.name().map_err(|_| damaged())?.to_lowercase();
        let is_picture = ["png", "jpg", "jpeg", "gif", "emf", "wmf", "bin"].iter().any(|end| name.ends_with(end));
        let is_sheet = name.contains("worksheets/");
        let mut seen = Seen { is_sheet, ..Seen::default() };
        seen.through(part, is_picture)?;
    }
    Ok(())
}

/// Refuses an archive that says to have more parts than any workbook, before its list of parts is read.
fn check_end(mut file: &File) -> Result<(), FileError> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(END + u64::from(u16::MAX))))?;
    let mut tail = Vec::new();
    file.take(END + u64::from(u16::MAX)).read_to_end(&mut tail)?;
    let end = tail.windows(4).rposition(|mark| mark == b"PK\x05\x06").ok_or_else(damaged)?;
    let parts = tail.get(end + 10..end + 12).and_then(|bytes| bytes.try_into().ok()).map(u16::from_le_bytes);
    // Archives of 4 GiB and more say so before their end.
    let is_huge = tail[..end].windows(4).rev().take(32).any(|mark| mark == b"PK\x06\x07");
    match parts {
        Some(parts) if u64::from(parts) <= MOST_PARTS && !is_huge => Ok(()),
        Some(_) => Err(too_large("it has more than 10,000 parts")),
        None => Err(damaged()),
    }
}

/// What has been seen of one part.
#[derive(Default)]
struct Seen {
    is_sheet: bool,
    bytes: u64,
    /// Bytes since the last tag began.
    since: usize,
    /// The beginning of the tag that is open.
    tag: Option<Vec<u8>>,
    texts: u64,
    merged: u64,
}

impl Seen {
    fn through(&mut self, mut part: impl Read, is_picture: bool) -> Result<(), FileError> {
        let (most, what) = if self.is_sheet {
            (LARGEST_SHEET, "a sheet takes more than 1 GiB unpacked")
        } else {
            (LARGEST_PART, "a part beside the sheets takes more than 32 MiB unpacked")
        };
        let mut chunk = vec![0; 64 * 1024];
        loop {
            let read = part.read(&mut chunk).map_err(|_| damaged())?;
            if read == 0 {
                return Ok(());
            }
            self.bytes += read as u64;
            if self.bytes > most {
                return Err(too_large(what));
            }
            if !is_picture {
                chunk[..read].iter().try_for_each(|&byte| self.take(byte))?;
            }
        }
    }

    fn take(&mut self, byte: u8) -> Result<(), FileError> {
        if byte == b'<' {
            self.since = 0;
            self.tag.get_or_insert_default().clear();
            return Ok(());
        }
        self.since += 1;
        if self.since > LONGEST_TEXT {
            return Err(too_large("one text takes more than 1 MiB"));
        }
        let Some(tag) = &mut self.tag else { return Ok(()) };
        if byte == b'>' {
            let tag = self.tag.take().unwrap_or_default();
            return self.tagged(&tag);
        }
        // A comment may hold anything, also what looks like tags.
        if self.is_sheet && tag.is_empty() && byte == b'!' {
            return Err(damaged());
        }
        if tag.len() < SEEN_OF_TAG {
            tag.push(byte);
        }
        Ok(())
    }

    fn tagged(&mut self, tag: &[u8]) -> Result<(), FileError> {
        let tag = String::from_utf8_lossy(tag);
        let name = tag.split([' ', '\t', '\r', '\n', '/']).next().unwrap_or_default();
        match name.rsplit(':').next().unwrap_or_default() {
            "si" => self.texts += 1,
            "mergeCell" => self.merged += 1,
            // Room is made for as many as the list of texts says it has.
            "sst" => {
                let said = tag.split_once("uniqueCount").map_or("", |(_, said)| said);
                let digits = said.trim_start_matches(['=', '"', '\'', ' ', '\t', '\r', '\n', '0']);
                let digits = digits.bytes().take_while(u8::is_ascii_digit).count();
                if digits > 7 || tag.len() >= SEEN_OF_TAG {
                    return Err(damaged());
                }
            }
            _ => {}
        }
        if self.texts > MOST_TEXTS {
            return Err(too_large("its cells refer to more than 1,000,000 texts"));
        }
        if self.merged > MOST_MERGED {
            return Err(too_large("more than 100,000 cells are merged"));
        }
        Ok(())
    }
}

//! Bytes to text: which encoding a file is in, and a stream of it as UTF-8 with plain line ends, under
//! a cap for one record. Knows nothing of columns.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::FileError;

/// The most one record may take, quoted line breaks included. A real row is below 10 kB; without a cap
/// a file without line ends, or with a quote that never closes, would be read into memory whole.
pub(super) const LONGEST_RECORD: usize = 1 << 20;

/// Stands on a line of its own behind the last one. A quote that never closes swallows it, which is how
/// a file cut inside quotes is told from a whole one. It is a control character no export writes.
pub(super) const END_MARK: char = '\u{4}';

const CHUNK: usize = 64 * 1024;

/// No encoding read here takes more than three bytes of UTF-8 for one byte of its own.
const DECODED_CHUNK: usize = 3 * CHUNK + 16;

/// U+FEFF in UTF-8.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// How the bytes of a file are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Charset {
    encoding: &'static Encoding,
    /// What a person calls it.
    pub name: &'static str,
    /// Taken because nothing else fits, not because the file says so.
    pub guessed: bool,
}

pub(super) const fn charset(encoding: &'static Encoding, name: &'static str) -> Charset {
    Charset { encoding, name, guessed: false }
}

/// Opens a regular file.
pub(super) fn open(path: &Path) -> Result<File, FileError> {
    let cannot = |error: io::Error| {
        let why = match error.kind() {
            io::ErrorKind::NotFound => "there is no such file".to_owned(),
            io::ErrorKind::PermissionDenied => "you may not read it".to_owned(),
            _ => error.to_string(),
        };
        FileError::Open(format!("{} cannot be opened: {why}", path.display()))
    };
    let file = File::open(path).map_err(cannot)?;
    if !file.metadata().map_err(cannot)?.is_file() {
        return Err(FileError::Open(format!("{} is not a file: name the file itself", path.display())));
    }
    Ok(file)
}

fn binary(kind: &str) -> FileError {
    FileError::ExportAgain(format!("this is {kind}, not a table of text: export the report as CSV"))
}

/// Finds the encoding from a mark at the start, the pattern of zero bytes, or by reading all of it.
pub(super) fn detect(file: &mut File) -> Result<Charset, FileError> {
    let mut head = Vec::new();
    file.rewind()?;
    file.by_ref().take(4096).read_to_end(&mut head)?;
    if head.is_empty() {
        return Err(FileError::ExportAgain("the file is empty: download it again".to_owned()));
    }
    for (magic, what) in [
        (&b"\xD0\xCF\x11\xE0"[..], None),
        (b"\x1F\x8B", Some("a gzip archive")),
        (b"%PDF", Some("a PDF")),
        (b"\x89PNG", Some("a picture")),
        (b"\xFF\xFE\x00\x00", Some("UTF-32 text, or a binary file")),
    ] {
        if head.starts_with(magic) {
            return Err(what.map_or_else(
                || {
                    FileError::ExportAgain(
                        "this is an Excel workbook of the old kind (XLS), or one with a password. Save it as XLSX without \
                         a password, or the sheet as CSV"
                            .to_owned(),
                    )
                },
                binary,
            ));
        }
    }
    if let Some((encoding, _)) = Encoding::for_bom(&head) {
        return Ok(if encoding == UTF_16LE {
            charset(UTF_16LE, "UTF-16 (little-endian)")
        } else if encoding == UTF_16BE {
            charset(UTF_16BE, "UTF-16 (big-endian)")
        } else {
            charset(UTF_8, "UTF-8 (with byte order mark)")
        });
    }
    let zeros = |offset: usize| head.iter().skip(offset).step_by(2).filter(|&&byte| byte == 0).count();
    match (zeros(0), zeros(1)) {
        (0, 0) => read_through(file),
        // Western text in UTF-16 has a zero in every second byte, always on the same side.
        (0, odd) if odd * 4 > head.len() => Ok(charset(UTF_16LE, "UTF-16 (little-endian, unmarked)")),
        (even, 0) if even * 4 > head.len() => Ok(charset(UTF_16BE, "UTF-16 (big-endian, unmarked)")),
        _ => Err(binary("a binary file")),
    }
}

/// UTF-8 when every byte fits it, Windows-1252 when none beyond ASCII does, refused in between.
fn read_through(file: &mut File) -> Result<Charset, FileError> {
    file.rewind()?;
    let mut decoder = UTF_8.new_decoder_without_bom_handling();
    let (mut bytes, mut text) = (vec![0; CHUNK], vec![0; DECODED_CHUNK]);
    let (mut line, mut fits, mut misfit) = (1, false, None);
    loop {
        let read = file.read(&mut bytes)?;
        let mut rest = &bytes[..read];
        loop {
            let (result, taken, written) = decoder.decode_to_utf8_without_replacement(rest, &mut text, read == 0);
            fits |= !text[..written].is_ascii();
            line += count_lines(&text[..written]);
            rest = &rest[taken..];
            match result {
                DecoderResult::InputEmpty => break,
                DecoderResult::Malformed(..) => misfit = misfit.or(Some(line)),
                DecoderResult::OutputFull => {}
            }
        }
        if read == 0 {
            break;
        }
    }
    match (fits, misfit) {
        (_, None) => Ok(charset(UTF_8, "UTF-8")),
        (false, Some(_)) => Ok(Charset { guessed: true, ..charset(WINDOWS_1252, "Windows-1252 (Latin-1)") }),
        (true, Some(line)) => Err(FileError::Mend {
            line,
            what: "the file mixes UTF-8 with other bytes, so it is damaged or was joined from two: download it again, \
                   or save it as UTF-8"
                .to_owned(),
        }),
    }
}

fn count_lines(text: &[u8]) -> u64 {
    text.iter().map(|&byte| u64::from(byte == b'\n')).sum()
}

/// How far a text has been read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Begins,
    Goes,
    Ended,
}

/// A file as UTF-8: marks removed, every line end `\n`, the last line ended, [`END_MARK`] behind it.
pub(super) struct Text {
    file: File,
    decoder: Decoder,
    bytes: Vec<u8>,
    decoded: Vec<u8>,
    ready: Vec<u8>,
    served: usize,
    /// Served since [`Text::begin_record`].
    since: usize,
    line: u64,
    stage: Stage,
    after_return: bool,
    /// The last line had no line end, as in a file that was cut.
    pub open_end: bool,
}

impl Text {
    /// Starts at the first byte.
    pub(super) fn new(mut file: File, charset: Charset) -> io::Result<Self> {
        file.rewind()?;
        Ok(Self {
            file,
            decoder: charset.encoding.new_decoder_with_bom_removal(),
            bytes: vec![0; CHUNK],
            decoded: vec![0; DECODED_CHUNK],
            ready: Vec::with_capacity(DECODED_CHUNK),
            served: 0,
            since: 0,
            line: 1,
            stage: Stage::Begins,
            after_return: false,
            open_end: false,
        })
    }

    /// Gives the next record its allowance of [`LONGEST_RECORD`].
    pub(super) fn begin_record(&mut self) {
        self.since = 0;
    }

    fn fill(&mut self) -> Result<(), FileError> {
        self.ready.clear();
        self.served = 0;
        let read = self.file.read(&mut self.bytes)?;
        let last = read == 0;
        let mut rest = &self.bytes[..read];
        loop {
            let (result, taken, written) =
                self.decoder.decode_to_utf8_without_replacement(rest, &mut self.decoded, last);
            for &byte in &self.decoded[..written] {
                let control = byte == 0
                    || byte == END_MARK as u8
                    || (self.ready.last() == Some(&0xC2) && (0x80..0xA0).contains(&byte));
                if control {
                    return Err(FileError::Mend {
                        line: self.line,
                        what: "there is a control character here, so this is not a table of text in a known encoding: \
                               save the file as CSV in UTF-8"
                            .to_owned(),
                    });
                }
                if !(byte == b'\n' && self.after_return) {
                    self.line += u64::from(matches!(byte, b'\n' | b'\r'));
                    self.ready.push(if byte == b'\r' { b'\n' } else { byte });
                }
                self.after_return = byte == b'\r';
            }
            rest = &rest[taken..];
            match result {
                DecoderResult::InputEmpty => break,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    return Err(FileError::Mend {
                        line: self.line,
                        what: "the text is damaged or cut here: download the file again".to_owned(),
                    });
                }
            }
        }
        if self.stage == Stage::Begins {
            // Tools that add a mark to a marked file leave two.
            while self.ready.starts_with(MARK) {
                self.ready.drain(..MARK.len());
            }
        }
        if let Some(&byte) = self.ready.last() {
            self.stage = Stage::Goes;
            self.open_end = byte != b'\n';
        }
        if last {
            self.stage = Stage::Ended;
            let end = if self.open_end { "\n\u{4}\n" } else { "\u{4}\n" };
            self.ready.extend_from_slice(end.as_bytes());
        }
        Ok(())
    }
}

impl Read for Text {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.served == self.ready.len() {
            if self.stage == Stage::Ended {
                return Ok(0);
            }
            self.fill().map_err(io::Error::other)?;
        }
        let count = buffer.len().min(self.ready.len() - self.served);
        self.since += count;
        if self.since > LONGEST_RECORD {
            return Err(io::Error::other(FileError::Mend {
                line: self.line,
                what: "one row takes more than 1 MiB: a quote that never closes, or not a table. Export the report as \
                       CSV again"
                    .to_owned(),
            }));
        }
        buffer[..count].copy_from_slice(&self.ready[self.served..self.served + count]);
        self.served += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn read(bytes: &[u8]) -> Result<(&'static str, String), String> {
        let mut file = file(bytes);
        let charset = detect(&mut file).map_err(|error| error.to_string())?;
        let mut text = String::new();
        Text::new(file, charset).unwrap().read_to_string(&mut text).map_err(|error| error.to_string())?;
        Ok((charset.name, text.trim_end_matches("\u{4}\n").to_owned()))
    }

    fn utf16(text: &str, big: bool, mark: bool) -> Vec<u8> {
        let mark = if mark { "\u{feff}" } else { "" };
        let units = format!("{mark}{text}").encode_utf16().collect::<Vec<_>>();
        units.into_iter().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    }

    #[test]
    fn x1_every_encoding_gives_the_same_text() {
        let text = "Währung,Coût\n1,2\n";
        for (bytes, name) in [
            (text.as_bytes().to_vec(), "UTF-8"),
            (format!("\u{feff}{text}").into_bytes(), "UTF-8 (with byte order mark)"),
            (format!("\u{feff}\u{feff}{text}").into_bytes(), "UTF-8 (with byte order mark)"),
            (utf16(text, false, true), "UTF-16 (little-endian)"),
            (utf16(text, true, true), "UTF-16 (big-endian)"),
            (utf16(text, false, false), "UTF-16 (little-endian, unmarked)"),
            (utf16(text, true, false), "UTF-16 (big-endian, unmarked)"),
            (WINDOWS_1252.encode(text).0.into_owned(), "Windows-1252 (Latin-1)"),
        ] {
            assert_eq!(read(&bytes), Ok((name, text.to_owned())));
        }
    }

    #[test]
    fn x1_every_line_end_becomes_one() {
        for text in ["a\nb\n", "a\r\nb\r\n", "a\rb\r", "a\r\nb"] {
            assert_eq!(read(text.as_bytes()).unwrap().1, "a\nb\n", "{text:?}");
        }
    }

    #[test]
    fn what_is_not_text_is_refused() {
        let mixed = [&"Währung;".repeat(3).into_bytes()[..], b"W\xE4hrung\n"].concat();
        let torn = &utf16("Währung", false, true)[..9];
        for bytes in [&b""[..], b"PK\x03\x04rest", b"\x1f\x8b\x08", b"a\0b\0\0c", b"W\xE4\x81\n", &mixed, torn] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
        assert!(read(&mixed).unwrap_err().contains("mixes UTF-8"));
        assert!(read(b"PK\x03\x04").unwrap_err().contains("CSV"));
    }

    #[test]
    fn a_character_across_two_chunks_is_one_character() {
        let text = format!("{}ä\n", "x".repeat(CHUNK - 1));
        assert_eq!(read(text.as_bytes()), Ok(("UTF-8", text)));
    }
}

//! A disk that can lose its power. What a program asks of the system while it runs is recorded by `strace`, write by
//! write and sync by sync; played up to some moment, whatever was not yet synced is lost, kept, reordered or torn. Where
//! the machine has no `strace`, the tests say so and are skipped; with `WILLITSELL_SKIP_IS_FAILURE` set, as in
//! `.ci/run`, absence is a failure. Not what is done with the files: see `store/power.rs`.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::process::Command;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// What a disk writes at once or not at all, in bytes.
const SECTOR: usize = 512;

/// All that changes a file or its name, or makes such a change last.
const CALLS: &str =
    "openat,lseek,write,pwrite64,ftruncate,fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink";

/// A command that runs a program under `strace`; `None` with a printed line where there is none.
pub fn strace() -> Option<Command> {
    if Command::new("strace").arg("--version").output().is_ok() {
        let mut command = Command::new("strace");
        command.args(["-f", "--seccomp-bpf"]);
        return Some(command);
    }
    assert!(std::env::var_os("WILLITSELL_SKIP_IS_FAILURE").is_none(), "strace is absent");
    println!("skipped: strace is absent");
    None
}

/// Has it record into a file, for [`Recording::read`].
pub fn record(strace: &mut Command, trace: &Path) {
    strace.args(["-z", "-y", "-xx", "-s", "16777216", "-e", &format!("trace={CALLS}"), "-o"]).arg(trace);
}

/// Something that a program asked of the system, and got.
enum Event {
    Opened {
        name: String,
        creates: bool,
        empties: bool,
    },
    Wrote {
        name: String,
        at: Option<usize>,
        bytes: Vec<u8>,
    },
    Cut {
        name: String,
        length: usize,
    },
    Synced {
        name: String,
    },
    /// What the folder's names stand for is on disk.
    SyncedNames,
    Named {
        from: String,
        to: String,
        keeps: bool,
    },
    Removed {
        name: String,
    },
    /// A line to the file of promises.
    Promised(String),
}

/// What a program did to the files of one folder, in order.
pub struct Recording {
    events: Vec<Event>,
    /// By thread, how often it wrote to them.
    writes: HashMap<u32, usize>,
}

impl Recording {
    /// Reads a trace of what was done in `folder`, and of what was written to `promises` outside it.
    pub fn read(trace: &Path, folder: &Path, promises: &Path) -> Self {
        let mut recording = Self { events: Vec::new(), writes: HashMap::new() };
        let mut offsets: HashMap<u32, Option<usize>> = HashMap::new();
        let mut begun = String::new();
        for line in fs::read_to_string(trace).unwrap().lines() {
            // A call during which another thread ends stands on two lines.
            if let Some((before, _)) = line.split_once(" <unfinished") {
                before.clone_into(&mut begun);
                continue;
            }
            let line = if line.starts_with(')') { std::mem::take(&mut begun) + line } else { line.to_owned() };
            assert!(!line.contains(" resumed>"), "an order of calls that is not understood: {line:.200}");
            // `PID name(ARGUMENTS) = RESULT`; every text in it is written in hexadecimal.
            let Some((before, result)) = line.rsplit_once(" = ") else { continue };
            let (thread, call) = before.trim().split_once(' ').unwrap();
            let Some((call, arguments)) = call.trim().split_once('(') else { continue };
            let arguments: Vec<&str> = arguments.trim_end().trim_end_matches(')').split(", ").collect();
            let (file, path) = opened(arguments[0]);
            let here = |path: &str| {
                Path::new(path).strip_prefix(folder).ok().and_then(|name| name.to_str().map(str::to_owned))
            };
            let at = |position: usize| here(&text(arguments[position]));
            match call {
                "openat" => {
                    let (file, path) = opened(result);
                    let appends = arguments[2].contains("O_APPEND");
                    offsets.insert(file, (!appends).then_some(0));
                    let flag = |flag| arguments[2].contains(flag);
                    let opened = |name| Event::Opened { name, creates: flag("O_CREAT"), empties: flag("O_TRUNC") };
                    recording.events.extend(here(&path).filter(|name| !name.is_empty()).map(opened));
                }
                "lseek" => _ = offsets.insert(file, Some(result.parse().unwrap())),
                "write" if Path::new(&path) == promises => recording.events.push(Event::Promised(text(arguments[1]))),
                "write" | "pwrite64" => {
                    let mut bytes = bytes(arguments[1]);
                    bytes.truncate(result.parse().unwrap());
                    let at = if call == "write" {
                        let offset = offsets.get(&file).copied().flatten();
                        offsets.insert(file, offset.map(|offset| offset + bytes.len()));
                        offset
                    } else {
                        Some(arguments[3].parse().unwrap())
                    };
                    if let Some(name) = here(&path) {
                        *recording.writes.entry(thread.parse().unwrap()).or_default() += 1;
                        recording.events.push(Event::Wrote { name, at, bytes });
                    }
                }
                "ftruncate" => {
                    let length = arguments[1].parse().unwrap();
                    recording.events.extend(here(&path).map(|name| Event::Cut { name, length }));
                }
                "fsync" | "fdatasync" => {
                    let synced =
                        |name: String| if name.is_empty() { Event::SyncedNames } else { Event::Synced { name } };
                    recording.events.extend(here(&path).map(synced));
                }
                "rename" | "link" => {
                    let named = |(from, to)| Event::Named { from, to, keeps: call == "link" };
                    recording.events.extend(at(0).zip(at(1)).map(named));
                }
                "renameat" | "renameat2" | "linkat" => {
                    let named = |(from, to)| Event::Named { from, to, keeps: call == "linkat" };
                    recording.events.extend(at(1).zip(at(3)).map(named));
                }
                "unlink" => recording.events.extend(at(0).map(|name| Event::Removed { name })),
                _ => {}
            }
        }
        assert!(recording.len() > 0, "nothing was recorded");
        recording
    }

    /// How many events there are: as many moments at which the power may fail.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// How often the busiest thread wrote.
    pub fn writes_of_one_thread(&self) -> usize {
        self.writes.values().copied().max().unwrap_or_default()
    }

    /// Every promise, in order.
    pub fn promises(&self) -> impl Iterator<Item = &str> {
        self.events.iter().filter_map(|event| if let Event::Promised(text) = event { Some(text.trim()) } else { None })
    }
}

/// A descriptor with its path, as `3</path>`; the path is empty where the file has no name any more.
fn opened(argument: &str) -> (u32, String) {
    let Some((number, path)) = argument.split_once('<') else { return (u32::MAX, String::new()) };
    let path = path.strip_suffix('>').map(text).unwrap_or_default();
    (number.parse().unwrap_or(u32::MAX), path)
}

/// `"\x41\x42"`, or the same without quotation marks.
fn bytes(argument: &str) -> Vec<u8> {
    assert!(!argument.ends_with("..."), "a write was not recorded whole");
    let digits = argument.trim_matches('"').split("\\x").skip(1);
    digits.map(|digits| u8::from_str_radix(digits, 16).unwrap()).collect()
}

fn text(argument: &str) -> String {
    String::from_utf8(bytes(argument)).unwrap()
}

/// A change to what is in a file.
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Length(usize),
}

#[derive(Default)]
struct File {
    on_disk: Vec<u8>,
    unsynced: Vec<Change>,
    length: usize,
}

/// The files of a folder: what is on disk, and what was asked for since.
pub struct Disk {
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    lasting_names: BTreeMap<String, usize>,
    unsynced_names: Vec<(String, Option<usize>)>,
    /// One that says it has synced and has not.
    lies: bool,
    played: usize,
    kept: usize,
}

impl Disk {
    /// One with these files on it, all synced.
    pub fn of(folder: &Path, lies: bool) -> Self {
        let mut disk = Self {
            files: Vec::new(),
            names: BTreeMap::new(),
            lasting_names: BTreeMap::new(),
            unsynced_names: Vec::new(),
            lies,
            played: 0,
            kept: 0,
        };
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let on_disk = fs::read(entry.path()).unwrap();
            disk.names.insert(entry.file_name().into_string().unwrap(), disk.files.len());
            disk.files.push(File { length: on_disk.len(), on_disk, unsynced: Vec::new() });
        }
        disk.lasting_names = disk.names.clone();
        disk
    }

    /// Plays a recording up to some moment, which is none that lies behind.
    pub fn play(&mut self, recording: &Recording, until: usize) {
        for event in &recording.events[self.played..until] {
            self.take(event);
        }
        self.played = until;
    }

    /// How many promises were made by now.
    pub fn promises(&self) -> usize {
        self.kept
    }

    fn take(&mut self, event: &Event) {
        match event {
            Event::Opened { name, creates, empties } => {
                if *creates && !self.names.contains_key(name) {
                    self.files.push(File::default());
                    self.call(name, Some(self.files.len() - 1));
                }
                if *empties {
                    self.change(name, |_| Change::Length(0));
                }
            }
            Event::Wrote { name, at, bytes } => {
                self.change(name, |length| Change::Write { at: at.unwrap_or(length), bytes: bytes.clone() });
            }
            Event::Cut { name, length } => self.change(name, |_| Change::Length(*length)),
            Event::Synced { name } => {
                if let Some(&file) = self.names.get(name).filter(|_| !self.lies) {
                    let file = &mut self.files[file];
                    for change in std::mem::take(&mut file.unsynced) {
                        change.apply(&mut file.on_disk, |_| true);
                    }
                }
            }
            Event::SyncedNames if self.lies => {}
            Event::SyncedNames => {
                self.unsynced_names.clear();
                self.lasting_names = self.names.clone();
            }
            Event::Named { from, to, keeps } => {
                let file = self.names[from];
                self.call(to, Some(file));
                if !keeps {
                    self.call(from, None);
                }
            }
            Event::Removed { name } => self.call(name, None),
            Event::Promised(_) => self.kept += 1,
        }
    }

    fn change(&mut self, name: &str, change: impl FnOnce(usize) -> Change) {
        let file = &mut self.files[self.names[name]];
        let change = change(file.length);
        file.length = match &change {
            Change::Write { at, bytes } => file.length.max(at + bytes.len()),
            Change::Length(length) => *length,
        };
        file.unsynced.push(change);
    }

    fn call(&mut self, name: &str, file: Option<usize>) {
        match file {
            Some(file) => _ = self.names.insert(name.to_owned(), file),
            None => _ = self.names.remove(name),
        }
        self.unsynced_names.push((name.to_owned(), file));
    }

    /// The files as a program leaves them that is killed now.
    pub fn leave(&self, into: &Path) {
        for (name, file) in &self.names {
            let file = &self.files[*file];
            let mut found = file.on_disk.clone();
            for change in &file.unsynced {
                change.apply(&mut found, |_| true);
            }
            fs::write(into.join(name), found).unwrap();
        }
    }

    /// The files that are found in a folder after the power failed now.
    pub fn cut(&self, into: &Path, rng: &mut ChaCha8Rng) {
        let mut names = self.lasting_names.clone();
        // File systems keep the order of names.
        let lasting = rng.random_range(0..=self.unsynced_names.len());
        for (name, file) in &self.unsynced_names[..lasting] {
            match file {
                Some(file) => _ = names.insert(name.clone(), *file),
                None => _ = names.remove(name),
            }
        }
        for (name, file) in names {
            let found = self.files[file].after_cut(rng);
            // Shared memory is not written by calls: what is left of it is anything.
            let found = if name.ends_with("-shm") { found.iter().map(|_| rng.random()).collect() } else { found };
            fs::write(into.join(name), found).unwrap();
        }
    }
}

impl File {
    fn after_cut(&self, rng: &mut ChaCha8Rng) -> Vec<u8> {
        let mut found = self.on_disk.clone();
        let whole = rng.random_range(0..=self.unsynced.len());
        let how = rng.random_range(0..4);
        for (position, change) in self.unsynced.iter().enumerate() {
            match how {
                // Up to some moment, which may be at once or now.
                0 => change.apply(&mut found, |_| position < whole),
                1 => change.apply(&mut found, |_| true),
                // Some of them, so that later ones may be there and earlier ones not.
                2 => {
                    let is_there = rng.random();
                    change.apply(&mut found, |_| is_there);
                }
                _ => change.apply(&mut found, |_| rng.random()),
            }
        }
        found
    }
}

impl Change {
    /// Changes a file, or the sectors of it that are `kept`.
    fn apply(&self, file: &mut Vec<u8>, mut kept: impl FnMut(usize) -> bool) {
        match self {
            Self::Length(length) => {
                if kept(length / SECTOR) {
                    file.resize(*length, 0);
                }
            }
            Self::Write { at, bytes } => {
                let mut done = 0;
                while done < bytes.len() {
                    let sector = (at + done) / SECTOR;
                    let next = bytes.len().min((sector + 1) * SECTOR - at);
                    if kept(sector) {
                        file.resize(file.len().max(at + next), 0);
                        file[at + done..at + next].copy_from_slice(&bytes[done..next]);
                    }
                    done = next;
                }
            }
        }
    }
}

//! A program of the user's that brings results: how it is started, read line by line, and ended. It sees few of our
//! environment's variables and none of our secrets but those it is handed, runs in a folder of its own that goes with it,
//! and takes its children along when it is stopped. What its lines mean is `manifest::program`'s business.

use std::ffi::OsString;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use secrecy::SecretString;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;

use super::http::evidence;

/// Longest line that is read, in bytes.
const LONGEST_LINE: usize = 8 << 20;

/// Most that is read of one run, in bytes.
const MOST_BYTES: usize = 2 << 30;

/// So much of the end of its messages is kept, in bytes.
const KEPT_OF_MESSAGES: usize = 16 << 10;

/// How long a program may take to end once it has said all.
const TO_END: Duration = Duration::from_secs(30);

/// What it may see of our environment: where programs, certificates and the way out are. Tokens stand in other variables.
const SEEN: [&str; 11] = [
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SystemRoot",
];

/// A program that runs.
pub(super) struct Running<'s> {
    child: Child,
    group: Group,
    lines: BufReader<ChildStdout>,
    messages: JoinHandle<Vec<u8>>,
    secrets: &'s [SecretString],
    read: usize,
}

impl<'s> Running<'s> {
    /// Starts a program in a folder, hands it `input` and closes it; `secrets` are shown in no error.
    ///
    /// # Errors
    /// A sentence, where it cannot be started or may be another's.
    pub(super) fn start(
        path: &Path,
        arguments: &[OsString],
        input: Vec<u8>,
        folder: &Path,
        secrets: &'s [SecretString],
    ) -> Result<Self, String> {
        must_be_ours(path)?;
        let mut command = Command::new(path);
        command.args(arguments).current_dir(folder).env_clear().kill_on_drop(true);
        command.envs(SEEN.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().map_err(|error| format!("{} cannot be started: {error}", path.display()))?;
        let group = Group::of(&child);
        let (Some(mut stdin), Some(stdout), Some(mut stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(format!("{} cannot be listened to", path.display()));
        };
        tokio::spawn(async move {
            // Whoever does not read its input ends without it.
            let _ = stdin.write_all(&input).await;
        });
        let messages = tokio::spawn(async move {
            let (mut kept, mut chunk) = (Vec::new(), vec![0; 4 << 10]);
            while let Ok(read @ 1..) = stderr.read(&mut chunk).await {
                kept.extend_from_slice(&chunk[..read]);
                let over = kept.len().saturating_sub(KEPT_OF_MESSAGES);
                kept.drain(..over);
            }
            kept
        });
        Ok(Self { child, group, lines: BufReader::new(stdout), messages, secrets, read: 0 })
    }

    /// Puts the next line in `line`, without its end; returns whether there was one.
    ///
    /// # Errors
    /// A sentence, where it is too long, too much, or cannot be read.
    pub(super) async fn next(&mut self, line: &mut Vec<u8>) -> Result<bool, String> {
        line.clear();
        loop {
            let some = self.lines.fill_buf().await.map_err(|error| format!("it cannot be read: {error}"))?;
            if some.is_empty() {
                return Ok(!line.is_empty());
            }
            let end = some.iter().position(|byte| *byte == b'\n');
            line.extend_from_slice(&some[..end.unwrap_or(some.len())]);
            let read = end.map_or(some.len(), |end| end + 1);
            self.lines.consume(read);
            self.read = self.read.saturating_add(read);
            if line.len() > LONGEST_LINE {
                return Err(format!("it writes a line of more than {} MiB", LONGEST_LINE >> 20));
            }
            if self.read > MOST_BYTES {
                return Err(format!("it writes more than {} GiB: let it begin later", MOST_BYTES >> 30));
            }
            if end.is_some() {
                return Ok(true);
            }
        }
    }

    /// Waits for its end; it must be a good one.
    ///
    /// # Errors
    /// A sentence with the last of its messages.
    pub(super) async fn end(mut self) -> Result<(), String> {
        let ended = tokio::time::timeout(TO_END, self.child.wait()).await;
        match ended {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(self.with_messages(&ended_badly(status)).await),
            Ok(Err(error)) => Err(format!("how it ended cannot be told: {error}")),
            Err(_) => {
                let what = format!("it did not end within {} s after its last line", TO_END.as_secs());
                Err(self.with_messages(&what).await)
            }
        }
    }

    /// A sentence with the last that the program said, which is stopped.
    pub(super) async fn with_messages(self, what: &str) -> String {
        let Self { child, group, messages, secrets, .. } = self;
        drop(group);
        drop(child);
        let said = tokio::time::timeout(Duration::from_secs(1), messages).await;
        let said = said.ok().and_then(Result::ok).unwrap_or_default();
        let shown = last_words(&said, secrets);
        if shown.is_empty() { what.to_owned() } else { format!("{what}; its last message: {shown}") }
    }
}

fn ended_badly(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("it ended with code {code}, so nothing of it was used"),
        None => "it was stopped from outside, so nothing of it was used".to_owned(),
    }
}

/// The last two lines of what a program said, without secrets.
fn last_words(said: &[u8], secrets: &[SecretString]) -> String {
    let mut lines = said.rsplit(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let (last, before) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    evidence(&[before, b" ", last].concat(), secrets)
}

/// A program that others may change would be shown our secrets.
fn must_be_ours(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let about = std::fs::metadata(path).map_err(|error| format!("{shown} cannot be started: {error}"))?;
    if !about.is_file() {
        return Err(format!("{shown} is no program: write the path of its file"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if about.permissions().mode() & 0o002 != 0 {
            return Err(format!("{shown} may be changed by anybody on this machine: chmod o-w {shown}"));
        }
    }
    Ok(())
}

/// The program and all it started; stopped when dropped.
struct Group {
    #[cfg(unix)]
    leader: Option<rustix::process::Pid>,
}

impl Group {
    #[cfg(unix)]
    fn of(child: &Child) -> Self {
        let leader = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        Self { leader }
    }

    #[cfg(not(unix))]
    fn of(_: &Child) -> Self {
        Self {}
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // An empty group is no error: all have ended.
        #[cfg(unix)]
        if let Some(leader) = self.leader {
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}

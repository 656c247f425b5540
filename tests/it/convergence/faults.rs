//! What goes wrong on a simulated day, drawn from its seed: one call in a hundred at each vendor, and what hinders the writes of a
//! store in a file.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use willitsell::sandbox::{Answer, Endpoint, Fault, Sandbox, google_ads, slack, typeform};

use crate::disk::strace;

/// More calls of one endpoint than a day has.
const CALLS: u64 = 4_000;

/// Up to how manyeth read of a connection one fails: early ones are those of daily work, late ones those of reading all through.
const READS: [u32; 4] = [10, 50, 250, 1_250];

/// Until whoever is to be killed over an answer is.
const HELD: Duration = Duration::from_secs(20);

const ENDPOINTS: [Endpoint; 4] = [Endpoint::GoogleAds, Endpoint::GoogleToken, Endpoint::Typeform, Endpoint::Slack];

/// A call at which the process is killed, while its answer is held back.
#[derive(Clone, Copy, Debug)]
pub struct Death {
    pub endpoint: Endpoint,
    /// The how manyeth call of it.
    pub call: u64,
    /// Whether what it asked for is done before.
    pub is_done: bool,
}

/// What goes wrong at the vendors.
pub struct Vendors {
    /// In order of call at each endpoint.
    pub deaths: Vec<Death>,
    told: Vec<(Endpoint, u64, String)>,
}

impl Vendors {
    /// Has it go wrong.
    pub fn script(sandbox: &Sandbox, seed: u64) -> Self {
        let mut drawn = Self { deaths: Vec::new(), told: Vec::new() };
        for (number, endpoint) in ENDPOINTS.into_iter().enumerate() {
            let mut rng = ChaCha8Rng::seed_from_u64(seed ^ (number as u64 + 1) << 32);
            // A vendor that is down is so for some calls.
            let mut down = 0_u32;
            let faults: Vec<Fault> = (1..=CALLS)
                .map(|call| {
                    if down > 0 {
                        down -= 1;
                        return Fault::status(503);
                    }
                    match rng.random_range(0..1_000) {
                        0..8 => {
                            let fault = one(endpoint, &mut rng);
                            drawn.told.push((endpoint, call, format!("{fault:?}")));
                            fault
                        }
                        8 => {
                            down = rng.random_range(2..20);
                            drawn.told.push((endpoint, call, format!("503 for {} calls", down + 1)));
                            Fault::status(503)
                        }
                        9..12 => {
                            let is_done = rng.random();
                            drawn.deaths.push(Death { endpoint, call, is_done });
                            if is_done { Fault::Late(HELD) } else { Fault::Slow(HELD) }
                        }
                        // Right, and at once.
                        _ => Fault::Slow(Duration::ZERO),
                    }
                })
                .collect();
            sandbox.script(endpoint, faults);
        }
        drawn
    }

    /// Nothing goes wrong there any more.
    pub fn calm(&mut self) {
        self.deaths.clear();
        self.told.clear();
    }

    /// What has gone wrong since this was last asked.
    pub fn told(&mut self, sandbox: &Sandbox) -> Vec<String> {
        let came = self.told.extract_if(.., |(endpoint, call, _)| *call <= sandbox.calls(*endpoint));
        came.map(|(endpoint, call, fault)| format!("call {call} of {endpoint:?}: {fault}")).collect()
    }
}

/// One thing that goes wrong by itself and is over with the next call.
fn one(endpoint: Endpoint, rng: &mut ChaCha8Rng) -> Fault {
    let common = [Fault::Torn, Fault::status(500), Fault::status(502), Fault::html(), Fault::json(200, "{}")];
    let retry = |after: &str| Answer::json(429, "{}".to_owned()).with("retry-after", after).into();
    let of_its_own: Vec<Fault> = match endpoint {
        Endpoint::GoogleAds => vec![
            google_ads::throttled(1),
            google_ads::expired(),
            google_ads::error_in_200(),
            Fault::PageLoop,
            Fault::Renamed("clicks", "taps"),
            retry("10000000000"),
        ],
        Endpoint::Typeform => vec![
            typeform::throttled(),
            typeform::error_in_200(),
            typeform::unauthorized(),
            Fault::PageLoop,
            Fault::Renamed("submitted_at", "sent_at"),
            retry("soon"),
        ],
        Endpoint::Slack => vec![slack::throttled(1), retry("-1"), retry("")],
        _ => vec![retry("0"), retry("Wed, 21 Oct 2026 07:28:00 GMT")],
    };
    let all: Vec<Fault> = common.into_iter().chain(of_its_own).collect();
    all[rng.random_range(0..all.len())].clone()
}

/// Every so manieth write or sync of a connection fails, so often at most: a daemon that begins anew needs some of them for what it
/// has begun, and would fail at the same one for ever.
const EVERY: u32 = 100;
const AT_MOST: u32 = 8;

/// What the disk refused, in a day's folder.
pub const DISK_LOG: &str = "disk.log";

/// Runs a process whose store in a file cannot write every hundredth time, or that is killed over a write, and to which some read
/// of the file fails; `None` without `strace`. What goes wrong is counted from its start, by connection and kind of call.
pub fn hindered(folder: &Path, rng: &mut ChaCha8Rng) -> Option<(Command, String)> {
    let mut command = strace()?;
    for suffix in ["", "-wal", "-shm"] {
        command.arg("-P").arg(folder.join(format!("willitsell.db{suffix}")));
    }
    let (first, kill) = (rng.random_range(1..=EVERY), rng.random_range(1..=300));
    let last = first + EVERY * (AT_MOST - 1);
    let [write, sync] = if rng.random() {
        [format!("error=ENOSPC:when={first}..{last}+{EVERY}"), format!("signal=SIGKILL:when={kill}")]
    } else {
        [format!("signal=SIGKILL:when={kill}"), format!("error=EIO:when={first}..{last}+{EVERY}")]
    };
    let most = READS[rng.random_range(0..READS.len())];
    let read = format!("error=EIO:when={}", rng.random_range(1..=most));
    command.args(["-e", "trace=pwrite64,write,ftruncate,fdatasync,fsync,pread64"]);
    command.args(["-e", &format!("inject=pwrite64,write,ftruncate:{write}")]);
    command.args(["-e", &format!("inject=pread64:{read}")]);
    command.args(["-e", &format!("inject=fdatasync,fsync:{sync}"), "-Z", "-A", "-tt", "-o"]).arg(folder.join(DISK_LOG));
    Some((command, format!("writes: {write}, syncs: {sync}, reads: {read}")))
}

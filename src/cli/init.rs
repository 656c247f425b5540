//! `willitsell init`: a few questions, and the small configuration they amount to. What is written
//! loads without an error as soon as the secrets it names exist; everything else there is to set
//! stands in the example configuration.

mod sources;

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::process::ExitCode;

use chrono::{NaiveDate, Utc};
use chrono_tz::Tz;
use clap::Args;
use serde::Serialize;

pub use sources::{Application, Asked, Reads};

use super::next_command;
use super::output::{Failure, Output};
use crate::app;
use crate::config::defaults::BUILD_BAR_PER_KILL_BAR;
use crate::domain::connector::ConnectorInfo;
use crate::domain::millionths;
use crate::domain::money::{Currency, Money, parse_amount};

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Print the configuration instead of writing it.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct Written<'a> {
    file: &'a Path,
    configuration: &'a str,
    dry_run: bool,
}

/// Asks, then writes the configuration; never over an existing file.
///
/// # Errors
/// When the file exists or cannot be written, or the questions were not answered.
pub fn run(args: &InitArgs, path: &Path, output: &Output) -> Result<ExitCode, Failure> {
    if !args.dry_run && path.exists() {
        let advice = "move it away, or name another with --config FILE";
        return Err(Failure::usage(format!("{} exists and is not overwritten: {advice}", path.display())));
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        return Err(Failure::usage(format!("there is no folder {}: make it first", folder.display())));
    }
    let today = Utc::now().date_naive();
    let answers = ask(io::stdin().lock(), io::stderr(), today, &app::registry()?.infos())
        .map_err(|error| Failure::general(format!("nothing was written: {error}; run `init` at a terminal")))?;
    let text = render(&answers);
    if !args.dry_run {
        write_new(path, &text).map_err(|error| Failure::general(format!("{}: {error}", path.display())))?;
    }
    let written = Written { file: path, configuration: &text, dry_run: args.dry_run };
    output.show(&written, || {
        if args.dry_run {
            text.clone()
        } else {
            format!("{} is written. Next: {}.", path.display(), next_command(path, "check"))
        }
    });
    Ok(ExitCode::SUCCESS)
}

/// What a visitor does that decides, each with the bars of product.md section 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecidingAct {
    /// Leaves an e-mail address.
    Email,
    /// Leaves one and confirms it.
    VerifiedEmail,
    /// Signs up, verified and inside the customer profile.
    QualifiedSignup,
    /// Asks for a demo.
    DemoRequest,
    /// Presses "buy" or gives a card.
    Card,
    /// Pays a small deposit.
    Deposit,
}

impl DecidingAct {
    /// Every act, from the shallowest to the deepest.
    pub const ALL: [Self; 6] =
        [Self::Email, Self::VerifiedEmail, Self::QualifiedSignup, Self::DemoRequest, Self::Card, Self::Deposit];

    fn words(self) -> &'static str {
        match self {
            Self::Email => "leaves an e-mail address",
            Self::VerifiedEmail => "leaves an e-mail address and confirms it",
            Self::QualifiedSignup => "signs up, verified and the kind of customer you want",
            Self::DemoRequest => "asks for a demo",
            Self::Card => "presses \"buy\" or gives a card",
            Self::Deposit => "pays a deposit of 1 to 25 dollars",
        }
    }

    /// Kill bar and build bar to offer, as shares of visitors.
    pub fn bars(self) -> (f64, f64) {
        match self {
            Self::Email => (0.05, 0.10),
            Self::VerifiedEmail => (0.03, 0.05),
            Self::QualifiedSignup => (0.015, 0.03),
            Self::DemoRequest => (0.008, 0.015),
            Self::Card => (0.01, 0.02),
            Self::Deposit => (0.004, 0.01),
        }
    }
}

/// What the questions bring.
#[derive(Clone, Debug, PartialEq)]
pub struct Answers {
    /// KEY of the experiment.
    pub key: String,
    /// What people call the concept.
    pub title: String,
    /// Who would do what at which price.
    pub hypothesis: String,
    /// Who decides.
    pub owner: Option<String>,
    /// Page that says the product is not available yet.
    pub disclosure: Option<String>,
    /// Where the numbers come from.
    pub reads: Reads,
    /// What tells the campaigns of this concept from others: ids, or names as they stand in files.
    pub campaigns: Vec<String>,
    /// Break-even, as a share of visitors.
    pub kill_bar: f64,
    /// Worth finding, as a share of visitors.
    pub build_bar: f64,
    /// Most that may be spent.
    pub budget_cap: Option<Money>,
    /// Of the schedule and the start.
    pub timezone: Tz,
    /// First day that counts.
    pub start: NaiveDate,
    /// Whether Slack is told.
    pub slack: bool,
}

/// The configuration that the answers amount to.
pub fn render(answers: &Answers) -> String {
    let mut text = String::from(
        "# Written by `willitsell init`. `willitsell check` says what is wrong or missing; the example\n\
         # configuration shows everything else there is to set.\n",
    );
    if answers.slack {
        text += "\n[notify.team.slack]\nurl = \"env:SLACK_WEBHOOK_URL\"\n";
    }
    text += &answers.reads.tables();
    let key = &answers.key;
    let mut experiment = vec![("title", quoted(&answers.title)), ("hypothesis", quoted(&answers.hypothesis))];
    experiment.extend(answers.owner.as_ref().map(|owner| ("owner", quoted(owner))));
    experiment.extend(answers.disclosure.as_ref().map(|page| ("disclosure", quoted(page))));
    experiment.push(("schedule", "\"0 6 * * *\"  # minute hour day-of-month month weekday: every day at 06:00".into()));
    experiment.push(("timezone", quoted(answers.timezone.name())));
    experiment.push(("start", quoted(&answers.start.to_string())));
    experiment.push(("sources", answers.reads.names()));
    if answers.slack {
        experiment.push(("notify", "[\"team\"]".into()));
    }
    text += &table(&format!("experiment.{key}"), &experiment);
    text += "\n# One such table for each version shown to people; keys say what belongs to it.\n";
    text += table(&format!("experiment.{key}.arm.offer"), &[("keys", answers.reads.keys(key, &answers.campaigns))])
        .trim_start();
    let rate = [("numerator", quoted(answers.reads.act.metric().name)), ("denominator", quoted("clicks"))];
    text += &table(&format!("experiment.{key}.rate.act"), &rate);
    let (kill_bar, build_bar) = (share(answers.kill_bar), share(answers.build_bar));
    let mut policy = vec![
        ("primary", "\"act\"".to_owned()),
        ("kill_bar", format!("{kill_bar:<7} # break-even; BUILD when the rate is surely above it")),
        ("build_bar", format!("{build_bar:<6} # worth finding; KILL when the rate is surely below it")),
    ];
    policy.extend(answers.budget_cap.map(|cap| ("budget_cap", amount(cap))));
    text + &table(&format!("experiment.{key}.policy"), &policy)
}

fn table(name: &str, lines: &[(&str, String)]) -> String {
    let mut text = format!("\n[{name}]\n");
    for (key, value) in lines {
        let _ = writeln!(text, "{key} = {value}");
    }
    text
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A list of texts, as the configuration writes it.
pub(super) fn list(items: &[String]) -> String {
    toml::Value::from(items.to_vec()).to_string()
}

fn amount(money: Money) -> String {
    format!("{{ amount = \"{}\", currency = \"{}\" }}", millionths::print(money.micros), money.currency)
}

/// A share without the noise of binary fractions.
fn share(share: f64) -> String {
    let text = format!("{share:.6}");
    text.trim_end_matches('0').to_owned()
}

/// Writes a configuration that is not there yet, for its owner's eyes only.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] where there is a file of that name; it is left as it is.
pub fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

/// Asks the questions; an empty line takes what stands in brackets. `today` is the start offered,
/// `known` the connectors there are.
///
/// # Errors
/// What reading or writing gives; [`io::ErrorKind::UnexpectedEof`] when the answers end early.
pub fn ask(input: impl BufRead, output: impl Write, today: NaiveDate, known: &[ConnectorInfo]) -> io::Result<Answers> {
    let mut talk = Talk { input, output };
    let title = talk.ask("What do you call the concept?", None, some_text)?;
    let key = talk.ask("A short name for the command line", Some(&short_name(&title)), a_name)?;
    let hypothesis =
        talk.ask("Hypothesis: at least how many of whom will do what, at which price?", None, some_text)?;
    let owner =
        talk.ask("Who decides in the end, with role? (empty: nobody named)", Some(""), |text| Ok(optional(text)))?;
    let disclosure = talk.ask(
        "Address of the page that tells visitors it is not available yet (empty: later)",
        Some(""),
        optional_address,
    )?;
    let reads = talk.reads(known)?;
    let campaigns = if reads.ads.by_hand {
        // Names of campaigns hold commas. Who does not know them by heart goes on; `import` shows them.
        let question = "Names of this concept's campaigns, as in the file, semicolons between (not sure? press Enter)";
        talk.ask(question, Some(&title), |text| items(text, ';'))?
    } else {
        talk.ask("Ids of this concept's campaigns, commas between", None, |text| items(text, ','))?
    };
    talk.say("What does a visitor do that decides?")?;
    let act = DecidingAct::ALL[talk.choose(&DecidingAct::ALL.map(DecidingAct::words))?];
    let (kill, build) = act.bars();
    let question = "Break-even: at or below which rate would building lose money, in % of visitors?";
    let kill_bar = talk.ask(question, Some(&percent(kill)), |text| rate(text, 0.0))?;
    let offered = if percent(kill_bar) == percent(kill) { build } else { kill_bar * BUILD_BAR_PER_KILL_BAR };
    let offered = Some(percent(offered)).filter(|offered| rate(offered, kill_bar).is_ok());
    let question = "Worth finding: from which rate would you be sorry not to build, in %?";
    let build_bar = talk.ask(question, offered.as_deref(), |text| rate(text, kill_bar))?;
    let budget_cap =
        talk.ask("Most you will spend, for example 1500 EUR (empty: no limit)", Some(""), optional_money)?;
    let timezone = talk.ask("Time zone", Some("UTC"), a_zone)?;
    let start = talk.ask("First day that counts (the day the ads begin, or began)", Some(&today.to_string()), a_day)?;
    let slack = talk.ask("Tell a Slack channel, through an incoming webhook? (yes or no)", Some("no"), yes_or_no)?;
    Ok(Answers {
        key,
        title,
        hypothesis,
        owner,
        disclosure,
        reads,
        campaigns,
        kill_bar,
        build_bar,
        budget_cap,
        timezone,
        start,
        slack,
    })
}

struct Talk<R, W> {
    input: R,
    output: W,
}

impl<R: BufRead, W: Write> Talk<R, W> {
    fn say(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.output, "{text}")
    }

    /// Asks until the answer can be read.
    fn ask<T>(
        &mut self,
        question: &str,
        default: Option<&str>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> io::Result<T> {
        loop {
            match default.filter(|default| !default.is_empty()) {
                Some(default) => write!(self.output, "{question} [{default}]: ")?,
                None => write!(self.output, "{question}: ")?,
            }
            self.output.flush()?;
            let mut line = String::new();
            if self.input.read_line(&mut line)? == 0 {
                self.say("")?;
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the answers ended before the questions"));
            }
            let answer = Some(line.trim()).filter(|line| !line.is_empty()).or(default).unwrap_or_default();
            match read(answer) {
                Ok(answer) => return Ok(answer),
                Err(advice) => self.say(&format!("  {advice}"))?,
            }
        }
    }

    /// One of several, by number; the first is offered.
    fn choose(&mut self, choices: &[&str]) -> io::Result<usize> {
        for (number, choice) in (1..).zip(choices) {
            self.say(&format!("  {number}  {choice}"))?;
        }
        self.ask("Number", Some("1"), |text| {
            let number = text.parse().ok().filter(|number| (1..=choices.len()).contains(number));
            number.map(|number: usize| number - 1).ok_or(format!("a number from 1 to {}, please", choices.len()))
        })
    }
}

fn some_text(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("a few words, please".into()) } else { Ok(text.to_owned()) }
}

fn optional(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn optional_address(text: &str) -> Result<Option<String>, String> {
    let is_address = text.starts_with("https://") && url::Url::parse(text).is_ok();
    if text.is_empty() || is_address { Ok(optional(text)) } else { Err("an address that begins with https://".into()) }
}

fn a_name(text: &str) -> Result<String, String> {
    if short_name(text) == text { Ok(text.to_owned()) } else { Err("small letters a to z, digits and - only".into()) }
}

/// A title as one word: `Meal kit, cats` becomes `meal-kit-cats`.
fn short_name(title: &str) -> String {
    const LONGEST: usize = 40;
    let lower = title.to_ascii_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let name: String = words.join("-").chars().take(LONGEST).collect();
    let name = name.trim_end_matches('-');
    if name.is_empty() { "concept".to_owned() } else { name.to_owned() }
}

fn items(text: &str, between: char) -> Result<Vec<String>, String> {
    let mut items: Vec<String> = Vec::new();
    for item in text.split(between).map(str::trim).filter(|item| !item.is_empty()) {
        if !items.iter().any(|other| other == item) {
            items.push(item.to_owned());
        }
    }
    if items.is_empty() { Err("at least one, please: nothing is counted that is not named".into()) } else { Ok(items) }
}

fn percent(rate: f64) -> String {
    share(rate * 100.0).trim_end_matches('.').to_owned()
}

fn rate(text: &str, above: f64) -> Result<f64, String> {
    let number = text.trim_end_matches('%').trim().replace(',', ".");
    let rate = number.parse::<f64>().ok().map(|percent| percent / 100.0);
    let fits = |rate: &f64| *rate > above && *rate < 1.0;
    rate.filter(fits).ok_or_else(|| format!("a percentage above {} and below 100", percent(above)))
}

fn optional_money(text: &str) -> Result<Option<Money>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let money = text.rsplit_once(' ').and_then(|(amount, code)| {
        let currency = Currency::from_code(&code.to_ascii_uppercase())?;
        parse_amount(amount.trim(), currency).ok().filter(|money| money.micros > 0)
    });
    money.map(Some).ok_or("an amount and a currency, for example 1500 EUR".into())
}

fn a_zone(text: &str) -> Result<Tz, String> {
    text.parse().map_err(|_| "a zone by its place, for example Europe/Berlin or America/New_York".into())
}

fn a_day(text: &str) -> Result<NaiveDate, String> {
    text.parse().map_err(|_| "a date such as 2026-09-01".into())
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(true),
        "n" | "no" => Ok(false),
        _ => Err("yes or no, please".into()),
    }
}

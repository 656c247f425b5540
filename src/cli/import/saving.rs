//! What `import --save` writes: the source, how its files are read, and what of them counts for a concept. The file as it
//! will be is checked before anything is shown, and takes the place of the old one at once or not at all.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use chrono_tz::Tz;
use tempfile::NamedTempFile;

use super::{ImportArgs, access, refused, understand, zone};
use crate::app::{check_text, load_config, registry_of};
use crate::cli::output::Failure;
use crate::config::edit::{Draft, EditError, Mapping};
use crate::connect::native::file::{self, Understood, form};
use crate::domain::connector::{SettingValue, Settings};

/// Keys shown of a file whose mapping does not hold yet.
const SEEN: usize = 20;

/// A configuration that says how a file is read.
pub(super) struct Saving {
    /// The source.
    pub source: String,
    /// The whole file as it will be: `check` finds nothing wrong with it.
    pub text: String,
    /// What is different, line by line.
    pub changes: Vec<String>,
    path: PathBuf,
    before: Vec<u8>,
}

impl Saving {
    /// Works out what is to be written, and checks it.
    ///
    /// # Errors
    /// What has to be said on the command line, what is wrong with the file, or with the configuration as it would be.
    pub(super) fn of(args: &ImportArgs, path: &Path) -> Result<Self, Failure> {
        let registry = registry_of(path)?;
        let before = fs::read(path).unwrap_or_default();
        let Some(draft) = str::from_utf8(&before).ok().and_then(|text| Draft::of(text).ok()).filter(|_| path.is_file())
        else {
            load_config(path, &registry)?;
            return Err(Failure::usage(format!("{} cannot be changed: {}", path.display(), EditError::Syntax)));
        };
        let (source, connector) = source(args, &draft)?;
        let concept = concept(args, &draft, &source)?;
        let written = |settings: &[(String, String)]| {
            let (source, connector, concept) = (source.as_str(), connector.as_str(), concept.as_deref());
            let mut draft = draft.clone();
            draft
                .map(&Mapping { source, connector, settings, answers: &args.answer, concept, keys: &args.keys })
                .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
            Ok::<_, Failure>(draft)
        };
        let checked = |draft: &Draft| {
            check_text(path, &draft.text(), &registry).map_err(|problems| {
                let lines: String = draft.changes().iter().map(|line| format!("  {line}\n")).collect();
                let seen = seen(args, &connector);
                Failure::from(problems).after(&format!(
                    "Nothing was stored or saved: with these lines the configuration would not pass `check`.\n{lines}{seen}"
                ))
            })
        };
        // As far as it was said, to see which columns that takes.
        let config = checked(&written(&args.set)?)?.config;
        let access = access(args, Some(&source), &config.sources)?;
        let understood = understand(args, &access, zone(&config.experiments, &access.source.id))
            .map_err(|error| Failure::general(refused(&args.file, &access.source.id, &error)))?;
        let said = |name: &str| args.set.iter().any(|(said, _)| said == name);
        let taken = understood.saved().iter().filter(|(name, _)| !said(name));
        let settings: Vec<(String, String)> =
            args.set.iter().cloned().chain(taken.map(|(name, column)| ((*name).to_owned(), column.clone()))).collect();
        let draft = written(&settings)?;
        checked(&draft)?;
        Ok(Self { source, text: draft.text(), changes: draft.changes(), path: path.to_owned(), before })
    }

    /// Writes the new file beside the old one.
    ///
    /// # Errors
    /// Where the folder cannot be written to, or the file is somebody else's.
    pub(super) fn write(&self) -> Result<Ready<'_>, Failure> {
        let new = self.beside().map_err(|error| {
            let file = self.path.display();
            Failure::general(format!("{file} cannot be written: {error}. Nothing was stored or saved"))
        })?;
        Ok(Ready { saving: self, new })
    }

    fn beside(&self) -> std::io::Result<NamedTempFile> {
        // Behind a link stands the file that is to be replaced, not the link.
        let target = fs::canonicalize(&self.path)?;
        let mut new = NamedTempFile::new_in(target.parent().unwrap_or(Path::new(".")))?;
        new.write_all(self.text.as_bytes())?;
        let old = fs::metadata(&target)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt, chown};
            let own = new.as_file().metadata()?;
            if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
                chown(new.path(), Some(old.uid()), Some(old.gid()))?;
            }
        }
        new.as_file().set_permissions(old.permissions())?;
        new.as_file().sync_all()?;
        Ok(new)
    }
}

/// A new configuration that lies beside the old one; gone where it is not put in place.
pub(super) struct Ready<'s> {
    saving: &'s Saving,
    new: NamedTempFile,
}

impl Ready<'_> {
    /// Puts the new file in the place of the old one.
    ///
    /// # Errors
    /// Where somebody changed the old one meanwhile: it stays.
    pub(super) fn put_in_place(self) -> Result<(), Failure> {
        let path = &self.saving.path;
        let kept = |why: String| {
            let lines: String = self.saving.changes.iter().map(|line| format!("\n  {line}")).collect();
            Failure::general(format!(
                "the file is stored, but {} stays as it is: {why}. It lacks{lines}",
                path.display()
            ))
        };
        if fs::read(path).ok().as_ref() != Some(&self.saving.before) {
            return Err(kept("it was changed meanwhile; repeat the command".to_owned()));
        }
        let target = fs::canonicalize(path).map_err(|error| kept(error.to_string()))?;
        self.new.persist(target).map_err(|error| kept(error.error.to_string()))?;
        Ok(())
    }
}

impl fmt::Display for Saving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.changes.is_empty() {
            return write!(f, "Saves     nothing: {} says all of it", self.path.display());
        }
        write!(f, "Saves     in {}", self.path.display())?;
        self.changes.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// The source to write, and its connector.
fn source(args: &ImportArgs, draft: &Draft) -> Result<(String, String), Failure> {
    let sources = draft.sources();
    let mut files = sources.iter().filter(|(_, connector)| [file::NAME, form::NAME].contains(connector));
    let known = match &args.source {
        Some(name) => sources.iter().find(|(known, _)| known == name),
        None => match (files.next(), files.next()) {
            (Some((one, _)), Some((other, _))) => {
                return Err(Failure::usage(format!(
                    "say which source with --source NAME: {one}, {other} or a new one"
                )));
            }
            (only, _) => only,
        },
    };
    if let Some((name, connector)) = known {
        return Ok(((*name).to_owned(), (*connector).to_owned()));
    }
    let connector = file::connector_for(&args.file, &settings(args))
        .map_err(|error| Failure::general(format!("{}: {error}", args.file.display())))?;
    let usual = if connector == form::NAME { "form" } else { "ads" };
    let name = args.source.as_deref().unwrap_or(usual);
    if args.source.is_none() && sources.iter().any(|(known, _)| *known == name) {
        return Err(Failure::usage(format!("name the new source with --source NAME: [source.{name}] is another's")));
    }
    Ok((name.to_owned(), connector.to_owned()))
}

/// What is said of this file alone.
fn settings(args: &ImportArgs) -> Settings {
    let mut settings = Settings::default();
    for (name, value) in args.set.iter().filter(|(_, value)| !value.is_empty()) {
        settings.insert(name, SettingValue::Plain(value.clone()));
    }
    settings
}

/// The keys of the file, for who does not know yet what to name with --keys; nothing where it cannot be read so.
fn seen(args: &ImportArgs, connector: &str) -> String {
    // Zones cut days, which are not shown.
    let understood = if connector == form::NAME {
        form::understand(&args.file, &settings(args), &[], Tz::UTC).map(Understood::Form)
    } else {
        file::understand(&args.file, &settings(args), Tz::UTC).map(Understood::Report)
    };
    let Ok(understood) = understood else { return String::new() };
    let keys: Vec<&str> = understood.arm_keys().into_iter().take(SEEN).collect();
    let lines: String = keys.iter().map(|key| format!("  {key}\n")).collect();
    format!("The file holds these keys; --keys ARM=KEY says which of them count for an arm:\n{lines}")
}

/// The concept that is to read the source; none where several do already, and where nothing is tested yet.
fn concept(args: &ImportArgs, draft: &Draft, source: &str) -> Result<Option<String>, Failure> {
    if let Some(concept) = &args.concept {
        return Ok(Some(concept.clone()));
    }
    let all = draft.experiments();
    let reading: Vec<&str> = all.iter().filter(|(_, reads)| reads.contains(&source)).map(|(name, _)| *name).collect();
    let known: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    match (&reading[..], &known[..]) {
        ([one], _) | ([], [one]) => Ok(Some((*one).to_owned())),
        (_, []) => Ok(None),
        (several, _) if several.len() > 1 && args.keys.is_empty() => Ok(None),
        _ => Err(Failure::usage(format!("say which concept reads it with --concept KEY: {}", known.join(" or ")))),
    }
}

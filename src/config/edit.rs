//! Changes to the user's file that the program makes itself: a source of files and what of it counts. Comments, order and
//! whatever else stands there stay as they are. Whether the result is right is asked of `check`, as for any other file.

use thiserror::Error;
use toml_edit::{Array, Decor, DocumentMut, InlineTable, Item, RawString, Table, TableLike, Value};

use super::report::{suggestion, without_secrets};

/// Why a file is not changed.
#[derive(Debug, Error)]
pub enum EditError {
    /// It is not TOML at all; `check` says where.
    #[error("the configuration is not valid TOML: `check` shows the line")]
    Syntax,
    /// Something else stands where a table or a list is needed.
    #[error("{0} is not {1} in the configuration: mend that first")]
    Other(String, &'static str),
    /// An arm or a concept that is not there. What is tested is never written by a program.
    #[error("there is no [{0}]: {1}")]
    Unknown(String, String),
}

/// A source of files, and what of it counts.
#[derive(Debug, Default)]
pub struct Mapping<'m> {
    /// NAME of `[source.NAME]`.
    pub source: &'m str,
    /// Written where the source is new.
    pub connector: &'m str,
    /// Settings by name; an empty value takes one out.
    pub settings: &'m [(String, String)],
    /// Questions whose answers are kept, by name.
    pub answers: &'m [(String, String)],
    /// KEY of the `[experiment.KEY]` that reads it.
    pub concept: Option<&'m str>,
    /// Arms of that, each with a key of the file.
    pub keys: &'m [(String, String)],
}

/// The text of a configuration, open for changes.
#[derive(Clone)]
pub struct Draft {
    before: String,
    document: DocumentMut,
}

impl Draft {
    /// Opens a text.
    ///
    /// # Errors
    /// [`EditError::Syntax`].
    pub fn of(text: &str) -> Result<Self, EditError> {
        let document = text.strip_prefix(MARK).unwrap_or(text).parse().map_err(|_| EditError::Syntax)?;
        Ok(Self { before: text.to_owned(), document })
    }

    /// Names and connectors of the sources, in their order.
    pub fn sources(&self) -> Vec<(&str, &str)> {
        self.tables("source").filter_map(|(name, table)| Some((name, table.get("connector")?.as_str()?))).collect()
    }

    /// Names of the experiments, each with the sources it reads.
    pub fn experiments(&self) -> Vec<(&str, Vec<&str>)> {
        self.tables("experiment")
            .map(|(name, table)| {
                let sources = table.get("sources").and_then(Item::as_array);
                (name, sources.into_iter().flatten().filter_map(Value::as_str).collect())
            })
            .collect()
    }

    fn tables(&self, kind: &str) -> impl Iterator<Item = (&str, &dyn TableLike)> {
        let of_kind = self.document.get(kind).and_then(Item::as_table_like);
        of_kind
            .into_iter()
            .flat_map(|table| table.iter())
            .filter_map(|(name, item)| Some((name, item.as_table_like()?)))
    }

    /// Writes a mapping: what is there already is not written twice.
    ///
    /// # Errors
    /// [`EditError`]; the draft is of no use then.
    pub fn map(&mut self, mapping: &Mapping<'_>) -> Result<(), EditError> {
        let root = self.document.as_table_mut();
        if !root.contains_key("source") {
            let mut sources = Table::new();
            sources.set_implicit(true);
            root.insert("source", Item::Table(sources));
        }
        let path = format!("source.{}", mapping.source);
        let source = child(child(root, "source", "source")?, mapping.source, &path)?;
        if !source.contains_key("connector") {
            set(source, "connector", mapping.connector);
        }
        if source.contains_key("settings") || !mapping.settings.is_empty() {
            let settings = child(source, "settings", &format!("{path}.settings"))?;
            for (name, value) in mapping.settings {
                if value.is_empty() {
                    settings.remove(name);
                } else {
                    set(settings, name, value);
                }
            }
        }
        for (name, question) in mapping.answers {
            set(child(source, "answers", &format!("{path}.answers"))?, name, question);
        }
        let Some(concept) = mapping.concept else { return Ok(()) };
        let path = format!("experiment.{concept}");
        let experiments = child(self.document.as_table_mut(), "experiment", "experiment")?;
        let experiment = existing(experiments, concept, &path, "write it first: `willitsell init` shows how")?;
        append(list(experiment, "sources", &format!("{path}.sources"))?, mapping.source);
        for (arm, key) in mapping.keys {
            let path = format!("{path}.arm");
            let arms = child(experiment, "arm", &path)?;
            let path = format!("{path}.{arm}");
            let arm = existing(arms, arm, &path, "arms are part of the test: write the table first")?;
            if !arm.contains_key("keys") {
                insert(arm, "keys", Item::Value(InlineTable::new().into()));
            }
            let keys = child(arm, "keys", &format!("{path}.keys"))?;
            append(list(keys, mapping.source, &format!("{path}.keys.{}", mapping.source))?, key);
        }
        Ok(())
    }

    /// The whole text as it would be, its line ends as they were.
    pub fn text(&self) -> String {
        let text = self.document.to_string();
        let mark = if self.before.starts_with(MARK) { "\u{feff}" } else { "" };
        let is_crlf = self.before.contains("\r\n") && !self.before.replace("\r\n", "").contains('\n');
        let text = if is_crlf { text.replace("\r\n", "\n").replace('\n', "\r\n") } else { text };
        format!("{mark}{text}")
    }

    /// What is different, line by line: `+ new`, `- old`; without what has the form of a secret.
    pub fn changes(&self) -> Vec<String> {
        let after = self.text();
        let (before, after): (Vec<&str>, Vec<&str>) = (self.before.lines().collect(), after.lines().collect());
        different(&before, &after).iter().map(|line| without_secrets(line)).collect()
    }
}

/// What some editors write before the first letter.
const MARK: char = '\u{feff}';

/// Puts in what is new, with the spaces of its neighbours.
fn insert(table: &mut dyn TableLike, key: &str, item: Item) {
    let last = table.iter_mut().filter_map(|(_, item)| item.as_value_mut()).last();
    let closes = last.filter(|last| last.decor().suffix().and_then(RawString::as_str) == Some(" "));
    let is_inline = closes.map(|last| last.decor_mut().set_suffix("")).is_some();
    table.insert(key, item);
    if let (true, Some(value)) = (is_inline, table.get_mut(key).and_then(Item::as_value_mut)) {
        value.decor_mut().set_suffix(" ");
    }
}

/// The table of a key, made where there is none.
fn child<'t>(parent: &'t mut dyn TableLike, key: &str, path: &str) -> Result<&'t mut dyn TableLike, EditError> {
    if !parent.contains_key(key) {
        insert(parent, key, Item::Table(Table::new()));
    }
    let table = parent.get_mut(key).and_then(Item::as_table_like_mut);
    table.ok_or_else(|| EditError::Other(path.to_owned(), "a table"))
}

/// The table of a key that must be there.
fn existing<'t>(
    parent: &'t mut dyn TableLike,
    key: &str,
    path: &str,
    none: &str,
) -> Result<&'t mut dyn TableLike, EditError> {
    if !parent.contains_key(key) {
        let known: Vec<String> = parent.iter().map(|(name, _)| name.to_owned()).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        return Err(EditError::Unknown(path.to_owned(), suggestion(key, &known, none)));
    }
    child(parent, key, path)
}

/// The list of a key, made where there is none.
fn list<'t>(table: &'t mut dyn TableLike, key: &str, path: &str) -> Result<&'t mut Array, EditError> {
    if !table.contains_key(key) {
        insert(table, key, Item::Value(Array::new().into()));
    }
    table.get_mut(key).and_then(Item::as_array_mut).ok_or_else(|| EditError::Other(path.to_owned(), "a list"))
}

/// Puts a text in; what stands beside the one before stays.
fn set(table: &mut dyn TableLike, key: &str, text: &str) {
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(value) if value.as_str() == Some(text) => {}
        Some(value) => {
            let decor = value.decor().clone();
            *value = Value::from(text);
            *value.decor_mut() = decor;
        }
        None => insert(table, key, toml_edit::value(text)),
    }
}

/// Adds a text to a list that does not hold it. In a list of several lines it gets a line of its own, and comments stay
/// behind what they are about.
fn append(texts: &mut Array, text: &str) {
    if texts.iter().any(|item| item.as_str() == Some(text)) {
        return;
    }
    let raw = |part: Option<&RawString>| part.and_then(RawString::as_str).unwrap_or_default().to_owned();
    let ends_with_comma = texts.trailing_comma();
    let last = texts.iter().last();
    let indent = raw(last.and_then(|last| last.decor().prefix()));
    let behind = match last {
        Some(last) if !ends_with_comma => raw(last.decor().suffix()),
        _ => raw(Some(texts.trailing())),
    };
    let Some(end) = behind.rfind('\n') else { return texts.push(text) };
    let indent = indent.rsplit_once('\n').map_or("  ", |(_, indent)| indent);
    let before = format!("{}{indent}", &behind[..=end]);
    let (after, trailing) =
        if ends_with_comma || texts.is_empty() { ("", &behind[end..]) } else { (&behind[end..], "") };
    if let (false, Some(last)) = (ends_with_comma, texts.iter_mut().last()) {
        last.decor_mut().set_suffix("");
    }
    let mut value = Value::from(text);
    *value.decor_mut() = Decor::new(before, after);
    texts.push_formatted(value);
    texts.set_trailing(trailing);
}

/// The lines that stand in one text alone, by their longest common subsequence.
fn different(before: &[&str], after: &[&str]) -> Vec<String> {
    let mut common = vec![vec![0_usize; after.len() + 1]; before.len() + 1];
    for (at, old) in before.iter().enumerate().rev() {
        for (to, new) in after.iter().enumerate().rev() {
            common[at][to] =
                if old == new { common[at + 1][to + 1] + 1 } else { common[at + 1][to].max(common[at][to + 1]) };
        }
    }
    let (mut at, mut to, mut found) = (0, 0, Vec::new());
    while at < before.len() || to < after.len() {
        if at < before.len() && to < after.len() && before[at] == after[to] {
            (at, to) = (at + 1, to + 1);
        } else if to == after.len() || at < before.len() && common[at + 1][to] >= common[at][to + 1] {
            found.push(format!("- {}", before[at]));
            at += 1;
        } else {
            found.push(format!("+ {}", after[to]));
            to += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(text: &str, mapping: &Mapping<'_>) -> Result<String, String> {
        let mut draft = Draft::of(text).map_err(|error| error.to_string())?;
        draft.map(mapping).map_err(|error| error.to_string())?;
        Ok(draft.text())
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    const TEXT: &str = "\
# mine
[source.page] # first
connector = \"typeform\"

[experiment.kit]
sources = [
    \"page\", # the form
]

# the one offer
[experiment.kit.arm.offer]
keys = { page = [\"a\"] } # hidden field

[experiment.kit.policy]
kill_bar = 0.03
";

    #[test]
    fn a_new_source_is_written_and_all_else_stays_as_it_was() {
        let settings = pairs(&[("arm_column", "Campaign \"x\"")]);
        let keys = pairs(&[("offer", "Kit, search"), ("offer", "Kit"), ("offer", "Kit")]);
        let mapping = Mapping {
            source: "ads",
            connector: "file",
            settings: &settings,
            answers: &[],
            concept: Some("kit"),
            keys: &keys,
        };
        let wanted = "\
# mine
[source.page] # first
connector = \"typeform\"

[source.ads]
connector = \"file\"

[source.ads.settings]
arm_column = 'Campaign \"x\"'

[experiment.kit]
sources = [
    \"page\", # the form
    \"ads\",
]

# the one offer
[experiment.kit.arm.offer]
keys = { page = [\"a\"], ads = [\"Kit, search\", \"Kit\"] } # hidden field

[experiment.kit.policy]
kill_bar = 0.03
";
        let text = mapped(TEXT, &mapping).unwrap();
        assert_eq!(text, wanted);
        assert_eq!(mapped(&text, &mapping).unwrap(), wanted, "a second time changes nothing");
        let dos = TEXT.replace('\n', "\r\n");
        assert_eq!(
            mapped(&format!("\u{feff}{dos}"), &mapping).unwrap(),
            format!("\u{feff}{}", wanted.replace('\n', "\r\n"))
        );
        let mut draft = Draft::of(TEXT).unwrap();
        draft.map(&mapping).unwrap();
        let changes = draft.changes();
        assert_eq!(changes.iter().filter(|line| line.starts_with('-')).count(), 1, "{changes:?}");
        assert!(
            changes.contains(&"+ [source.ads]".to_owned()) && changes.contains(&"+     \"ads\",".to_owned()),
            "{changes:?}"
        );
    }

    #[test]
    fn settings_are_changed_and_taken_out_where_they_stand_in_any_form() {
        for (before, after) in [
            (
                "[source.ads]\nconnector = \"file\"\nsettings = { arm = \"a\", decimal = \"comma\" } # why\n",
                "[source.ads]\nconnector = \"file\"\nsettings = { decimal = \"point\", arm_column = \"Campaign\" } # why\n",
            ),
            (
                "[source]\nads = { connector = \"file\" }\n",
                "[source]\nads = { connector = \"file\", settings = { decimal = \"point\", arm_column = \"Campaign\" } }\n",
            ),
            (
                "source.ads.connector = \"file\"\nsource.ads.settings.decimal = \"comma\" # here\n",
                "source.ads.connector = \"file\"\nsource.ads.settings.decimal = \"point\" # here\nsource.ads.settings.arm_column = \"Campaign\"\n",
            ),
        ] {
            let settings = pairs(&[("arm", ""), ("decimal", "point"), ("arm_column", "Campaign")]);
            let mapping = Mapping { source: "ads", connector: "file", settings: &settings, ..Mapping::default() };
            assert_eq!(mapped(before, &mapping).unwrap(), after);
        }
    }

    #[test]
    fn lists_keep_their_form_and_their_comments() {
        for (before, after) in [
            ("a = []", "a = [\"x\"]"),
            ("a = [\"b\"]", "a = [\"b\", \"x\"]"),
            ("a = [\"b\", \"x\"]", "a = [\"b\", \"x\"]"),
            ("a = [\n  \"b\" # last\n]", "a = [\n  \"b\", # last\n  \"x\"\n]"),
            ("a = [\n  \"b\", # last\n]", "a = [\n  \"b\", # last\n  \"x\",\n]"),
            ("a = [\n  # none yet\n]", "a = [\n  # none yet\n  \"x\"\n]"),
        ] {
            let mut document: DocumentMut = before.parse().unwrap();
            append(list(document.as_table_mut(), "a", "a").unwrap(), "x");
            assert_eq!(document.to_string().trim_end(), after);
        }
    }

    #[test]
    fn what_is_tested_is_never_invented() {
        let keys = pairs(&[("ofer", "Kit")]);
        let mut mapping =
            Mapping { source: "ads", connector: "file", concept: Some("kit"), keys: &keys, ..Mapping::default() };
        assert_eq!(mapped(TEXT, &mapping).unwrap_err(), "there is no [experiment.kit.arm.ofer]: did you mean offer?");
        mapping.concept = Some("cat");
        assert!(mapped(TEXT, &mapping).unwrap_err().contains("no [experiment.cat]"));
        assert!(
            mapped("source = 5", &Mapping { source: "ads", ..Mapping::default() }).unwrap_err().contains("not a table")
        );
        assert!(mapped("source = ", &mapping).unwrap_err().contains("not valid TOML"));
    }
}

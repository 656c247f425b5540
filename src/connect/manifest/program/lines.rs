//! What one line of a program says, in the line protocol or in Singer's, and how a tap is told which of its streams to read.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// What one line says.
pub(super) enum Line<'l> {
    Record(&'l RawValue),
    State(&'l RawValue),
    /// A stream with this name begins.
    Stream(Cow<'l, str>),
    /// So many records were all.
    Done(u64),
    Warning(Cow<'l, str>),
    /// It gives up, and says why.
    Failed(Cow<'l, str>),
    /// Of another stream, or about nothing that is counted.
    Other,
}

/// A line of the line protocol: one of these.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said<'l> {
    #[serde(borrow)]
    record: Option<&'l RawValue>,
    #[serde(borrow)]
    state: Option<&'l RawValue>,
    done: Option<u64>,
    #[serde(borrow)]
    warning: Option<Cow<'l, str>>,
    #[serde(borrow)]
    error: Option<Cow<'l, str>>,
}

/// A message of the Singer specification (github.com/singer-io/getting-started, docs/SPEC.md).
#[derive(Deserialize)]
struct Message<'l> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'l, str>,
    #[serde(borrow)]
    stream: Option<Cow<'l, str>>,
    #[serde(borrow)]
    record: Option<&'l RawValue>,
    #[serde(borrow)]
    value: Option<&'l RawValue>,
}

/// One line, of a tap where there is a stream.
pub(super) fn read<'l>(text: &'l str, stream: Option<&str>) -> Result<Line<'l>, String> {
    match stream {
        Some(stream) => singer(text, stream),
        None => said(text),
    }
}

/// A line of the line protocol.
fn said(text: &str) -> Result<Line<'_>, String> {
    let said: Said<'_> = serde_json::from_str(text).map_err(|_| {
        "is not one of {\"record\":{…}}, {\"state\":…}, {\"warning\":\"…\"}, {\"error\":\"…\"}, {\"done\":N}".to_owned()
    })?;
    match said {
        Said { record: Some(record), state: None, done: None, warning: None, error: None } => Ok(Line::Record(record)),
        Said { record: None, state: Some(state), done: None, warning: None, error: None } => Ok(Line::State(state)),
        Said { record: None, state: None, done: Some(count), warning: None, error: None } => Ok(Line::Done(count)),
        Said { record: None, state: None, done: None, warning: Some(what), error: None } => Ok(Line::Warning(what)),
        Said { record: None, state: None, done: None, warning: None, error: Some(why) } => Ok(Line::Failed(why)),
        _ => Err("says nothing, or several things at once: write one to a line".to_owned()),
    }
}

/// A message of a tap.
fn singer<'l>(text: &'l str, stream: &str) -> Result<Line<'l>, String> {
    let message: Message<'l> =
        serde_json::from_str(text).map_err(|_| "is no Singer message: is it a tap?".to_owned())?;
    let ours = message.stream.as_deref() == Some(stream);
    match (&*message.kind, message.record, message.value) {
        ("RECORD", Some(record), _) if ours => Ok(Line::Record(record)),
        ("RECORD", None, _) if ours => Err("is a RECORD without its `record`".to_owned()),
        ("STATE", _, Some(state)) => Ok(Line::State(state)),
        ("SCHEMA", ..) => message.stream.map(Line::Stream).ok_or_else(|| "is a SCHEMA without its `stream`".to_owned()),
        ("BATCH", ..) if ours => {
            Err("is a BATCH, whose records lie in files: switch batches off in the tap's configuration".to_owned())
        }
        _ => Ok(Line::Other),
    }
}

/// A tap's catalog with one stream selected, in the ways that taps of all ages ask for.
pub(super) fn selected(mut catalog: Value, stream: &str) -> Result<Vec<u8>, String> {
    let mut names = BTreeSet::new();
    for entry in catalog.get_mut("streams").and_then(Value::as_array_mut).into_iter().flatten() {
        let name = |entry: &Value, key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
        let is_ours = [name(entry, "stream"), name(entry, "tap_stream_id")].iter().flatten().any(|name| name == stream);
        names.extend(name(entry, "stream"));
        let Some(members) = entry.as_object_mut() else { continue };
        members.insert("selected".to_owned(), is_ours.into());
        if let Some(schema) = members.get_mut("schema").and_then(Value::as_object_mut) {
            schema.insert("selected".to_owned(), is_ours.into());
        }
        let list = members.entry("metadata").or_insert_with(|| json!([]));
        let Some(list) = list.as_array_mut() else { continue };
        if !list.iter().any(|about| about.get("breadcrumb").and_then(Value::as_array).is_some_and(Vec::is_empty)) {
            list.push(json!({ "breadcrumb": [], "metadata": {} }));
        }
        for about in list.iter_mut().filter_map(|about| about.get_mut("metadata")?.as_object_mut()) {
            about.insert("selected".to_owned(), is_ours.into());
        }
    }
    if !names.contains(stream) {
        let names: Vec<&str> = names.iter().map(String::as_str).take(8).collect();
        return Err(format!("it has no stream \"{stream}\"; its streams are: {}", names.join(", ")));
    }
    serde_json::to_vec(&catalog).map_err(|error| error.to_string())
}

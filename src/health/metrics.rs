//! How the daemon is doing, in the text that Prometheus reads. Names of sources are labels; nothing of what a vendor said is.

use std::fmt;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::State;

/// Name and value of each label.
type Labels = Vec<(&'static str, String)>;

/// What `/metrics` answers with.
///
/// # Errors
/// Where a label cannot be written, which no name here can cause.
pub fn text(state: &State) -> Result<String, fmt::Error> {
    let mut metrics = Metrics(Registry::with_prefix("willitsell"));
    let one = |value: u64| [(Labels::new(), value)];
    let of = |name, value: &str| vec![(name, value.to_owned())];
    let yes = |is: bool| i64::from(is);
    metrics.gauge("build", "The program's version", [(of("version", env!("CARGO_PKG_VERSION")), 1)]);
    metrics.count("rounds", "Times it was asked what is due", one(state.rounds));
    let last = state.last_round.map(|(at, _)| (Labels::new(), at.timestamp()));
    metrics.gauge("last_round_timestamp_seconds", "When it was last asked what is due", last);
    let under_way = i64::try_from(state.under_way.len()).unwrap_or(i64::MAX);
    metrics.gauge("slots_under_way", "Slots whose sources are being asked", [(Labels::new(), under_way)]);
    let runs = state.runs.iter().map(|(ended, &runs)| (of("ended", ended.word()), runs));
    metrics.count("runs", "Runs by how they ended", runs);
    metrics.count(
        "slots_missed",
        "Slots without a run of their own, which a later run caught up on",
        one(state.missed),
    );
    metrics.count("slots_too_old", "Slots missed for too long to be caught up", one(state.misfired));
    let sources = || state.sources.iter().map(|(source, asked)| (of("source", source.as_str()), asked));
    let readings = sources().flat_map(|(source, asked)| {
        [("answered", asked.answered), ("failed", asked.failed)]
            .map(|(result, readings)| ([source.clone(), of("result", result)].concat(), readings))
    });
    metrics.count("source_readings", "Readings of a source by what came of them", readings);
    metrics.count("source_pages", "Pages read", sources().map(|(source, asked)| (source, asked.pages)));
    metrics.count("source_rows", "Rows read", sources().map(|(source, asked)| (source, asked.rows)));
    let failing = sources().map(|(source, asked)| (source, yes(asked.is_failing)));
    metrics.gauge("source_failing", "Whether the last reading failed", failing);
    let answers = sources().filter_map(|(source, asked)| Some((source, asked.last_answer?.timestamp())));
    metrics.gauge("source_last_answer_timestamp_seconds", "When it last brought all it was asked for", answers);
    let panics = state.panics.iter().map(|(place, &panics)| (of("place", place), panics));
    metrics.count("faults", "Faults of the program that were caught", panics);
    let log = [(Labels::new(), i64::try_from(state.log_bytes).unwrap_or(i64::MAX))];
    metrics.gauge(
        "store_log_bytes",
        "Size of the store's log, which shrinks to 64 MiB once nobody reads for long",
        log,
    );
    let messages = &state.messages;
    let messages = [("sent", messages.sent), ("postponed", messages.postponed), ("given_up", messages.given_up)];
    metrics.count(
        "messages",
        "Messages by what became of them",
        messages.map(|(result, many)| (of("result", result), many)),
    );
    let current = [(Labels::new(), yes(state.configuration.is_none()))];
    metrics.gauge("configuration_current", "Whether the configuration as it now stands is in use", current);
    let full = [(Labels::new(), yes(state.disk_full))];
    metrics.gauge("disk_full", "Whether the disk of the store took nothing more", full);
    let mut text = String::new();
    encode(&mut text, &metrics.0)?;
    Ok(text)
}

struct Metrics(Registry);

impl Metrics {
    fn count(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (Labels, u64)>) {
        let family = Family::<Labels, Counter>::default();
        for (labels, value) in values {
            if labels.is_empty() {
                let counter = Counter::<u64>::default();
                counter.inc_by(value);
                return self.0.register(name, help, counter);
            }
            family.get_or_create(&labels).inc_by(value);
        }
        self.0.register(name, help, family);
    }

    fn gauge(&mut self, name: &str, help: &str, values: impl IntoIterator<Item = (Labels, i64)>) {
        let family = Family::<Labels, Gauge>::default();
        for (labels, value) in values {
            if labels.is_empty() {
                let gauge = Gauge::<i64>::default();
                gauge.set(value);
                return self.0.register(name, help, gauge);
            }
            family.get_or_create(&labels).set(value);
        }
        self.0.register(name, help, family);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::id::{ConceptId, SourceId};
    use crate::health::Ended;

    #[test]
    fn every_figure_has_a_name_a_help_and_its_labels() {
        let now = "2026-03-25T12:00:00Z".parse().unwrap();
        let mut state = State { last_round: Some((now, Duration::ZERO)), rounds: 7, missed: 2, ..State::default() };
        state.asked(&SourceId::new("search"), now, Some((3, 41)));
        state.asked(&SourceId::new("form"), now, None);
        state.ran(&ConceptId::new("cat-meals"), Ended::SourceFailed);
        let text = text(&state).unwrap();
        for line in [
            "# HELP willitsell_rounds Times it was asked what is due.",
            "# TYPE willitsell_rounds counter",
            "willitsell_rounds_total 7",
            "willitsell_last_round_timestamp_seconds 1774440000",
            "willitsell_slots_missed_total 2",
            "willitsell_source_readings_total{source=\"search\",result=\"answered\"} 1",
            "willitsell_source_readings_total{source=\"form\",result=\"failed\"} 1",
            "willitsell_source_rows_total{source=\"search\"} 41",
            "willitsell_source_failing{source=\"form\"} 1",
            "willitsell_source_failing{source=\"search\"} 0",
            "willitsell_runs_total{ended=\"source_failed\"} 1",
            "willitsell_configuration_current 1",
            "willitsell_disk_full 0",
        ] {
            assert!(text.lines().any(|said| said == line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}

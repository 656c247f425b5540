//! Header names to meanings: the one table of names that ad managers write, by language, and what a header
//! row makes of itself with it. A name or a language is added in [`NAMES`] and nowhere else.

use std::collections::BTreeMap;

use chrono_tz::Tz;

use crate::domain::metric::MetricId;
use crate::domain::money::Currency;

use super::FileError;
use super::settings::{ArmSetting, COLUMNS, FileSettings, NamedColumn};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The day of the row.
    Day,
    /// The day of the row, unless an end column stands beside it.
    DayOrStart,
    /// First day of the span a row covers.
    Start,
    /// Last day of that span.
    End,
    /// A week, month, quarter: too coarse to be a day.
    LongSpan,
    /// The campaign by name.
    CampaignName,
    /// The campaign by number.
    CampaignId,
    /// The currency of the row.
    Currency,
    /// A metric. Of two columns for one metric the lower rank is taken.
    Metric(MetricId, u8),
    /// Clicks on anything, likes included: never taken for clicks that reach the landing page.
    AllClicks,
    /// Meta's results, which mean what the indicator beside them says.
    Results,
    /// What results are.
    Indicator,
    /// A number made from others, or one not wanted: shows how the file writes numbers.
    Other,
}

/// Names in lower case, without currency or zone in brackets, in English, German, French and Spanish. Those of
/// all ad managers together, because none uses another's name for something else.
const NAMES: &[(Meaning, &[&str])] = &[
    (Meaning::Day, &["day", "date", "by day", "gregorian date", "time period", "timeperiod"]),
    (Meaning::Day, &["tag", "datum", "nach tag", "zeitraum"]),
    (Meaning::Day, &["jour", "par jour", "période"]),
    (Meaning::Day, &["día", "dia", "fecha", "por día", "período"]),
    (Meaning::DayOrStart, &["start date", "startdatum", "date de début", "fecha de inicio"]),
    (
        Meaning::Start,
        &["reporting starts", "berichtsbeginn", "berichtsstart", "début des rapports", "inicio del informe"],
    ),
    (Meaning::End, &["reporting ends", "berichtsende", "fin des rapports", "fin del informe"]),
    (Meaning::End, &["end date", "enddatum", "date de fin", "fecha de finalización"]),
    (Meaning::LongSpan, &["week", "month", "quarter", "year", "hour", "hour of day", "by week", "by month"]),
    (Meaning::LongSpan, &["woche", "monat", "quartal", "jahr", "stunde"]),
    (Meaning::LongSpan, &["semaine", "mois", "trimestre", "année", "heure", "semana", "mes", "año", "hora"]),
    (Meaning::CampaignName, &["campaign", "campaign name", "kampagne", "kampagnenname", "name der kampagne"]),
    (Meaning::CampaignName, &["campagne", "nom de la campagne", "nom de campagne"]),
    (Meaning::CampaignName, &["campaña", "nombre de la campaña", "nombre de campaña"]),
    (Meaning::CampaignId, &["campaign id", "kampagnen-id", "id der kampagne"]),
    (Meaning::CampaignId, &["id de la campagne", "id de campagne", "numéro de la campagne"]),
    (Meaning::CampaignId, &["id de la campaña", "id de campaña", "identificador de la campaña"]),
    (Meaning::Currency, &["currency", "currency code", "account currency", "währung", "währungscode"]),
    (Meaning::Currency, &["devise", "code de la devise", "code devise"]),
    (Meaning::Currency, &["moneda", "código de moneda", "código de divisa", "divisa"]),
    (Meaning::Metric(MetricId::IMPRESSIONS, 0), &["impressions", "impr.", "impressionen", "impresiones"]),
    (Meaning::Metric(MetricId::CLICKS, 0), &["link clicks", "clicks (destination)", "clicks to landing page"]),
    (Meaning::Metric(MetricId::CLICKS, 0), &["landing page clicks", "link-klicks", "linkklicks", "klicks (ziel)"]),
    (Meaning::Metric(MetricId::CLICKS, 0), &["klicks auf landing page", "clics sur un lien", "clics (destination)"]),
    (Meaning::Metric(MetricId::CLICKS, 0), &["clics vers la page de destination", "clics en el enlace"]),
    (Meaning::Metric(MetricId::CLICKS, 0), &["clics (destino)", "clics en la página de destino"]),
    (Meaning::Metric(MetricId::CLICKS, 1), &["clicks", "klicks", "clics"]),
    (Meaning::AllClicks, &["clicks (all)", "klicks (alle)", "clics (tous)", "clics (todos)"]),
    (Meaning::Metric(MetricId::VISITS, 0), &["landing page views", "landingpage-aufrufe", "landing page-aufrufe"]),
    (Meaning::Metric(MetricId::VISITS, 0), &["vues de page de destination", "visitas a la página de destino"]),
    (Meaning::Metric(MetricId::SPEND, 0), &["cost", "spend", "amount spent", "total spent"]),
    (Meaning::Metric(MetricId::SPEND, 0), &["kosten", "ausgaben", "ausgegebener betrag", "gesamtausgaben"]),
    (Meaning::Metric(MetricId::SPEND, 0), &["coût", "dépenses", "montant dépensé", "total dépensé"]),
    (Meaning::Metric(MetricId::SPEND, 0), &["coste", "costo", "gasto", "importe gastado", "total gastado"]),
    (Meaning::Metric(MetricId::CONVERSIONS, 0), &["conversions", "conv.", "konversionen", "conversiones"]),
    (Meaning::Metric(MetricId::LEADS, 0), &["leads", "prospects", "clientes potenciales"]),
    (Meaning::Metric(MetricId::FORM_OPENS, 0), &["lead forms opened", "lead form opens", "geöffnete lead-formulare"]),
    (Meaning::Metric(MetricId::FORM_OPENS, 0), &["formulaires de génération de leads ouverts"]),
    (Meaning::Metric(MetricId::FORM_OPENS, 0), &["formularios de contacto abiertos", "formularios de leads abiertos"]),
    (Meaning::Results, &["results", "ergebnisse", "résultats", "resultados"]),
    (
        Meaning::Indicator,
        &["result indicator", "result type", "ergebnisindikator", "ergebnis-indikator", "ergebnistyp"],
    ),
    (Meaning::Indicator, &["indicateur de résultats", "indicateur de résultat", "type de résultat"]),
    (Meaning::Indicator, &["indicador de resultado", "indicador de resultados", "tipo de resultado"]),
    (
        Meaning::Other,
        &["ctr", "click through rate", "avg. cpc", "cpc", "cost / conv.", "conv. rate", "conversion rate"],
    ),
    (Meaning::Other, &["ctr (destination)", "cpc (destination)", "cpm", "cpm (cost per 1,000 impressions)"]),
    (Meaning::Other, &["cost per results", "cost per result", "reach", "frequency", "interactions", "all conv."]),
    (Meaning::Other, &["klickrate", "klickrate (ctr)", "durchschn. cpc", "kosten/conv.", "conv.-rate", "reichweite"]),
    (Meaning::Other, &["frequenz", "cpc moy.", "coût/conv.", "taux de conv.", "couverture", "répétition"]),
    (
        Meaning::Other,
        &["cpc medio", "cpc prom.", "coste/conv.", "costo/conv.", "porcentaje de conv.", "alcance", "frecuencia"],
    ),
];

/// A header cell taken apart.
#[derive(Clone, Debug)]
struct Header {
    meaning: Option<Meaning>,
    currency: Option<Currency>,
    zone: Option<Tz>,
}

/// Matches one header cell with the table: white space, case, a currency and a zone in brackets aside.
fn header(cell: &str) -> Header {
    let mut found = Header { meaning: None, currency: None, zone: None };
    let mut name = cell.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((front, bracket)) = name.strip_suffix(')').and_then(|rest| rest.rsplit_once('(')) {
        found.currency = Currency::from_code(bracket);
        found.zone = zone_in(bracket);
        if found.currency.is_some() || found.zone.is_some() {
            name = front.trim_end().to_owned();
        }
    }
    let name = name.to_lowercase();
    found.meaning = NAMES.iter().find_map(|(meaning, names)| names.contains(&name.as_str()).then_some(*meaning));
    found
}

/// The zone of "in UTC", "en UTC", "in Europe/Berlin".
fn zone_in(text: &str) -> Option<Tz> {
    let name = text.strip_prefix("in ").or_else(|| text.strip_prefix("en "))?;
    name.trim().parse().ok()
}

/// How many cells of a row the table knows, or the user names.
pub(super) fn known<'c>(cells: impl Iterator<Item = &'c str>, settings: &FileSettings) -> usize {
    cells.filter(|cell| header(cell).meaning.is_some() || settings.name(cell)).count()
}

/// Where the day of a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DayColumn {
    One(usize),
    /// First and last day of a span, which must be the same on every row.
    Span(usize, usize),
}

/// What tells arms apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ArmColumn {
    At(usize),
    /// The whole file is one arm.
    Whole(String),
}

/// What a header row means.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    /// The names as written.
    pub headers: Vec<String>,
    pub day: DayColumn,
    /// The day column is one that also begins a span in other reports of the vendor.
    pub day_may_be_start: bool,
    pub arm: ArmColumn,
    /// Campaign name and id, whichever are there.
    pub campaign: Vec<usize>,
    /// Those and what tells arms apart.
    pub names: Vec<usize>,
    /// One column each.
    pub metrics: Vec<(MetricId, usize)>,
    pub currency: Option<usize>,
    /// In the header of the spend column.
    pub header_currency: Option<Currency>,
    /// Results and what they are, while nothing else counts leads.
    pub results: Option<(usize, usize)>,
    /// Numbers that are not imported.
    pub others: Vec<usize>,
    pub zone: Option<Tz>,
    /// Columns that look like a metric and were not taken, with why.
    pub passed_over: Vec<(usize, String)>,
}

impl Columns {
    /// Works out a header row.
    pub(super) fn of(cells: Vec<String>, line: u64, settings: &FileSettings) -> Result<Self, FileError> {
        let mut headers: Vec<Header> = cells.iter().map(|cell| header(cell)).collect();
        let mut passed_over = Vec::new();
        for column in &settings.columns {
            take_named(column, &mut headers, &cells, &mut passed_over)?;
        }
        let first = |wanted: Meaning| places(&headers, wanted).first().copied();
        // A byte order mark read as Latin-1, or a quote the reader did not take for one.
        let damaged = |name: &String| {
            !name.starts_with(|start: char| start.is_alphanumeric() || start == '#') || name.contains(['\u{bb}', '"'])
        };
        if cells.first().is_none_or(damaged) {
            return Err(FileError::Mend {
                line,
                what: "the first column has no readable name, so it may be damaged or missing: export the report again"
                    .to_owned(),
            });
        }
        let metrics = metrics(&headers, &cells, line, &mut passed_over)?;
        passed_over.extend(places(&headers, Meaning::AllClicks).into_iter().map(|at| {
            (at, "counts clicks on anything, likes included: export link clicks or destination clicks".to_owned())
        }));
        let has_leads = metrics.iter().any(|(metric, _)| *metric == MetricId::LEADS);
        let results = first(Meaning::Results).zip(first(Meaning::Indicator)).filter(|_| !has_leads);
        if let (Some(at), None) = (first(Meaning::Results), results) {
            let why = if has_leads { "the leads column is taken" } else { "no indicator column says what results are" };
            passed_over.push((at, why.to_owned()));
        }
        let (day, day_may_be_start) = day_column(&headers, &cells)?;
        let campaign = [Meaning::CampaignName, Meaning::CampaignId].map(|wanted| places(&headers, wanted)).concat();
        let arm = arm_column(&settings.arm, &campaign, &cells)?;
        let mut names = campaign.clone();
        if let ArmColumn::At(at) = arm {
            names.push(at);
        }
        let spend = metrics.iter().find(|(metric, _)| *metric == MetricId::SPEND).map(|(_, at)| *at);
        Ok(Self {
            day,
            day_may_be_start,
            names,
            arm,
            campaign,
            currency: first(Meaning::Currency),
            header_currency: spend.and_then(|at| headers[at].currency),
            results,
            others: places(&headers, Meaning::Other),
            zone: headers.iter().find_map(|header| header.zone),
            metrics,
            passed_over,
            headers: cells,
        })
    }

    /// The columns whose cells are used.
    pub(super) fn used(&self) -> impl Iterator<Item = usize> {
        let days = match self.day {
            DayColumn::One(at) => [at, at],
            DayColumn::Span(start, end) => [start, end],
        };
        let results = self.results.iter().flat_map(|(at, indicator)| [*at, *indicator]);
        let metrics = self.metrics.iter().map(|(_, at)| *at);
        days.into_iter().chain(self.names.iter().copied()).chain(metrics).chain(self.currency).chain(results)
    }

    /// The settings under which these columns are taken again, and no others. What results are is asked of each file.
    pub(super) fn saved(&self) -> BTreeMap<&'static str, String> {
        let name = |at: usize| only(&self.headers, at);
        let mut saved: BTreeMap<_, _> = match self.arm {
            ArmColumn::At(at) => name(at).map(|name| ("arm_column", name)).into_iter().collect(),
            ArmColumn::Whole(_) => BTreeMap::new(),
        };
        for (setting, meaning) in COLUMNS {
            let at = match (meaning, self.day) {
                (Meaning::Metric(metric, _), _) => self.metrics.iter().find(|(id, _)| *id == metric).map(|(_, at)| *at),
                (_, DayColumn::One(at)) => Some(at),
                (_, DayColumn::Span(..)) => None,
            };
            let at = at.filter(|&at| header(&self.headers[at]).meaning != Some(Meaning::Results));
            saved.extend(at.and_then(name).map(|name| (setting, name)));
        }
        saved
    }

    /// Which metric a column became, by its place.
    pub(super) fn metric_at(&self, column: usize) -> Option<MetricId> {
        self.metrics.iter().find(|(_, at)| *at == column).map(|(metric, _)| *metric)
    }
}

/// Takes the column that the user names for what it holds, and no other.
fn take_named(
    column: &NamedColumn,
    headers: &mut [Header],
    cells: &[String],
    passed_over: &mut Vec<(usize, String)>,
) -> Result<(), FileError> {
    let taken = called(&column.name, column.setting, cells)?;
    let is_of_same = |meaning: Meaning| match (column.meaning, meaning) {
        (Meaning::Metric(wanted, _), Meaning::Metric(metric, _)) => wanted == metric,
        (Meaning::Day, Meaning::Day | Meaning::DayOrStart | Meaning::Start) => true,
        _ => false,
    };
    for (at, header) in headers.iter_mut().enumerate() {
        if at != taken && header.meaning.is_some_and(is_of_same) {
            // A number that is not imported shows how the file writes numbers all the same.
            header.meaning = matches!(column.meaning, Meaning::Metric(..)).then_some(Meaning::Other);
            passed_over.push((at, format!("{} names \"{}\"", column.setting, cells[taken])));
        }
    }
    // What begins a span stays one, so that a row of several days is refused.
    let begins_span = matches!(headers[taken].meaning, Some(Meaning::DayOrStart | Meaning::Start));
    if !(column.meaning == Meaning::Day && begins_span) {
        headers[taken].meaning = Some(column.meaning);
    }
    Ok(())
}

/// One column for each metric: the lowest rank; two of the same rank are refused.
fn metrics(
    headers: &[Header],
    cells: &[String],
    line: u64,
    passed_over: &mut Vec<(usize, String)>,
) -> Result<Vec<(MetricId, usize)>, FileError> {
    let mut taken = Vec::new();
    for metric in MetricId::all() {
        let mut found: Vec<(u8, usize)> = (0..)
            .zip(headers)
            .filter_map(|(at, header)| match header.meaning {
                Some(Meaning::Metric(id, rank)) if id == metric => Some((rank, at)),
                _ => None,
            })
            .collect();
        found.sort_unstable();
        let [(rank, at), rest @ ..] = &found[..] else { continue };
        for (other_rank, other) in rest {
            if other_rank == rank {
                return Err(FileError::Mend {
                    line,
                    what: format!(
                        "the columns \"{}\" and \"{}\" both count {metric}: export the report with one of them",
                        cells[*at], cells[*other]
                    ),
                });
            }
            passed_over.push((*other, format!("\"{}\" is taken for {metric}", cells[*at])));
        }
        taken.push((metric, *at));
    }
    Ok(taken)
}

/// Columns of one meaning, from the left.
fn places(headers: &[Header], wanted: Meaning) -> Vec<usize> {
    (0..).zip(headers).filter(|(_, header)| header.meaning == Some(wanted)).map(|(at, _)| at).collect()
}

/// The day column, and whether it is one that begins a span in other reports.
fn day_column(headers: &[Header], cells: &[String]) -> Result<(DayColumn, bool), FileError> {
    let first = |wanted: Meaning| places(headers, wanted).first().copied();
    let (alone, start, end) = (first(Meaning::DayOrStart), first(Meaning::Start), first(Meaning::End));
    match (&places(headers, Meaning::Day)[..], start.or(alone), end, alone) {
        ([day], ..) => Ok((DayColumn::One(*day), false)),
        ([a, b, ..], ..) => Err(FileError::ExportAgain(format!(
            "the columns \"{}\" and \"{}\" both hold days: export the report with one of them",
            cells[*a], cells[*b]
        ))),
        ([], Some(start), Some(end), _) => Ok((DayColumn::Span(start, end), false)),
        ([], _, None, Some(day)) => Ok((DayColumn::One(day), true)),
        ([], ..) => {
            let coarse = first(Meaning::LongSpan);
            let why = coarse.map_or_else(String::new, |at| format!(" (\"{}\" is not a day)", cells[at]));
            Err(FileError::ExportAgain(format!(
                "there is no day column{why}, and the total of a range cannot be spread over days. Export the report \
                 again, segmented by day, or name the column in the setting day_column. The columns are: {}",
                listed(cells)
            )))
        }
    }
}

/// The name of a column that no other has.
pub(super) fn only(cells: &[String], at: usize) -> Option<String> {
    let name = cells[at].trim();
    let same = cells.iter().filter(|cell| cell.trim().to_lowercase() == name.to_lowercase()).count();
    (same == 1 && !name.is_empty()).then(|| name.to_owned())
}

/// The column that a setting names.
pub(super) fn called(name: &str, setting: &'static str, cells: &[String]) -> Result<usize, FileError> {
    let wanted = name.trim().to_lowercase();
    let mut found = (0..).zip(cells).filter(|(_, cell)| cell.trim().to_lowercase() == wanted);
    match (found.next(), found.next()) {
        (Some((at, _)), None) => Ok(at),
        (Some(_), Some(_)) => Err(FileError::Answer {
            setting,
            what: format!("two columns are called \"{name}\": name another one in {setting}"),
        }),
        (None, _) => Err(FileError::Answer {
            setting,
            what: format!(
                "no column is called \"{name}\". {} Name one in {setting}, or take it out",
                nearest(name, cells)
            ),
        }),
    }
}

/// Most names of columns that are all listed: exports of forms have a hundred, a sentence each.
const LISTED: usize = 12;

/// Names offered in place of one that no column has.
const OFFERED: usize = 3;

/// The columns there are, those in the middle of many left out: what tells versions apart stands at either end.
pub(super) fn listed(cells: &[String]) -> String {
    if cells.len() <= LISTED {
        return cells.join(", ");
    }
    let (front, back) = (&cells[..LISTED / 2], &cells[cells.len() - LISTED / 2..]);
    format!("{}, …, {} (the file's header has all {})", front.join(", "), back.join(", "), cells.len())
}

/// Sentences on which column was probably meant by a name that none has, and where to see the others.
pub(super) fn nearest(wanted: &str, cells: &[String]) -> String {
    let wanted = wanted.replace('*', " ").trim().to_lowercase();
    let likeness = |cell: &str| {
        let cell = cell.trim().to_lowercase();
        let holds = !wanted.is_empty() && cell.contains(&wanted);
        if holds { 1.0 } else { strsim::jaro_winkler(&wanted, &cell) }
    };
    let mut near: Vec<(f64, &String)> =
        cells.iter().filter(|cell| !cell.trim().is_empty()).map(|cell| (likeness(cell), cell)).collect();
    // Of those alike the first stays before the others.
    near.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    let names: Vec<String> = near.iter().take(OFFERED).map(|(_, name)| format!("\"{name}\"")).collect();
    format!("The nearest are {}; the file's header has all {}.", names.join(", "), cells.len())
}

fn arm_column(setting: &ArmSetting, campaign: &[usize], cells: &[String]) -> Result<ArmColumn, FileError> {
    match setting {
        ArmSetting::Whole(arm) => Ok(ArmColumn::Whole(arm.clone())),
        ArmSetting::Named(name) => called(name, "arm_column", cells).map(ArmColumn::At),
        ArmSetting::Unsaid => campaign.first().map(|&at| ArmColumn::At(at)).ok_or_else(|| FileError::Answer {
            setting: "arm",
            what: format!(
                "there is no campaign column, so nothing tells arms apart. Write arm = \"…\" with the arm the whole \
                 file belongs to, or name the column that tells arms apart in arm_column: {}",
                listed(cells)
            ),
        }),
    }
}

/// The zone a line before the header states, as in "Campaign Performance Report (in UTC)".
pub(super) fn zone_stated(line: &str) -> Option<Tz> {
    header(line.trim()).zone
}

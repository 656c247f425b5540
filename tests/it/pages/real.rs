//! A store of real series, brought in as a team would: by `import` of each file, then one run. What each series is stands in
//! the `SOURCE.md` beside it.

use std::fmt::Write as _;

use super::site::Site;
use crate::project::Project;
use crate::real_data::real_data;

const SOURCES: &str = r#"
[store]
url = "sqlite://willitsell.db"

[portfolio]
false_build_rate = "each"

[source.bandit]
connector = "file"
settings = { day_column = "date", arm_column = "policy", clicks_column = "impressions", conversions_column = "clicks" }

[source.survey]
connector = "file"
settings = { day_column = "date", arm = "survey", clicks_column = "started", conversions_column = "completed" }

[source.shop]
connector = "file"
settings = { arm_column = "arm" }
"#;

/// Key, title, hypothesis, source, first and last day, both bars, versions.
type Series =
    (&'static str, &'static str, &'static str, &'static str, [&'static str; 2], [f64; 2], &'static [&'static str]);

const SERIES: [Series; 3] = [
    (
        "fashion",
        "Fashion recommendations",
        "At least 0.6 % of those who see a recommendation open it",
        "bandit",
        ["2019-11-24", "2019-11-30"],
        [0.004, 0.006],
        &["bts", "random"],
    ),
    (
        "notebooks",
        "Notebook survey",
        "At least 45 % of those who begin the survey complete it",
        "survey",
        ["2015-12-21", "2016-01-15"],
        [0.35, 0.45],
        &["survey"],
    ),
    (
        "checkout",
        "Checkout of a fashion shop",
        "At least 37 % of visitors go on",
        "shop",
        ["2026-03-04", "2026-04-02"],
        [0.34, 0.37],
        &["control", "treatment"],
    ),
];

fn configuration() -> String {
    let mut text = SOURCES.to_owned();
    for (key, title, hypothesis, source, [start, stop], [kill, build], arms) in SERIES {
        write!(
            text,
            r#"
[experiment.{key}]
title = "{title}"
hypothesis = "{hypothesis}"
disclosure = "https://example.com/not-yet-available"
schedule = "0 8 * * *"
timezone = "UTC"
start = "{start}"
stop = "{stop}"
sources = ["{source}"]

[experiment.{key}.rate.act]
numerator = "conversions"
denominator = "clicks"

[experiment.{key}.policy]
primary = "act"
kill_bar = {kill}
build_bar = {build}
"#
        )
        .unwrap();
        for arm in arms {
            writeln!(text, "\n[experiment.{key}.arm.{arm}]\nkeys = {{ {source} = [\"{arm}\"] }}").unwrap();
        }
    }
    text
}

/// Thirty checkpoints of one experiment, a day apart: the differences of its cumulative counts.
fn shop() -> Option<String> {
    let rows: Vec<std::collections::BTreeMap<String, String>> =
        csv::Reader::from_path(real_data("data/asos-experiments/asos.csv")?)
            .unwrap()
            .deserialize()
            .map(Result::unwrap)
            .collect();
    let mut text = "Day,arm,Clicks,Conversions\n".to_owned();
    for (arm, count, mean) in [("control", "count_c", "mean_c"), ("treatment", "count_t", "mean_t")] {
        let (mut visits, mut acts) = (0.0, 0.0);
        let first: chrono::NaiveDate = "2026-03-04".parse().unwrap();
        let days = rows.iter().filter(|row| row["experiment_id"] == "fdaf62" && row["metric_id"] == "1");
        for (day, row) in first.iter_days().zip(days) {
            let number = |column: &str| row[column].parse::<f64>().unwrap();
            let so_far = [number(count), (number(count) * number(mean)).round()];
            writeln!(text, "{day},{arm},{},{}", so_far[0] - visits, so_far[1] - acts).unwrap();
            [visits, acts] = so_far;
        }
    }
    Some(text)
}

/// The pages of the three series; `None`, and said so, where there are none beside the checkout.
pub async fn of_real_data() -> Option<Site> {
    let [bandit, survey] = ["data/open-bandit-daily/men.csv", "data/jupyter-ux-survey/daily_funnel.csv"].map(real_data);
    let (bandit, survey, shop) = (bandit?, survey?, shop()?);
    let project = Project::new(&configuration());
    project.write("shop.csv", shop);
    for (file, source) in
        [(bandit.to_str().unwrap(), "bandit"), (survey.to_str().unwrap(), "survey"), ("shop.csv", "shop")]
    {
        project.succeeds(&["import", file, "--source", source]);
    }
    let ended = project.run(&["run", "--once"]);
    assert!(ended.stdout.contains("BUILD: Notebook survey"), "{ended:#?}");
    Some(Site::opened(project).await)
}

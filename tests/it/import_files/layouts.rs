//! Layouts the specimens do not have: more encodings, languages, separators and forms of days.

use willitsell::domain::metric::MetricId;

use super::{import, total};

/// A German Google Ads report saved by a spreadsheet in Windows-1252, with semicolons.
const WINDOWS_1252: &[u8] = include_bytes!("../fixtures/exports/google_daily_de_windows1252.csv");

#[test]
fn x1_a_windows_1252_file_keeps_its_umlauts_and_decimal_commas() {
    let (understood, kept) = import(WINDOWS_1252, &[]).unwrap();
    assert_eq!(understood.encoding, "Windows-1252 (Latin-1)");
    assert_eq!((understood.delimiter.as_str(), understood.rows, understood.days), ("semicolon", 4, 2));
    assert_eq!(total(&understood, MetricId::SPEND), "2804.11");
    assert_eq!(total(&understood, MetricId::IMPRESSIONS), "15437");
    assert_eq!(understood.totals_rows_skipped, 1);
    assert_eq!(understood.currency.unwrap().to_string(), "EUR");
    assert!(kept.keys().any(|(_, arm, _)| arm == "Prüfung Größe – Suche"), "{kept:?}");
    assert!(understood.warnings.iter().any(|warning| warning.contains("check the names")));
}

const PLAIN: &str = "Day,Campaign,Currency code,Impr.,Clicks,Cost\n\
    2026-03-02,\"Café, \"\"new\"\"\",USD,\"4,099\",129,117.55\n\
    2026-03-03,\"Café, \"\"new\"\"\",USD,\"4,166\",102,86.97\n";

#[test]
fn x1_one_table_in_every_encoding_and_line_end_gives_the_same_rows() {
    let (_, wanted) = import(PLAIN, &[]).unwrap();
    assert_eq!(wanted.len(), 6);
    let utf16 = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    for ends in ["\n", "\r\n", "\r"] {
        let text = PLAIN.replace('\n', ends);
        let marked = format!("\u{feff}{text}");
        let latin: Vec<u8> = text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect();
        for bytes in [text.clone().into_bytes(), marked.clone().into_bytes(), utf16(&marked), utf16(&text), latin] {
            assert_eq!(import(&bytes, &[]).unwrap().1, wanted, "{ends:?}");
        }
    }
    let tabs = "Day\tCampaign\tCurrency code\tImpr.\tClicks\tCost\n\
        2026-03-02\t\"Café, \"\"new\"\"\"\tUSD\t4,099\t129\t117.55\n2026-03-03\t\"Café, \"\"new\"\"\"\tUSD\t4,166\t102\t86.97\n";
    assert_eq!(import(tabs, &[]).unwrap().1, wanted);
}

#[test]
fn x1_a_marked_and_quoted_first_header_is_not_lost() {
    for marks in ["\u{feff}", "\u{feff}\u{feff}"] {
        let text = format!("{marks}\"Day\",\"Campaign\",\"Clicks\"\n2026-03-02,A,5\n");
        assert_eq!(import(&text, &[]).unwrap().0.columns[0].taken_for.as_deref(), Some("day"));
    }
}

#[test]
fn x1_a_missing_first_column_never_passes_in_silence() {
    for (text, words) in [
        // The header lost its first name, the rows did not.
        ("Campaign,Impr.,Clicks\n2026-03-02,A,10,1\n", "no day column"),
        ("Campaign,Day,Clicks\nx,A,2026-03-02,1\n", "line 2: this row has 4 fields"),
        // The rows lost their first field.
        ("Day,Campaign,Clicks\nA,1\n", "line 2: this row has 2 fields"),
        (",Day,Campaign,Clicks\n0,2026-03-02,A,1\n", "line 1: the first column has no readable name"),
        ("ï»¿Day,Day,Campaign,Clicks\n2026-03-02,2026-03-02,A,1\n", "no readable name"),
        ("Day,Campaign,Clicks\n2026-03-02,A,1\n2026-03-03,A,1,9\n", "line 3: this row has 4 fields"),
    ] {
        let error = import(text, &[]).map(|(understood, _)| understood).unwrap_err();
        assert!(error.contains(words), "{text:?}: {error}");
    }
}

#[test]
fn x1_totals_rows_of_every_language_are_left_out_and_reported() {
    for (label, day) in [
        ("Total: Account", " --"),
        ("Gesamt", ""),
        ("Summe", "-"),
        ("Total général", ""),
        ("Total general", "--"),
        ("Insgesamt", "--"),
        ("", "Total: Account"),
        ("Total", "2026-03-02"),
    ] {
        let text = format!("Day,Campaign,Clicks\n2026-03-02,A,5\n2026-03-03,A,6\n{day},{label},11\n");
        let (understood, _) = import(&text, &[]).unwrap();
        assert_eq!((total(&understood, MetricId::CLICKS), understood.totals_rows_skipped), ("11", 1), "{label}");
        assert_eq!(understood.warnings, Vec::<String>::new(), "{label}");
        let wrong = text.replace(",11\n", ",12\n");
        let (understood, _) = import(&wrong, &[]).unwrap();
        assert!(understood.warnings[0].contains("is not the sum of the rows"), "{:?}", understood.warnings);
    }
    // A campaign may be called so.
    let (understood, _) = import("Day,Campaign,Clicks\n2026-03-02,Total Wellness,5\n", &[]).unwrap();
    assert_eq!((understood.rows, understood.totals_rows_skipped), (1, 0));
}

#[test]
fn x1_rows_missing_by_the_files_own_count_are_reported() {
    let text = "Campaign name,By Day,Clicks\nA,2026-03-02,5\nTotal of 14 results,-,5\n";
    let (understood, _) = import(text, &[]).unwrap();
    assert!(understood.warnings[0].contains("14 rows, and the file has 1"), "{:?}", understood.warnings);
}

#[test]
fn x1_preamble_blank_rows_copyright_and_quoted_newlines_are_no_rows() {
    let text = "sep=;\nBericht;;\n\nTag;Kampagne;Klicks\n2026-03-02;\"A\nB\";1.234\n;;\n2026-03-03;\"A\nB\";5\n;;\n\"©2026 Microsoft Corporation\"\n";
    let (understood, kept) = import(text, &[]).unwrap();
    assert_eq!((understood.rows, understood.header_line, total(&understood, MetricId::CLICKS)), (2, 4, "1239"));
    assert_eq!(understood.first_rows[1].line, 8);
    assert!(kept.keys().all(|(_, arm, _)| arm == "A B"));
}

#[test]
fn x1_headers_of_four_languages_mean_the_same() {
    for header in [
        "Day,Campaign name,Link clicks,Landing page views,Amount spent (EUR),Impressions",
        "Tag,Name der Kampagne,Link-Klicks,Landingpage-Aufrufe,Ausgegebener Betrag (EUR),Impressionen",
        "Jour,Nom de la campagne,Clics sur un lien,Vues de page de destination,Montant dépensé (EUR),Impressions",
        "Día,Nombre de la campaña,Clics en el enlace,Visitas a la página de destino,Importe gastado (EUR),Impresiones",
    ] {
        let (understood, _) = import(format!("{header}\n2026-03-02,A,5,4,12.30,900\n"), &[]).unwrap();
        let found: Vec<String> = understood.totals.iter().map(|(metric, sum)| format!("{metric} {sum}")).collect();
        assert_eq!(found, ["impressions 900", "clicks 5", "visits 4", "spend 12.3"], "{header}");
        assert_eq!(understood.currency.unwrap().to_string(), "EUR");
    }
}

#[test]
fn clicks_are_those_that_reach_the_page_and_it_is_said_which() {
    let text = "Day,Campaign name,Clicks (all),Clicks,Link clicks\n2026-03-02,A,50,40,30\n";
    let (understood, _) = import(text, &[]).unwrap();
    assert_eq!(total(&understood, MetricId::CLICKS), "30");
    assert!(understood.columns[2].why_not.as_ref().unwrap().contains("likes"));
    assert!(understood.columns[3].why_not.as_ref().unwrap().contains("Link clicks"));
    let (understood, _) = import("Day,Campaign name,Clicks (all),Impressions\n2026-03-02,A,50,400\n", &[]).unwrap();
    assert_eq!(total(&understood, MetricId::CLICKS), "none");
    assert!(understood.warnings[0].contains("no clicks are read"), "{:?}", understood.warnings);
    let error = import("Day,Campaign,Clicks,Clicks\n2026-03-02,A,50,400\n", &[]).map(|_| ()).unwrap_err();
    assert!(error.contains("both count clicks"), "{error}");
}

#[test]
fn results_are_leads_only_where_the_file_says_so() {
    let text = |indicator: &str| {
        format!(
            "Day,Campaign name,Link clicks,Results,Result indicator\n2026-03-02,A,9,4,{indicator}\n2026-03-03,A,8,,\n"
        )
    };
    let (understood, _) = import(text("actions:lead"), &[]).unwrap();
    assert_eq!(total(&understood, MetricId::LEADS), "4");
    assert!(understood.notes.iter().any(|note| note.contains("are leads")), "{:?}", understood.notes);
    let (understood, _) = import(text("actions:link_click"), &[]).unwrap();
    assert_eq!(total(&understood, MetricId::LEADS), "none");
    assert!(understood.columns[3].why_not.is_some());
}

#[test]
fn an_empty_column_is_not_supplied_and_an_empty_cell_is_zero() {
    let text = "Day,Campaign name,Clicks,Leads,Conversions\n2026-03-02,A,9,,\n2026-03-03,A,8,2, --\n";
    let (understood, kept) = import(text, &[]).unwrap();
    assert_eq!(total(&understood, MetricId::LEADS), "2");
    assert_eq!(total(&understood, MetricId::CONVERSIONS), "none");
    let first = "2026-03-02".parse().unwrap();
    assert_eq!(kept.get(&(first, "A".to_owned(), MetricId::LEADS)), Some(&0));
    assert!(understood.notes.iter().any(|note| note.contains("counted as 0 (1 of them)")), "{:?}", understood.notes);
}

#[test]
fn one_day_spans_are_days_and_longer_ones_are_refused() {
    let text = "Reporting starts,Reporting ends,Campaign name,Link clicks\n2026-03-02,2026-03-02,A,3\n2026-03-03,2026-03-03,A,4\n";
    assert_eq!(import(text, &[]).unwrap().0.days, 2);
    let summary = text.replace("A,3", "A,3\n2026-03-02,2026-03-03,,7");
    let (understood, _) = import(summary, &[]).unwrap();
    assert_eq!((understood.days, understood.totals_rows_skipped), (2, 1));
    let error = import(text.replace("2026-03-03,A", "2026-03-09,A"), &[]).map(|_| ()).unwrap_err();
    assert!(error.contains("differ (line 3: 2026-03-03 to 2026-03-09)"), "{error}");
    let weekly = import("Week,Campaign,Clicks\n2026-03-02,A,3\n", &[]).map(|_| ()).unwrap_err();
    assert!(weekly.contains("\"Week\" is not a day"), "{weekly}");
}

#[test]
fn arms_are_named_by_setting_by_name_or_by_id() {
    let text =
        "Day,Campaign ID,Campaign,Ad group,Clicks\n2026-03-02,[400000101],A,g1,3\n2026-03-02,[400000102],A,g2,4\n";
    let keys = |pairs: &[(&str, &str)]| -> Vec<String> {
        import(text, pairs).unwrap().0.arms.into_iter().map(|arm| arm.key).collect()
    };
    assert_eq!(keys(&[]), ["A"]);
    assert_eq!(keys(&[("arm_column", "campaign id")]), ["400000101", "400000102"]);
    assert_eq!(keys(&[("arm_column", "Ad group")]), ["g1", "g2"]);
    assert_eq!(keys(&[("arm", "concept")]), ["concept"]);
    let (understood, _) = import(text, &[]).unwrap();
    assert!(understood.warnings[0].contains("400000101, 400000102"), "{:?}", understood.warnings);
    for pairs in [&[("arm_column", "Banana")][..], &[("arm", "a"), ("arm_column", "Ad group")]] {
        assert!(import(text, pairs).is_err());
    }
}

#[test]
fn a_table_of_ones_own_is_read_by_the_names_its_user_gives() {
    let text = "Besuchstag,Variante,Besucher,Anmeldungen,Clicks\n2026-03-02,A,50,4,9\n2026-03-03,A,40,3,8\n";
    let named = [
        ("day_column", "besuchstag"),
        ("arm_column", "Variante"),
        ("visits_column", "Besucher"),
        ("conversions_column", "Anmeldungen"),
    ];
    let (understood, _) = import(text, &named).unwrap();
    let sums: Vec<String> = understood.totals.iter().map(|(metric, sum)| format!("{metric} {sum}")).collect();
    assert_eq!(sums, ["clicks 17", "visits 90", "conversions 7"]);
    assert_eq!(understood.days, 2);
    // Another column than the one that would have been taken.
    let (understood, _) = import(text, &[&named[..2], &[("clicks_column", "Besucher")]].concat()).unwrap();
    assert_eq!(total(&understood, MetricId::CLICKS), "90");
    assert_eq!(understood.columns[4].why_not.as_deref(), Some("clicks_column names \"Besucher\""));
    // A slip names what was probably meant, also where no other name is known.
    let slip = [&named[..3], &[("conversions_column", "Anmeldung")]].concat();
    let error = import(text, &slip).map(|_| ()).unwrap_err();
    assert!(
        error.contains("`conversions_column`: no column is called \"Anmeldung\". The nearest are \"Anmeldungen\""),
        "{error}"
    );
    let error = import(
        "Tag der Zahl,Menge\n2026-03-02,5\n",
        &[("arm", "a"), ("day_column", "Tag der Zahl"), ("visits_column", "Mengen")],
    );
    assert!(error.map(|_| ()).unwrap_err().contains("The nearest are \"Menge\""));
    let twice = [&named[..], &[("leads_column", "anmeldungen")]].concat();
    assert!(import(text, &twice).map(|_| ()).unwrap_err().contains("named by conversions_column too"));
}

#[test]
fn a_named_day_that_begins_a_span_is_no_day_where_rows_cover_several() {
    let text = "Reporting starts,Reporting ends,Day,Campaign name,Link clicks\n2026-03-02,2026-03-03,2026-03-02,A,3\n";
    assert_eq!(import(text, &[]).unwrap().0.days, 1);
    let error = import(text, &[("day_column", "Reporting starts")]).map(|_| ()).unwrap_err();
    assert!(error.contains("reporting starts and ends differ"), "{error}");
}

#[test]
fn daily_reports_of_microsoft_and_reddit_are_shown_with_three_rows_and_what_is_ignored() {
    let microsoft = "\"Report Name: Campaigns\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"\n\"Report Aggregation: Daily\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"\n\n\
        \"Gregorian date\",\"Campaign name\",\"Campaign ID\",\"Currency code\",\"Impressions\",\"Clicks\",\"Spend\",\"Quality score\"\n\
        \"3/2/2026\",\"Kit\",\"[400000101]\",\"EUR\",\"1,200\",\"30\",\"22.10\",\"7\"\n\
        \"3/3/2026\",\"Kit\",\"[400000101]\",\"EUR\",\"1,100\",\"28\",\"20.10\",\"7\"\n\
        \"3/4/2026\",\"Kit\",\"[400000101]\",\"EUR\",\"1,150\",\"29\",\"21.10\",\"7\"\n\n\"\u{a9}2026 Microsoft Corporation\"\n";
    let reddit = "Date,Campaign Name,Campaign ID,Amount Spent (USD),Impressions,Clicks,CTR,eCPM\n\
        2026-03-02,Kit,t6_abc,12.50,4000,40,1.000%,3.13\n2026-03-03,Kit,t6_abc,11.50,3900,38,0.974%,2.95\n\
        2026-03-04,Kit,t6_abc,11.50,3900,38,0.974%,2.95\n";
    for (text, impressions, spend, ignored) in
        [(microsoft, "3450", "63.3", "ignored, 1: Quality score"), (reddit, "11800", "35.5", "ignored, 2: CTR, eCPM")]
    {
        let (understood, _) = import(text, &[]).unwrap();
        assert_eq!(
            (total(&understood, MetricId::IMPRESSIONS), total(&understood, MetricId::SPEND)),
            (impressions, spend)
        );
        assert_eq!(understood.columns.len(), 8, "each column is taken or ignored");
        let taken = understood.columns.iter().filter(|column| column.taken_for.is_some());
        assert!(taken.clone().all(|column| column.first.len() == 3) && taken.count() > 5);
        assert!(understood.to_string().contains(ignored), "{understood}");
        // Read by what is saved of it, it is the same.
        let saved: Vec<(&str, &str)> = understood.saved.iter().map(|(name, column)| (*name, column.as_str())).collect();
        assert_eq!(import(text, &saved).unwrap().0.totals, understood.totals);
    }
}

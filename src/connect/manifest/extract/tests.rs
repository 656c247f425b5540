//! Tests of the page reader: against a reference on random pages and paths, and one by one.

use proptest::prelude::*;
use serde_json::Value;

use super::super::path::Path;
use super::super::plan::Wanted;
use super::*;

fn plan(paths: &[Path], strict: bool) -> Plan {
    let wanted: Vec<_> = paths.iter().map(|path| Wanted { path, strict }).collect();
    Plan::compile(&wanted, None, &[]).unwrap()
}

fn matches(texts: &[&str], strict: bool, page: &str) -> Result<Vec<Vec<String>>, Broken> {
    let paths: Vec<_> = texts.iter().map(|text| Path::parse(text).unwrap()).collect();
    let (found, ()) = read(&plan(&paths, strict), page, ())?;
    let say = |seen: &Seen<'_>| match seen {
        Seen::Value(json) => (*json).to_owned(),
        other => format!("{other:?}"),
    };
    Ok((0..paths.len()).map(|slot| found.all(slot).iter().map(say).collect()).collect())
}

#[test]
fn filters_keep_what_waits_until_their_test_is_known() {
    let page = r#"{"answers":[{"email":"late@x","type":"email"},{"type":"text","email":"no@x"},{"email":"none@x"}]}"#;
    let seen = matches(
        &["$.answers[?@.type == 'email'].email", "$.answers[?@.type != 'email'].email", "$.answers[?!@.type].email"],
        false,
        page,
    );
    let expected = [vec!["\"late@x\""], vec!["\"no@x\"", "\"none@x\""], vec!["\"none@x\""]];
    assert_eq!(seen.unwrap(), expected);
}

#[test]
fn one_value_may_be_wanted_whole_and_in_parts() {
    let seen = matches(&["$.a", "$.a.b", "$.a[*]"], false, r#"{"a":{"b":1,"c":"\u0041"}}"#).unwrap();
    assert_eq!(seen[0], [r#"{"b":1,"c":"\u0041"}"#]);
    assert_eq!(seen[1], ["1"]);
    assert_eq!(seen[2], ["1", r#""\u0041""#]);
}

#[test]
fn h18_another_kind_on_the_way_is_noted_on_strict_paths() {
    for (page, noted) in [
        (r#"{"a":5}"#, "Wrong(Number)"),
        (r#"{"a":[5]}"#, "Wrong(Array)"),
        (r#"{"a":"x"}"#, "Wrong(Text)"),
        (r#"{"a":null}"#, "Nothing"),
    ] {
        assert_eq!(matches(&["$.a.b"], true, page).unwrap(), [[noted]]);
        assert_eq!(matches(&["$.a.b"], false, page).unwrap(), [[""; 0]]);
    }
    assert_eq!(matches(&["$.a[0]"], true, r#"{"a":{"0":1}}"#).unwrap(), [["Wrong(Object)"]]);
}

#[test]
fn h11_a_wanted_name_twice_is_refused_and_an_unwanted_one_is_not() {
    let broken = matches(&["$.a.b"], true, r#"{"a":{"b":1,"b":2}}"#).unwrap_err();
    assert!(matches!(broken, Broken::Fault { fault, byte: 11..=17 } if fault.path == "b"));
    assert!(matches(&["$.a.*"], false, r#"{"a":{"b":1,"b":2}}"#).is_err());
    assert!(matches(&["$.a.b"], true, r#"{"a":{"c":1,"c":2,"b":3}}"#).is_ok());
}

#[test]
fn a_broken_page_is_told_from_a_torn_one() {
    assert_eq!(matches(&["$.a"], true, r#"{"a":[1,2"#), Err(Broken::Torn));
    assert_eq!(matches(&["$.a"], true, ""), Err(Broken::Torn));
    assert_eq!(matches(&["$.a"], true, "{\"b\":1,\n x}"), Err(Broken::NotJson { byte: 10 }));
    assert!(matches!(matches(&["$.a"], true, "{} x"), Err(Broken::NotJson { .. })));
    let deep = format!("{{\"b\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(matches(&["$.a"], true, &deep).unwrap(), [[""; 0]], "h11: what is skipped costs no stack");
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..3).prop_map(Value::from),
        "[xyé\"\\\\]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[abc]", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn filter() -> impl Strategy<Value = String> {
    let field = prop_oneof!["@\\.[abc]", "@\\.[abc]\\.[abc]", Just("@.a[0]".to_owned())];
    let literal = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        (-3_i64..3).prop_map(|number| number.to_string()),
        "'[xy]'",
    ];
    let leaf = prop_oneof![
        field.clone(),
        (field, prop_oneof![Just("=="), Just("!=")], literal).prop_map(|(f, op, l)| format!("{f} {op} {l}")),
    ];
    leaf.prop_recursive(3, 6, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.prop_map(|a| format!("!({a})")),
        ]
    })
}

fn path() -> impl Strategy<Value = String> {
    let step = prop_oneof![
        4 => "\\.[abc]",
        2 => Just("[*]".to_owned()),
        1 => (0_u8..3).prop_map(|at| format!("[{at}]")),
        2 => Just("[-1]".to_owned()),
        2 => filter().prop_map(|test| format!("[?{test}]")),
    ];
    prop::collection::vec(step, 0..5).prop_map(|steps| format!("${}", steps.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn finds_what_the_reference_finds(document in document(), paths in prop::collection::vec(path(), 1..5)) {
        let page = document.to_string();
        let texts: Vec<_> = paths.iter().map(String::as_str).collect();
        let ours = matches(&texts, false, &page).unwrap();
        for (path, ours) in paths.iter().zip(ours) {
            let reference = serde_json_path::JsonPath::parse(path).unwrap();
            let mut theirs: Vec<_> = reference.query(&document).iter().map(ToString::to_string).collect();
            let mut ours: Vec<_> =
                ours.iter().map(|json| serde_json::from_str::<Value>(json).unwrap().to_string()).collect();
            ours.sort();
            theirs.sort();
            prop_assert_eq!(ours, theirs, "{} in {}", path, page);
        }
    }
}

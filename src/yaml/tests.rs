use proptest::prelude::*;
use serde_json::{Value, json};

use super::{is_timestamp, read, write};
use crate::hidden::is_hidden;

fn one(text: &str) -> Value {
    let mut documents = read(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert_eq!(documents.len(), 1, "{text:?}");
    documents.remove(0)
}

fn refusal(text: &str) -> String {
    read(text).expect_err("refused")
}

/// Expected values are those of `sigs.k8s.io/yaml` 1.6, which kubectl uses.
#[test]
fn plain_scalars_mean_what_kubectl_takes_them_for() {
    for (text, want) in [
        ("yes", json!(true)),
        ("On", json!(true)),
        ("y", json!(true)),
        ("NO", json!(false)),
        ("off", json!(false)),
        ("nUll", json!("nUll")),
        ("~", json!(null)),
        ("Null", json!(null)),
        ("", json!(null)),
        ("0", json!(0)),
        ("012", json!(10)),
        ("0755", json!(493)),
        ("0o755", json!(493)),
        ("-012", json!(-10)),
        ("0o17", json!(15)),
        ("089", json!(89)),
        ("0x1F", json!(31)),
        ("0b101", json!(5)),
        ("0x", json!("0x")),
        ("1_000", json!(1000)),
        ("_1", json!("_1")),
        ("+1", json!(1)),
        ("1.0", json!(1)),
        ("1.5", json!(1.5)),
        ("5.", json!(5)),
        (".5", json!(0.5)),
        (".", json!(".")),
        ("1e3", json!(1000)),
        ("9223372036854775807", json!(9_223_372_036_854_775_807_i64)),
        ("-9223372036854775808", json!(i64::MIN)),
        ("18446744073709551615", json!(u64::MAX)),
        ("18446744073709551616", json!(18_446_744_073_709_551_616.0)),
        ("2001-01-01", json!("2001-01-01")),
        ("2001-01-01T00:00:00Z", json!("2001-01-01T00:00:00Z")),
        ("1:30", json!("1:30")),
        ("10.0.0.1", json!("10.0.0.1")),
        ("100Mi", json!("100Mi")),
        ("inf", json!("inf")),
        ("=", json!("=")),
        ("\"012\"", json!("012")),
        ("'yes'", json!("yes")),
        ("!!str 012", json!("012")),
        ("!!int '3'", json!(3)),
        ("!!float 3", json!(3)),
        ("!!binary aGk=", json!("hi")),
        ("!mine 12", json!("12")),
        ("oN", json!("oN")),
        ("12e4567", json!("12e4567")),
        (".5e999", json!(".5e999")),
        ("1e-999", json!(0)),
        ("0b-101", json!(-5)),
        ("1_0.5", json!(10.5)),
        ("._5", json!("._5")),
        ("! 12", json!("12")),
    ] {
        assert_eq!(one(&format!("k: {text}")), json!({ "k": want }), "{text}");
    }
}

#[test]
fn text_means_what_kubectl_takes_it_for() {
    for (text, want) in [
        ("|\n  set -e\n\n    echo\n", json!("set -e\n\n  echo\n")),
        ("|\r\n  x\r\n  y\r\n", json!("x\ny\n")),
        ("|2-\n   x\n", json!(" x")),
        (">\n  x\n  y\n\n  z\n", json!("x y\nz\n")),
        ("x\n  y\n  z", json!("x y z")),
        ("\"x \\\n  y\\t\"", json!("x y\t")),
        ("'it''s'", json!("it's")),
        ("é\u{1F600}", json!("é\u{1F600}")),
        ("[perl, -wle, \"print bpi(2000)\",]", json!(["perl", "-wle", "print bpi(2000)"])),
        ("{a: yes, b: }", json!({ "a": true, "b": null })),
        ("x\t# comment", json!("x")),
        ("[\n  1\n]", json!([1])),
    ] {
        assert_eq!(one(&format!("k: {text}")), json!({ "k": want }), "{text:?}");
    }
    assert_eq!(one("\u{feff}a: 1"), json!({ "a": 1 }), "a byte order mark is not part of the text");
}

#[test]
fn keys_are_text() {
    assert_eq!(
        one("1: a\n012: b\ny: c\n1.5: d\n'~': e\n1e9: f\n'012': g\n"),
        json!({ "1": "a", "10": "b", "true": "c", "1.5": "d", "~": "e", "1e+09": "f", "012": "g" })
    );
    let refused = "a key must be text, a boolean or a signed number of 64 bits at line ";
    assert_eq!(refusal("a: 1\n~: b"), format!("{refused}2, column 1"));
    assert_eq!(refusal("? [a]\n: b"), format!("{refused}1, column 3"));
}

#[test]
fn the_last_of_equal_keys_wins() {
    assert_eq!(one("a: 1\na: 2"), json!({ "a": 2 }));
}

#[test]
fn aliases_are_copies() {
    assert_eq!(one("a: &x [1]\nb: *x"), json!({ "a": [1], "b": [1] }));
    assert_eq!(one("&x a: 1\n*x : 2"), json!({ "a": 2 }));
    assert_eq!(refusal("a: &x [*x]"), "an anchor's value contains itself at line 1, column 8");
    assert_eq!(refusal("a: &x 1\n---\nb: *x"), "unknown anchor 'x' referenced at line 3, column 4");
}

/// Expected values are those of `sigs.k8s.io/yaml` 1.6. Where the merge key does not stand first,
/// they are not those of the YAML specification.
#[test]
fn a_merge_key_overrides_what_stands_above_it() {
    let anchors = "a: &a {x: 1, w: 2}\nb: &b {w: 3, z: 4}\nl: &l [*a, *b]\n";
    for (entries, want) in [
        ("<<: *a\n  x: 9", json!({ "x": 9, "w": 2 })),
        ("x: 9\n  <<: *a", json!({ "x": 1, "w": 2 })),
        ("<<: *a\n  <<: *b", json!({ "x": 1, "w": 3, "z": 4 })),
        ("<<: [*a, *b]", json!({ "x": 1, "w": 2, "z": 4 })),
        ("<<: [*b, *a]", json!({ "x": 1, "w": 3, "z": 4 })),
        ("<<: {x: 5, <<: *b}", json!({ "x": 5, "w": 3, "z": 4 })),
        ("!!merge <<: *a", json!({ "x": 1, "w": 2 })),
        ("<<: []\n  <<: {}", json!({})),
        ("'<<': q", json!({ "<<": "q" })),
        ("!!str <<: q", json!({ "<<": "q" })),
    ] {
        let text = format!("{anchors}m:\n  {entries}\n");
        assert_eq!(one(&text)["m"], want, "{entries}");
    }
    for entries in ["<<: *l", "<<:", "<<: 1", "<<: [1]", "<<: [*a, [*b]]"] {
        let error = refusal(&format!("{anchors}m:\n  {entries}\n"));
        let want = "a merge (<<) needs a mapping or a list of mappings at line 5, column ";
        assert!(error.starts_with(want), "{entries}: {error}");
    }
}

#[test]
fn a_small_text_cannot_fill_the_memory() {
    let too_large = "the document is too large, nests too deeply or has too many aliases at line ";
    let many = format!("a: &a {}\nb: [{}]", "x".repeat(1 << 20), "*a,".repeat(100));
    assert!(refusal(&many).starts_with("the document is too large"), "{}", refusal(&many));
    for deep in [format!("{}{}", "[".repeat(101), "]".repeat(101)), "- ".repeat(100_000)] {
        assert!(refusal(&deep).starts_with(too_large), "{}", refusal(&deep));
    }
    let deepest = format!("{}{}", "[".repeat(100), "]".repeat(100));
    assert!(read(&deepest).is_ok(), "as deep as serde_json reads");
    let rungs = (1..105).map(|level| format!("a{level}: &a{level} [*a{}]\n", level - 1));
    let ladder: String = std::iter::once("a0: &a0 [1]\n".to_owned()).chain(rungs).collect();
    assert!(refusal(&ladder).starts_with(too_large), "{}", refusal(&ladder));
}

#[test]
fn many_jobs_may_stand_in_one_file() {
    let job = "# a job\nmetadata: &m {name: a}\nspec: {template: {metadata: *m}}\n---\n";
    assert_eq!(read(&job.repeat(3000)).expect("a large file").len(), 3000);
}

#[test]
fn streams_hold_any_number_of_documents() {
    assert_eq!(read("").expect("nothing"), Vec::<Value>::new());
    assert_eq!(read("# only\n---\n---\nnull\n---\n").expect("nothing"), Vec::<Value>::new());
    assert_eq!(
        read("---\r\na: 1\r\n---\r\n# c\r\nb:\r\n- 2\r\n...\nc: 3\n---\n").expect("three"),
        [json!({ "a": 1 }), json!({ "b": [2] }), json!({ "c": 3 })]
    );
}

#[test]
fn errors_are_a_sentence_with_line_and_column() {
    for (text, want) in [
        ("a: 1\nb: [1", "unclosed bracket '[' at line 2, column 4"),
        ("a: b: c", "mapping values are not allowed in this context at line 1, column 5"),
        (
            "a:\n\tb: 1",
            "tabs disallowed within this context (block indentation) at line 2, column 2",
        ),
        ("a: *x", "unknown anchor 'x' referenced at line 1, column 4"),
        ("a: .inf", "value `.inf` is not a finite number at line 1, column 4"),
        ("a: !!int x", "cannot decode `x` as a !!int at line 1, column 10"),
    ] {
        assert_eq!(refusal(text), want, "{text:?}");
    }
}

#[test]
fn output_is_plain_where_it_can_be_and_quoted_where_it_must_be() {
    let value = json!({
        "list": [[1, [2]], { "k": [3], "a": "x" }, {}, []],
        "number": 1.5, "none": null, "on": 1, "012": 1, "<<": 1,
        "quoted": ["yes", "n", "012", "1_000", "~", "", "1:30", "2001-01-01", "1e3", "0x1F", "- a",
        "a: b", "a "],
        "plain": ["a#b", "-a", "http://x:80/y", "é"],
        "escaped": ["a\tb", "\u{1b}[31m", "\ta\nb"],
        "script": "set -e\n\necho hi\n", "strip": "a\nb", "keep": "a\n\n", "space": " a\nb\n",
        "long": "a word ".repeat(14) + "end",
    });
    let long = format!("{}a word\n  {}end", "a word ".repeat(10), "a word ".repeat(3));
    let expected = format!(
        r#""<<": 1
"012": 1
escaped:
- "a\tb"
- "\e[31m"
- "\ta\nb"
keep: |+
  a

list:
- - 1
  - - 2
- a: x
  k:
  - 3
- {{}}
- []
long: {long}
none: null
number: 1.5
"on": 1
plain:
- a#b
- -a
- http://x:80/y
- é
quoted:
- "yes"
- "n"
- "012"
- "1_000"
- "~"
- ""
- "1:30"
- "2001-01-01"
- "1e3"
- "0x1F"
- '- a'
- 'a: b'
- 'a '
script: |
  set -e

  echo hi
space: |2
   a
  b
strip: |-
  a
  b
"#
    );
    assert_eq!(write(&value), expected);
}

fn strings() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ -~\n\t]{0,40}",
        "[-+_.:0-9eExobTZ ]{0,12}",
        prop::sample::select(vec![
            "yes",
            "no",
            "on",
            "off",
            "y",
            "n",
            "null",
            "~",
            "",
            "<<",
            "=",
            "---",
            "...",
            "- a",
            "? a",
            "a: b",
            "a #b",
            "\n",
            "\n\n",
            " \n",
            "a\n ",
            "|",
            "\u{feff}",
            "\u{85}",
            "\u{2028}a",
            "\r\n",
            "0o7",
            "1_000",
            "012",
            ".inf",
        ])
        .prop_map(str::to_owned),
        ("[a-z ']{60,100}", "[a-z \"\\\\]{0,100}").prop_map(|(a, b)| a + &b),
    ]
}

/// Strings with characters that a terminal shows nothing for.
fn hidden() -> impl Strategy<Value = String> {
    let hidden = prop::sample::select(vec!['\u{200b}', '\u{202e}', '\u{2028}', '\u{e0041}']);
    (any::<String>(), hidden, "[ -~\n\t]{0,20}").prop_map(|(a, c, b)| format!("{a}{c}{b}"))
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("whole floats are read as integers", |f| f.is_finite() && f.fract() != 0.0)
            .prop_map(Value::from),
        strings().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(strings(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_written_reads_back_the_same(value in values()) {
        let text = write(&value);
        let expected = if value.is_null() { Vec::new() } else { vec![value] };
        prop_assert_eq!(read(&text).map_err(|error| TestCaseError::fail(format!("{error} \
        in\n{text}")))?, expected);
    }

    #[test]
    fn no_hidden_character_is_written(text in prop_oneof![any::<String>(), hidden()]) {
        let shown = write(&json!({ &text: [&text, "a"] }));
        prop_assert!(!shown.contains(|c: char| is_hidden(c) && c != '\n' && c != '\t'));
        prop_assert_eq!(one(&shown), json!({ &text: [&text, "a"] }), "{}", shown);
    }

    #[test]
    fn no_text_makes_reading_panic(text in "[ -~\n\t\u{80}-\u{a0}]{0,200}") {
        let _ = read(&text);
    }
}

/// Expected values are those of Go's `time.Parse`, by the formats that go-yaml has.
#[test]
fn timestamps_are_what_go_takes_for_them() {
    for text in [
        "2001-01-01",
        "2001-1-1",
        "2004-02-29",
        "0000-01-01",
        "2001-01-01   1:2:3.4",
        "2001-01-01T1:2:3Z",
        "2001-01-01t01:02:03,4+24:60",
    ] {
        assert!(is_timestamp(text), "{text}");
    }
    for text in [
        "",
        "201-01-01",
        "20011-01-01",
        "2001-001-01",
        "2001-02-29",
        "2001-13-01",
        "2001-01-01é",
        "2001-01-01 ",
        "2001-01-01T01:02:03",
        "2001-01-01 01:02:03Z",
        "2001-01-01T24:00:00Z",
        "2001-01-01T01:02:03.Z",
        "2001-01-01T01:02:03+1:00",
        "2001-01-01T01:02:03+1x:00",
    ] {
        assert!(!is_timestamp(text), "{text}");
    }
}

#[test]
fn keys_stand_in_the_order_of_go_yaml() {
    let keys = ["_a", "1", "2", "10", "a", "a1", "a2", "a02", "a10", "aB", "aa", "b"];
    let value = keys.iter().map(|key| ((*key).to_owned(), json!("x"))).collect();
    let text = write(&Value::Object(value)).replace('"', "");
    let written: Vec<&str> = text.lines().filter_map(|line| line.strip_suffix(": x")).collect();
    assert_eq!(written, keys);
}

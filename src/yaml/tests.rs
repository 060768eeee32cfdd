use proptest::prelude::*;
use serde_json::{Value, json};

use super::{read, write};

fn one(text: &str) -> Value {
    let mut documents = read(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert_eq!(documents.len(), 1, "{text:?}");
    documents.remove(0)
}

fn refusal(text: &str) -> String {
    read(text).expect_err("refused").to_string()
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
        ("oN", json!("oN")),
        ("nUll", json!("nUll")),
        ("~", json!(null)),
        ("Null", json!(null)),
        ("", json!(null)),
        ("0", json!(0)),
        ("012", json!(10)),
        ("-012", json!(-10)),
        ("0o17", json!(15)),
        ("089", json!(89)),
        ("0x1F", json!(31)),
        ("0b101", json!(5)),
        ("0x", json!("0x")),
        ("1_000", json!(1000)),
        ("1__0_", json!(10)),
        ("_1", json!("_1")),
        ("+1", json!(1)),
        ("1.0", json!(1)),
        ("1.5", json!(1.5)),
        ("5.", json!(5)),
        (".5", json!(0.5)),
        (".", json!(".")),
        ("1e3", json!(1000)),
        ("1e999", json!("1e999")),
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
        ("! 12", json!("12")),
    ] {
        assert_eq!(one(&format!("k: {text}")), json!({ "k": want }), "{text}");
    }
}

#[test]
fn keys_become_strings() {
    assert_eq!(
        one("1: a\n012: b\ny: c\n1.5: d\n'~': e"),
        json!({ "1": "a", "10": "b", "true": "c", "1.5": "d", "~": "e" })
    );
    assert_eq!(refusal("a: 1\n~: b"), "line 2, column 1: a key must not be null");
    assert_eq!(refusal("? [a]\n: b"), "line 1, column 3: a key must be a scalar");
}

#[test]
fn the_last_of_equal_keys_wins() {
    assert_eq!(one("a: 1\na: 2"), json!({ "a": 2 }));
}

#[test]
fn anchors_and_merge_keys_are_expanded() {
    assert_eq!(one("a: &x [1]\nb: *x"), json!({ "a": [1], "b": [1] }));
    assert_eq!(
        one("a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  b: 3"),
        json!({ "a": { "b": 1, "c": 2 }, "d": { "b": 3, "c": 2 } })
    );
    assert_eq!(
        one("a: 1\n<<: {a: 2}"),
        json!({ "a": 2 }),
        "kubectl lets a merge override what stands before it"
    );
    assert_eq!(one("<<: [{a: 1}, {a: 2, b: 3}]"), json!({ "a": 1, "b": 3 }));
    assert_eq!(one("'<<': 1"), json!({ "<<": 1 }));
    assert_eq!(
        refusal("a: &x [1]\n<<: *x"),
        "line 2, column 5: a merge key (<<) needs a mapping, or a list of mappings"
    );
    assert_eq!(refusal("a: &x [*x]"), "line 1, column 8: an anchor's value contains itself");
    assert_eq!(read("a: &x 1\n---\nb: *x").expect_err("of another document").line(), 3);
}

#[test]
fn aliases_cannot_fill_the_memory() {
    let mut bomb = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..20 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    assert!(refusal(&bomb).ends_with("the document contains excessive aliasing"));
    let deep = format!("{}1{}", "[".repeat(101), "]".repeat(101));
    assert!(refusal(&deep).ends_with("collections nest deeper than 100"));
    let mut ladder = "a0: &a0 [1]\n".to_owned();
    for level in 1..200 {
        ladder.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert!(refusal(&ladder).ends_with("collections nest deeper than 100"));
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
fn errors_have_a_line_and_a_column() {
    for (text, line, column) in
        [("a: 1\nb: [1", 2, 4), ("a: b: c", 1, 5), ("a:\n\tb: 1", 2, 2), ("a: *x", 1, 4)]
    {
        let error = read(text).expect_err("refused");
        assert_eq!((error.line(), error.column()), (line, column), "{text:?}: {error}");
    }
    assert_eq!(refusal("a: .inf"), "line 1, column 4: .inf is not a number that JSON can hold");
    assert_eq!(refusal("a: !!int x"), "line 1, column 10: cannot decode !!str `x` as a !!int");
}

/// The expected text is that of `kubectl patch --local -o yaml`.
#[test]
fn output_has_kubectls_bytes() {
    let value = json!({
        "apiVersion": "v1",
        "list": [[1, [2]], { "k": [3], "a": "x" }, {}, []],
        "job-10": 1.5, "job-2": 1e21, "job-1": true, "none": null,
        "quoted": ["yes", "n", "012", "1_000", "~", "", "1:30", "2001-01-01", ".inf", "1e3", "0x1F"],
        "single": ["- a", "a: b", "#a", "*a", " a", "a ", "@a", "a #b"],
        "plain": ["oN", "a#b", "a:b", "-a", "http://x:80/y", "a, b", "<<"],
        "double": ["a\tb", "\u{1b}[31m", "é\u{1F600}"],
        "script": "set -e\n\necho hi\n", "strip": "a\nb", "keep": "a\n\n", "space": " a\nb\n", "tail": "a \nb\n",
        "long": "a word ".repeat(14) + "end",
        "on": 1,
        "k".repeat(130): "v",
    });
    let key = "k".repeat(130);
    let expected = format!(
        r#"apiVersion: v1
double:
- "a\tb"
- "\e[31m"
- "é\U0001F600"
job-1: true
job-2: 1e+21
job-10: 1.5
keep: |+
  a

? {key}
: v
list:
- - 1
  - - 2
- a: x
  k:
  - 3
- {{}}
- []
long: a word a word a word a word a word a word a word a word a word a word a word
  a word a word a word end
none: null
"on": 1
plain:
- oN
- a#b
- a:b
- -a
- http://x:80/y
- a, b
- <<
quoted:
- "yes"
- "n"
- "012"
- "1_000"
- "~"
- ""
- "1:30"
- "2001-01-01"
- ".inf"
- "1e3"
- "0x1F"
script: |
  set -e

  echo hi
single:
- '- a'
- 'a: b'
- '#a'
- '*a'
- ' a'
- 'a '
- '@a'
- 'a #b'
space: |2
   a
  b
strip: |-
  a
  b
tail: "a \nb\n"
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
        prop_assert_eq!(read(&text).map_err(|error| TestCaseError::fail(format!("{error} in\n{text}")))?, expected);
    }

    #[test]
    fn no_control_character_reaches_a_terminal(text in any::<String>()) {
        prop_assert!(!write(&Value::from(text)).contains(|c: char| c.is_control() && c != '\n'));
    }

    #[test]
    fn no_text_makes_reading_panic(text in "[ -~\n\t\u{80}-\u{a0}]{0,200}") {
        let _ = read(&text);
    }
}

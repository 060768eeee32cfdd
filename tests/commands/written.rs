//! `-o yaml`, byte for byte as kubectl prints it.

use kubectl_federate::print::format;
use libtest_mimic::Failed;
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use serde_json::{Value, json};

use crate::kyaml;

/// How many Jobs are made by chance. They are the same in each run.
const JOBS: usize = 600;

/// What texts are made of: what YAML takes for syntax or for another type, and what breaks lines.
const PIECES: [&str; 96] = [
    "",
    " ",
    "  ",
    "\n",
    "\n\n",
    "\t",
    "\r",
    "a",
    "b c",
    "word ",
    "é",
    "日本",
    "🦀",
    "\u{a0}",
    "\u{1}",
    "\u{1b}[31m",
    "\u{7}\u{8}",
    "\0",
    "\\",
    "\"",
    "'",
    "''",
    "#",
    " #",
    "# ",
    ":",
    ": ",
    " :",
    "-",
    "- ",
    "--",
    "---",
    "...",
    "?",
    "? ",
    "&",
    "&a ",
    "*",
    "*a",
    "!",
    "!!str ",
    "%",
    "%YAML",
    "@",
    "`",
    "|",
    "|-",
    ">",
    "{",
    "}",
    "[",
    "]",
    ",",
    ", ",
    "=",
    "<<",
    "~",
    "null",
    "Null",
    "true",
    "yes",
    "On",
    "off",
    "n",
    "y",
    "0",
    "1",
    "7",
    "08",
    "_",
    "0x",
    "0o",
    "0b",
    "1f",
    "e3",
    "E+2",
    ".",
    ".5",
    ".inf",
    "-.INF",
    ".nan",
    "+",
    "12:30",
    ":45",
    "2001-01-01",
    "-1-2",
    "T03:04:05Z",
    "t1:2:3.4+01:00",
    " 1:2:3",
    "$(echo \"$x\" | sed 's/a/b/')",
    "set -e",
    "\n  echo hi",
    "a long line of many words that has to be broken somewhere, or it is not ",
    "http://x:80/y?z=1#f",
    "--flag=value",
    "{\"json\": [1, \"x\"]}",
];

/// Texts that go-yaml may take for dates and times.
const TIMES: [&str; 30] = [
    "2001-01-01",
    "2001-1-1",
    "2001-02-29",
    "2004-02-29",
    "2001-13-1",
    "0000-01-01",
    "201-01-01",
    "20011-01-01",
    "2001-001-01",
    "2001-01-01 ",
    "2001-01-01 1:2:3",
    "2001-01-01   01:02:03.456",
    "2001-01-01T1:2:3Z",
    "2001-01-01t01:02:03.4Z",
    "2001-01-01T01:02:03",
    "2001-01-01 01:02:03Z",
    "2001-01-01T01:02:03+01:00",
    "2001-01-01T01:02:03-24:60",
    "2001-01-01T01:02:03+25:00",
    "2001-01-01T01:02:03+1:00",
    "2001-01-01T24:00:00Z",
    "2001-01-01T01:02:60Z",
    "2001-01-01T01:02:03,4Z",
    "2001-01-01T01:02:03.Z",
    "2001-01-01T01:02:03z",
    "1:30",
    "190:20:30",
    "-1_0:59.5_",
    "1:60",
    "01:2:3:",
];

/// Keys in an order that is not that of their bytes.
const KEYS: [&str; 22] = [
    "a", "a1", "a2", "a10", "a02", "a002", "a.b", "a-b", "a/b", "A", "B", "b", "_a", "1", "2",
    "10", "1.5", "100", "101", "v1", "v1beta1", "v1alpha1",
];

fn text() -> impl Strategy<Value = String> {
    let pieces = prop::collection::vec(prop::sample::select(&PIECES[..]), 0..12);
    prop_oneof![
        4 => pieces.prop_map(|pieces| pieces.concat()),
        1 => prop::sample::select(&PIECES[..]).prop_map(str::to_owned),
        1 => prop::sample::select(&TIMES[..]).prop_map(str::to_owned),
        1 => "[-+_.:0-9eExobTZ]{0,12}",
        1 => "[a-z '\"]{60,200}",
        1 => "[ -~\n]{0,60}",
    ]
}

fn map() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        4 => prop::sample::select(&KEYS[..]).prop_map(str::to_owned),
        2 => "[a-z]{1,3}[0-9]{0,3}",
        1 => text(),
        1 => "[a-z.]{100,150}/[a-z]{1,40}",
    ];
    prop::collection::btree_map(key, text(), 0..8).prop_map(|map| json!(map))
}

fn job() -> impl Strategy<Value = Value> {
    let texts = || prop::collection::vec(text(), 0..4);
    let number = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no others", |f| f.is_finite()).prop_map(Value::from),
        (-1e6..1e6).prop_map(Value::from),
        (-9_i32..25).prop_map(|exponent| Value::from(10_f64.powi(exponent))),
    ];
    let more = (texts(), number, prop::option::of(text()));
    (map(), map(), texts(), more).prop_map(|(labels, annotations, command, more)| {
        let (args, number, none) = more;
        json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "pi", "labels": labels, "annotations": annotations},
            "spec": {
                "number": number,
                "none": none,
                "nested": [[args, []], {}, [{"a": {"b": [command]}}]],
                "template": {"spec": {"containers": [{
                    "command": command,
                    "env": [{"name": "A", "value": none}, {"value": args.first(), "name": "B"}],
                    "args": args,
                }]}},
            },
        })
    })
}

/// Objects with what is hard to print, and Jobs by chance.
fn objects() -> Vec<Value> {
    let alone = PIECES.into_iter().chain(TIMES).filter(|text| !text.is_empty());
    let alone = alone.map(|text| {
        json!({"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "a", "annotations": {
            text: text, "x": format!("{text}x"), "y": format!("x{text}"), "z": [text, [text]],
        }}})
    });
    let mut objects: Vec<Value> = kyaml::objects().into_iter().filter(is_shown).collect();
    objects.extend(alone);
    let mut runner = TestRunner::deterministic();
    let jobs = (0..JOBS).map(|_| job().new_tree(&mut runner).map(|tree| tree.current()));
    objects.extend(jobs.map(|job| job.expect("nothing is rejected often")));
    objects
}

/// Whether it has none of the characters that kubectl prints and we do not, and none that it
/// refuses.
fn is_shown(object: &Value) -> bool {
    let text = object.to_string();
    !text.contains(|c: char| kubectl_federate::hidden::is_hidden(c) && c > ' ')
}

/// kubectl prints each object that it reads from a file as we print it.
pub fn as_kubectl_prints_it() -> Result<(), Failed> {
    let kubectl = real::available(real::Version::NEWEST)?.kubectl();
    let objects = objects();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let theirs = kyaml::printed(&kubectl, &list, "yaml")?;
    // Each begins with this key, and nothing else stands so far left.
    let theirs: Vec<&str> = theirs.split_inclusive('\n').collect();
    let theirs: Vec<String> =
        theirs.chunk_by(|_, line| !line.starts_with("apiVersion: ")).map(<[_]>::concat).collect();
    assert_eq!(theirs.len(), objects.len());
    for (object, theirs) in objects.iter().zip(theirs) {
        // Without the quotes, kubectl itself takes the key for a merge when it reads.
        let theirs = theirs.replace("\n    <<: ", "\n    \"<<\": ");
        assert_eq!(format::yaml(object), theirs, "{object}");
    }
    Ok(())
}

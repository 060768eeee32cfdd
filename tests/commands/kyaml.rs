//! `-o kyaml`, byte for byte as kubectl prints it.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use kubectl_federate::print::format;
use libtest_mimic::Failed;
use serde_json::{Map, Value, json};

/// Texts that are easy to print wrongly, as keys and as values.
const TEXTS: [&str; 78] = [
    "",
    " ",
    "a",
    "a b",
    " a",
    "a ",
    "-a",
    "a-",
    "a-b",
    ".a",
    "a.",
    "a.b",
    "/a",
    "a/b/c",
    "_",
    "__a",
    "a:b",
    "a#b",
    "ä",
    "日本",
    "a\u{301}",
    "½",
    "Ⅷ",
    "🦀",
    "null",
    "Null",
    "~",
    "true",
    "TRUE",
    "tRUE",
    "t",
    "T",
    "y",
    "Y",
    "yes",
    "On",
    "off",
    "n",
    "NO",
    "0",
    "00",
    "08",
    "017",
    "1_000",
    "0x1F",
    "0x1p-2",
    "0x_1",
    "0o17",
    "0b101",
    "0b2",
    "1e3",
    "1e400",
    "1.5",
    ".5",
    "5.",
    "inf",
    "Infinity",
    "-.inf",
    ".nan",
    "NaN",
    "11:00",
    "2026-1-2",
    "2026-01-02T03:04:05Z",
    "2026-13-1",
    "2026-2-30",
    "a\nb",
    "a\n",
    "\n",
    "\n\na",
    "  a\n\tb\n\u{a0}c",
    "a\tb",
    "\ta",
    "\"q\" \\ 'r'",
    "<a&b>",
    "\u{1}\u{7}\u{8}\u{b}\u{c}\u{1b}\r",
    "\u{a0}\u{2028}\u{2029}\u{ad}\u{200b}",
    "a\r\n b",
    "é\u{feff}x",
];

/// Values that are no texts.
fn others() -> Vec<Value> {
    let nested =
        json!([[], {}, [[]], [{}], [[1, [2]], {"a": [{"b": [3, "c"]}, {}]}], ["a", {}, []]]);
    let mut values = vec![
        Value::Null,
        json!(true),
        json!(false),
        json!(0),
        json!(-1),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(0.1),
        json!(-2.5),
        json!(1e30),
        json!(1.5e-9),
        json!(123_456_789.125),
        json!(1e20),
    ];
    values.extend(nested.as_array().into_iter().flatten().cloned());
    values.push(nested);
    values
}

/// Many objects, each with other texts and values in it.
pub fn objects() -> Vec<Value> {
    let texts = TEXTS.iter().map(|text| json!(text)).chain(others());
    let alone = texts.clone().enumerate().map(|(at, value)| {
        json!({
            "apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": format!("t{at}")},
            "value": value, "list": [value], "pair": [value, value], "deep": {"in": [{"a": value}]},
        })
    });
    let mut objects: Vec<Value> = alone.collect();
    for (at, value) in texts.enumerate() {
        let key = TEXTS[at % TEXTS.len()];
        let mut fields = Map::new();
        fields.insert(key.to_owned(), value.clone());
        fields.insert(format!("{key}x"), json!({ key: [value] }));
        objects.push(json!({
            "apiVersion": "example.com/v1", "kind": "Thing",
            "metadata": {"name": format!("k{at}"), "managedFields": [{"manager": "a"}]},
            "fields": fields,
        }));
    }
    objects
}

/// kubectl prints each object that it reads from a file as we print it.
pub fn as_kubectl_prints_it() -> Result<(), Failed> {
    let kubectl = real::available(real::Version::NEWEST)?.kubectl();
    let objects = objects();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let theirs = printed(&kubectl, &list, "kyaml")?;
    let theirs: Vec<&str> = theirs.split("---\n").filter(|text| !text.is_empty()).collect();
    assert_eq!(theirs.len(), objects.len());
    for (object, theirs) in objects.iter().zip(theirs) {
        assert_eq!(format::kyaml(object), format!("---\n{theirs}"), "{object}");
    }
    Ok(())
}

/// What `kubectl patch --local` makes of objects that it changes nothing in.
pub fn printed(kubectl: &Path, list: &Value, format: &str) -> Result<String, Failed> {
    let mut child = Command::new(kubectl)
        .args(["patch", "--local", "-f", "-", "--type=json", "--patch=[]", "-o", format])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().ok_or("stdin is a pipe")?;
    let text = list.to_string();
    let writes = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output()?;
    writes.join().map_err(|_| "the writer panicked")??;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

//! Manifests mean what the real kubectl takes them for: both read the same bytes, and must find the
//! same objects or refuse them both.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use kubectl_federate::yaml;
use libtest_mimic::Failed;
use serde_json::{Value, json};

/// Scalars of every kind that YAML 1.1, YAML 1.2 and go-yaml take for different things.
const SCALARS: &str = "\
    y Y yes Yes YES yEs n N no No NO on On ON oN off Off OFF true True TRUE tRue false FALSE \
    null Null NULL nUll ~ = \
    0 00 -0 +0 012 0755 -012 +012 0o17 0O17 -0o17 089 08.5 09 0o8 0o 0_0 1_000 1__0 _1 1_ 1_0.5 \
    0x 0x1F 0X1f -0xF 0xfg 0x_1 0x1p-2 0b 0b101 0B1 -0b11 0b-101 0b+1 0b+-1 0b12 \
    +1 -1 --1 +-1 + 1.0 1.5 5. .5 +.5 -.5 . .. ._5 .5_0 1.2.3 -0.0 00.5 \
    1e3 1E3 1e+3 1e-3 1.e3 .e3 1e 1e+ e3 1e05 00e5 0e99999 12e45 12e4567 12E4567 -12e4567 .5e999 \
    1e308 1e309 1e-400 1e1000000000000 1e5f 1f 1d 123abc 7e1 1234567e8 \
    9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809 \
    18446744073709551615 18446744073709551616 4611686018427387904.0 9007199254740993.0 \
    0.1 0.30000000000000004 1e-7 1e21 inf Inf nan infinity .iNf 1:30 190:20:30 1,000 10.0.0.1 \
    2001-01-01 2001-1-1 2001-13-41 2001-01-01T00:00:00Z 2001-12-14t21:59:43.10-05:00 \
    100Mi 1e3Gi 5m";

/// Ways to write one: `$` stands for it.
const FORMS: [&str; 10] = [
    "v: $",
    "v: [$]",
    "v: '$'",
    "v: \"$\"",
    "v: !!str $",
    "v: ! $",
    "v: !mine $",
    "v: |\n    $",
    "$: v",
    "? $\n  : v",
];

/// Tags that do not fit every scalar: each is read by itself, and may be refused.
const TAGS: [&str; 4] = ["!!int", "!!float", "!!bool", "!!null"];

/// Specs in which merge keys, anchors, and keys that are not text stand.
const MAPPINGS: [&str; 34] = [
    "<<: *a\n  x: 9",
    "x: 9\n  <<: *a",
    "<<: *a\n  <<: *b",
    "<<: *b\n  <<: *a",
    "<<: [*a, *b]",
    "<<: [*b, *a]",
    "x: 9\n  <<: [*a, *b]\n  z: 0",
    "<<: {x: 5, <<: *b}",
    "<<: {<<: *b, x: 5, w: 6}",
    "<<: [{x: 0}, *a]",
    "<<: []",
    "<<: {}",
    "<<: *l",
    "<<:",
    "<<: 1",
    "<<: [1]",
    "<<: [*a, [*b]]",
    "'<<': q",
    "!!merge <<: *a",
    "!!str <<: q",
    "? <<\n  : *a",
    "x: &y {x: 1}\n  z: *y",
    "x: &y 1\n  z: &y 2\n  w: *y",
    "x: *nobody",
    "x: &y [*y]",
    "&k x: 1\n  *k : 2",
    "x: 1\n  x: 2",
    "x: 1\n  'x': 2",
    "? [x]\n  : 1",
    "~: 1",
    "!!binary aGk=: 1",
    "x: !!binary aGk=",
    "x: !!binary '%'",
    "x: !!set {y1, z}",
];

/// A manifest with this spec.
fn manifest(spec: &str) -> String {
    let anchors = "a: &a {x: 1, w: 2}\nb: &b {w: 3, z: 4}\nl: &l [*a, *b]\n";
    format!("{anchors}apiVersion: v1\nkind: Thing\nmetadata: {{name: a}}\nspec:\n  {spec}\n")
}

/// What kubectl reads from these bytes; none where it refuses them. It asks no server.
fn kubectls(kubectl: &Path, bytes: &[u8]) -> Result<Option<Vec<Value>>, Failed> {
    let mut child = Command::new(kubectl)
        .args(["annotate", "--local", "-f", "-", "-o", "json", "read-by=kubectl"])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = child.wait_with_output()?;
    // kubectl may have refused the first lines and not read the rest.
    let _ = writer.join();
    if !output.status.success() {
        return Ok(None);
    }
    let objects = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    let mut objects = objects.collect::<Result<Vec<_>, _>>()?;
    for object in &mut objects {
        let metadata = object["metadata"].as_object_mut().expect("it is an object");
        assert_eq!(metadata.remove("annotations"), Some(json!({ "read-by": "kubectl" })));
        numbers(object);
    }
    Ok(Some(objects))
}

fn ours(bytes: &[u8]) -> Option<Vec<Value>> {
    let mut objects = yaml::decode(bytes).and_then(|text| yaml::read(&text)).ok()?;
    objects.iter_mut().for_each(numbers);
    Some(objects)
}

/// Floats have several texts in JSON, which serde_json reads as neighbours: they are compared by
/// their first digits.
fn numbers(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(numbers),
        Value::Object(fields) => fields.values_mut().for_each(numbers),
        Value::Number(number) if !number.is_i64() => {
            *value = format!("{:.14e}", number.as_f64().unwrap_or(f64::NAN)).into();
        }
        _ => {}
    }
}

/// Scalars, merge keys and byte-order marks.
pub fn as_kubectl_reads_it() -> Result<(), Failed> {
    let kubectl = real::available(real::Version::NEWEST)?.kubectl();
    let mut together = Vec::new();
    let mut apart: Vec<String> = MAPPINGS.map(manifest).to_vec();
    for scalar in SCALARS.split_whitespace() {
        for form in FORMS {
            let spec = manifest(&form.replace('$', scalar));
            // What we refuse would hide what stands beside it.
            if ours(spec.as_bytes()).is_some() { together.push(spec) } else { apart.push(spec) }
        }
    }
    for scalar in ["3", "1.5", "yes", "null", "12e4567", "x", "'3'", "''", "9223372036854775807"] {
        apart.extend(TAGS.map(|tag| manifest(&format!("v: {tag} {scalar}"))));
    }
    let stream = together.join("---\n");
    let Some(read) = kubectls(&kubectl, stream.as_bytes())? else {
        for text in &together {
            assert!(kubectls(&kubectl, text.as_bytes())?.is_some(), "kubectl refuses {text}");
        }
        return Err("kubectl refuses the stream and takes each of its documents".into());
    };
    let found = ours(stream.as_bytes()).expect("each was read");
    assert_eq!(read.len(), together.len());
    for ((text, kubectls), ours) in together.iter().zip(read).zip(found) {
        assert_eq!(ours, kubectls, "{text}");
    }
    for text in apart {
        assert_eq!(ours(text.as_bytes()), kubectls(&kubectl, text.as_bytes())?, "{text}");
    }
    encodings(&kubectl)
}

/// A document in each encoding, and streams whose documents have byte-order marks. kubectl reads
/// no streams with documents in UTF-16.
fn encodings(kubectl: &Path) -> Result<(), Failed> {
    let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        format!("\u{feff}{text}").encode_utf16().flat_map(bytes).collect()
    };
    let text = manifest("v: é😀").replace('\n', "\r\n");
    let marked = format!("\u{feff}{text}");
    let mut inputs = vec![utf16(&text, u16::to_be_bytes), utf16(&text, u16::to_le_bytes)];
    for first in [&text, &marked] {
        inputs.push(first.clone().into_bytes());
        inputs.extend([&text, &marked].map(|second| format!("{first}---\n{second}").into_bytes()));
    }
    for bytes in inputs {
        let read = kubectls(kubectl, &bytes)?.ok_or("kubectl refuses an encoding")?;
        assert_eq!(ours(&bytes), Some(read), "{bytes:?}");
    }
    Ok(())
}

/// The built binary takes a file with a byte-order mark and one in UTF-16 as kubectl does.
pub fn files_in_any_encoding() -> Result<(), Failed> {
    let machine = crate::machine::Machine::federation()?;
    let pi = fs::read_to_string("pi.yaml")?;
    let second = pi.replace("name: pi\n", "name: tau\n");
    fs::write(machine.path("marks.yaml"), format!("\u{feff}{pi}---\n\u{feff}{second}"))?;
    let utf16: Vec<u8> =
        format!("\u{feff}{pi}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(machine.path("utf16.yaml"), utf16)?;
    for (file, names) in [("marks.yaml", &["pi", "tau"][..]), ("utf16.yaml", &["pi"])] {
        let file = machine.path(file).display().to_string();
        let output = machine.succeeds(&format!("job create --dry-run=client -f {file}"))?;
        for name in names {
            let said = format!("job.batch/{name} created (dry run)");
            let stdout = crate::machine::text(&output.stdout);
            assert!(stdout.contains(&said), "{stdout}");
        }
    }
    Ok(())
}

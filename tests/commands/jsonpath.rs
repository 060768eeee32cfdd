//! Templates print what the real kubectl prints of the same objects, or are refused in its words.
//!
//! kubectl asks no server for this: it prints what a patch makes of the objects that it reads.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use kubectl_federate::{
    print::{Format, format::Asked},
    yaml,
};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::machine::text;

/// What parts the expressions of one template from each other: as it is typed, and printed.
const MARK: (&str, &str) = ("{\"\\n@@@\\n\"}", "\n@@@\n");

/// Objects with values of every kind. A map with several keys has no order in kubectl, so that
/// wildcards are for those with one.
fn objects() -> Value {
    let job = |name: &str, n: i64, more: Value| {
        let mut job = json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": name,
                "namespace": "default",
                "creationTimestamp": "2026-01-02T03:04:05Z",
                "labels": { "team": if n % 2 == 0 { "math" } else { "art" }, "a.b/c": "d" },
            },
            "spec": {
                "completions": n * 6,
                "parallelism": n,
                "suspend": n == 3,
                "template": { "spec": { "containers": [
                    {
                        "name": "main",
                        "image": "perl:5.34",
                        "command": ["perl", "-e", "print <&> 1"],
                    },
                    { "name": "side", "image": "busybox" },
                ] } },
            },
            "status": { "succeeded": n, "conditions": [
                { "type": "Complete", "status": "True" },
                { "type": "Failed", "status": "False" },
            ] },
        });
        for (key, value) in more.as_object().expect("fields") {
            job[key] = value.clone();
        }
        job
    };
    let values = json!({
        "values": {
            "null": null, "yes": true, "no": false, "empty": "", "none": {}, "nothing": [],
            "half": 0.5, "million": 1_234_567.5, "large": 1e21, "huge": 1.5e300,
            "small": 0.0001, "smaller": 0.00001, "tiny": 1.25e-7, "minus": -3,
            "long": 9_007_199_254_740_993_i64,
            "third": 0.333_333_333_333_333, "negative": -2.5e-9, "hundred": 123_456.5,
        },
        "texts": ["", " ", "a b", "ü世界", "tab\there", "line\nbreak", "\"quoted\"",
            "back\\slash",
            "<&>\u{2028}"],
        "nested": [[1, 2], [3, [4, 5]], []],
        "mixed": [1, "1", 1.5, true, null, { "k": "v" }, [1]],
        "deep": { "er": { "still": { "value": "found" } } },
        "one": { "key": { "name": "inner" } },
        "numbers": [5, 3, 9, 1],
        "floats": [0.5, 2.5, 1.5],
        "spaced key": "spaced", "dotted.key": "dotted",
    });
    let (second, third) = (job("a-longer-name", 2, json!({})), job("tau", 3, json!({})));
    json!({
        "apiVersion": "v1",
        "kind": "List",
        "metadata": { "resourceVersion": "" },
        "items": [job("pi", 1, values), second, third],
    })
}

/// Expressions that stand by themselves, of every kind.
const EXPRESSIONS: &str = include_str!("jsonpath.txt");

/// Indexes of which slices are made.
const INDEXES: [&str; 7] = ["", "0", "1", "-1", "2", "4", "-5"];

/// Values that are compared with each other.
const OPERANDS: [&str; 10] =
    ["1", "2", "-1", "1.5", "\"tau\"", "'pi'", "true", "@.metadata.name", "@.none", "@.spec"];

fn expressions() -> Vec<String> {
    let mut all: Vec<String> = EXPRESSIONS.lines().map(|line| line.replace("\\n", "\n")).collect();
    for from in INDEXES {
        all.push(format!("{{.items[0].numbers[{from}]}}"));
        for to in INDEXES {
            all.push(format!("{{.items[0].numbers[{from}:{to}]}}"));
        }
    }
    for step in ["1", "2", "3", "9", "", "0", "-1"] {
        all.push(format!("{{.items[0].numbers[::{step}]}}"));
        all.push(format!("{{.items[0].numbers[1:4:{step}]}}"));
    }
    for path in ["@.spec.parallelism", "@.metadata.name", "@.spec.suspend"] {
        for operator in ["==", "!=", "<", "<=", ">", ">=", "=", "=>"] {
            for operand in OPERANDS {
                all.push(format!("{{.items[?({path}{operator}{operand})].metadata.name}}"));
            }
        }
    }
    for value in objects()["items"][0]["values"].as_object().expect("fields").keys() {
        all.push(format!("{{.items[0].values.{value}}}"));
    }
    all
}

/// What kubectl makes of a template: its exit code, stdout and stderr.
fn kubectls(kubectl: &Path, flags: &[&str]) -> Result<(bool, String, String), Failed> {
    let mut list = objects();
    // The items of a list it would take one by one.
    let items = list.as_object_mut().and_then(|list| list.remove("items"));
    list["objects"] = items.unwrap_or_default();
    let mut child = Command::new(kubectl)
        .args(["patch", "--local", "-f", "-", "--type=json"])
        .arg(r#"--patch=[{"op": "move", "from": "/objects", "path": "/items"}]"#)
        .args(flags)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    // It may have refused the template and not read the objects.
    let _ = stdin.write_all(list.to_string().as_bytes());
    drop(stdin);
    let output = child.wait_with_output()?;
    // We have all of its formats but this one.
    let said = text(&output.stderr);
    Ok((output.status.success(), text(&output.stdout), said))
}

/// What is printed of the objects, or what is said of the template.
fn ours(output: &str, allow_missing_keys: bool) -> Result<String, String> {
    let asked = Asked { output, template: "", allow_missing_keys, headers: true };
    let read = |file: &str| Err(format!("open {file}: no such file or directory"));
    let format = Format::choose(asked, &Format::of_changes(), read)?.expect("a format");
    let printed = format.print(&objects(), "job.batch").expect("no table");
    printed.failed.map_or(Ok(printed.text), Err)
}

/// Compares each expression in one format, with as few processes as can be.
fn compare(kubectl: &Path, format: &str, expressions: &[String]) -> Result<(), Failed> {
    let printed = |one: &String| ours(&format!("{format}={one}"), true);
    let (good, bad): (Vec<_>, Vec<_>) = expressions.iter().partition(|one| printed(one).is_ok());
    let file = tempfile::NamedTempFile::new()?;
    let template: Vec<_> = good.iter().map(|one| [one.as_str(), MARK.0].concat()).collect();
    let template = template.concat();
    fs::write(file.path(), template)?;
    let flag = format!("-o={format}-file={}", file.path().display());
    let (done, stdout, stderr) = if format == "jsonpath" {
        kubectls(kubectl, &[&flag])?
    } else {
        let template = fs::read_to_string(file.path())?;
        kubectls(kubectl, &[&format!("-o={format}={template}")])?
    };
    let mark = match format {
        "jsonpath" => MARK.1.to_owned(),
        _ => format!("[\n    {}\n]\n", Value::from(MARK.1)),
    };
    if !done {
        for one in good {
            let (done, _, stderr) = kubectls(kubectl, &[&format!("-o={format}={one}")])?;
            assert!(done, "kubectl refuses {one}: {stderr}");
        }
        return Err(format!("kubectl refuses all expressions together: {stderr}").into());
    }
    let texts: Vec<_> = stdout.split(&mark).collect();
    assert_eq!(texts.len(), good.len() + 1);
    for (one, text) in good.into_iter().zip(texts) {
        assert_eq!(printed(one).as_deref(), Ok(text), "{format}={one}");
    }
    for one in bad {
        let (done, stdout, stderr) = kubectls(kubectl, &[&format!("-o={format}={one}")])?;
        let ours = printed(one).map_err(|why| format!("error: {}", why.trim_end()));
        let theirs = if done { Ok(stdout) } else { Err(stderr.trim_end().to_owned()) };
        assert_eq!(ours, theirs, "{format}={one}");
    }
    Ok(())
}

/// Hundreds of expressions in templates and as JSON, and formats that there are not.
pub fn as_kubectl_prints_it() -> Result<(), Failed> {
    let kubectl = real::available(real::Version::NEWEST)?.kubectl();
    let all = expressions();
    assert!(all.len() > 300, "{}", all.len());
    compare(&kubectl, "jsonpath", &all)?;
    // Reading a template and its errors are the same there. kubectl panics at nothing at all.
    let good =
        |one: &&String| !one.contains("{@}") && ours(&format!("jsonpath={one}"), true).is_ok();
    let good: Vec<_> = all.iter().filter(good).cloned().collect();
    compare(&kubectl, "jsonpath-as-json", &good)?;
    for (format, allow) in [
        ("jsonpath", true),
        ("jsonpath=", true),
        ("jsonpath-as-json=", true),
        ("jsonpath-file=/no/such/file", true),
        ("wide", true),
        ("x", true),
        ("json=x", true),
        ("jsonpath={.none}", false),
        ("jsonpath={.items[*].none}", false),
        ("jsonpath={.items[*].values.null}", false),
    ] {
        let flags = [&*format!("-o={format}"), &format!("--allow-missing-template-keys={allow}")];
        let (done, stdout, stderr) = kubectls(&kubectl, &flags)?;
        let theirs = if done { Ok(stdout) } else { Err(stderr.trim_end().to_owned()) };
        let ours = ours(format, allow).map_err(|why| format!("error: {}", why.trim_end()));
        assert_eq!(ours, theirs, "{format}");
    }
    for format in ["json", "JSON"] {
        let (_, stdout, _) = kubectls(&kubectl, &[&format!("-o={format}")])?;
        assert_eq!(ours(format, true), Ok(stdout), "{format}");
    }
    // The line separator in a text is escaped, which no terminal shows: the meaning is the same.
    let (_, theirs, _) = kubectls(&kubectl, &["-o=yaml"])?;
    assert_eq!(yaml::read(&ours("yaml", true)?)?, yaml::read(&theirs)?);
    Ok(())
}

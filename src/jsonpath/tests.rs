//! Templates of each kind, and what is wrong with others. `tests/commands/jsonpath.rs` compares
//! with the real kubectl.

use serde_json::json;

use super::*;

fn job() -> Value {
    json!({
        "metadata": {"name": "pi", "labels": {"a.b/c": "x", "team": "math"}},
        "spec": {"completions": 18, "ratio": 2.5, "suspend": false, "nothing": null},
        "items": [
            {"name": "a", "n": 1, "on": true},
            {"name": "b", "n": 2, "tags": ["x", "<y>"]},
            {"name": "c", "n": 3, "on": false},
        ],
    })
}

fn text(template: &str) -> Result<String, String> {
    JsonPath::parse(template)?.text(&job())
}

#[test]
fn templates_lead_to_texts() {
    for (template, expected) in [
        ("plain", "plain"),
        ("{.metadata.name}", "pi"),
        ("{$.metadata.name}{\"\\n\"}", "pi\n"),
        ("{.metadata['name']}", "pi"),
        ("{.metadata.labels.a\\.b/c}", "x"),
        ("{.spec.completions} {.spec.ratio} {.spec.suspend} {.spec.nothing}", "18 2.5 false null"),
        ("{.items[*].name}", "a b c"),
        ("{.items[0].name}{.items[-1].name}", "ac"),
        ("{.items[0:2].name}", "a b"),
        ("{.items[::2].name}", "a c"),
        ("{.items[0,2].name}", "a c"),
        ("{.items[?(@.n>1)].name}", "b c"),
        ("{.items[?(@.name==\"b\")].tags}", "[\"x\",\"\\u003cy\\u003e\"]"),
        ("{.items[?(@.tags)].name}", "b"),
        ("{.items[?(@.on==true)].name}", "a"),
        ("{range .items[*]}{.name}={.n};{end}.", "a=1;b=2;c=3;."),
        ("{range .none[*]}{.name}{end}.", "."),
        ("{..name}", "a b c pi"),
        ("{['metadata.name', 'spec.completions']}", "pi 18"),
        ("{.metadata.labels}", "{\"a.b/c\":\"x\",\"team\":\"math\"}"),
        ("{.none}", ""),
        ("{5}{true}{1.50}", "5true1.5"),
    ] {
        assert_eq!(text(template), Ok(expected.to_owned()), "{template}");
    }
    let bare = JsonPath::parse("{metadata.name}").expect("a template");
    assert_eq!(bare.find(&job()), Err("unrecognized identifier metadata".to_owned()));
}

#[test]
fn what_is_no_template_is_refused() {
    for (template, why) in [
        ("{.x", "unclosed action"),
        ("{*}", "unrecognized character in action: U+002A '*'"),
        ("{.x[}", "unterminated array"),
        ("{.x[a]}", "invalid array index a"),
        ("{.x[?(@.y]}", "unterminated filter"),
        ("{.x[?(@.y)}", "unclosed array expect ]"),
        ("{\"x}", "unterminated quoted string"),
        ("{....x}", "invalid multiple recursive descent"),
        ("{1.2.3}", "cannot parse number 1.2.3"),
        ("{\"\\q\"}", "unquote string \"\\q\" error invalid syntax"),
    ] {
        assert_eq!(JsonPath::parse(template), Err(why.to_owned()), "{template}");
    }
}

#[test]
fn a_template_that_does_not_fit_the_object_shows_both() {
    let object = json!({"a": ["x"], "b": null});
    let path = JsonPath::parse("{.a[3]}").expect("a path");
    assert_eq!(
        path.text(&object),
        Err("error executing jsonpath \"{.a[3]}\": Error executing template: array index out of \
             bounds: index 3, length 1. Printing more information for debugging the template:\n\
             \ttemplate was:\n\t\t{.a[3]}\n\tobject given to jsonpath engine was:\n\
             \t\tmap[string]interface {}{\"a\":[]interface {}{\"x\"}, \"b\":interface {}(nil)}\n\
             \n\n"
            .to_owned())
    );
    let strict = JsonPath::parse("{.c}").expect("a path").allow_missing_keys(false);
    assert_eq!(strict.find(&object), Err("c is not found".to_owned()));
}

#[test]
fn results_are_lists_of_json() {
    let path = JsonPath::parse("{.items[*].n}{.none}").expect("a path");
    assert_eq!(path.json(&job()), Ok("[\n    1,\n    2,\n    3\n]\n[]\n".to_owned()));
}

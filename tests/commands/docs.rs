//! The pages: they show what the commands print, and lead where they say.
//!
//! A page that is out of date is written again with `UPDATE_DOCS=1 cargo test --test commands`.

use std::{
    fmt::Write as _,
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use kubectl_federate::{cli, print::Output};

use crate::stage::Stage;

/// Set to write pages instead of comparing them.
const UPDATE: &str = "UPDATE_DOCS";

/// The head of docs/commands.md.
const HEAD: &str = "\
# Commands

Flags are kubectl's where kubectl has them. Those that every command takes are listed under
[options](#kubectl-federate-options). A test writes this page from the help texts:
`UPDATE_DOCS=1 cargo test --test commands -- docs`.

";

/// The pages that users and contributors read.
const PAGES: [&str; 10] = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/commands.md",
    "docs/concepts.md",
    "docs/guarantees.md",
    "docs/jobs.md",
    "docs/operations.md",
    "krew/README.md",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(page: &str) -> String {
    fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// All commands, as they are typed after the name of the program: `""`, `init`, `job create`.
fn commands() -> Vec<String> {
    fn below(path: &str, command: &clap::Command, all: &mut Vec<String>) {
        all.push(path.trim_start().to_owned());
        for verb in command.get_subcommands() {
            below(&format!("{path} {}", verb.get_name()), verb, all);
        }
    }
    let mut all = Vec::new();
    below("", &cli::command(&Output::captured().0), &mut all);
    all
}

/// docs/commands.md holds the help of every command.
pub async fn commands_page() {
    let mut stage = Stage::new();
    let commands = commands();
    let title = |command: &str| format!("kubectl federate {command}").trim_end().to_owned();
    let mut page = HEAD.to_owned();
    for command in &commands {
        let anchor = title(command).replace(' ', "-");
        let _ = writeln!(page, "- [{}](#{anchor})", title(command));
    }
    for command in &commands {
        let (code, help, _) = stage.run(&format!("{command} --help"), None).await;
        assert_eq!(code, 0, "{command}");
        let _ = write!(page, "\n## {}\n\n```text\n{help}```\n", title(command));
        if command == "options" {
            let (_, options, _) = stage.run(command, None).await;
            let _ = write!(page, "\n```text\n{}\n```\n", options.trim_end());
        }
    }
    let before = fs::read_to_string(root().join("docs/commands.md")).unwrap_or_default();
    update("docs/commands.md", &before, &page);
}

/// What happens in the example of docs/concepts.md.
enum Step {
    /// Somebody types a command.
    Type(&'static str),
    /// So many pods of a Job succeed in a cluster.
    Succeed(&'static str, &'static str, usize),
}

/// The example: work moves to another cluster.
const EXAMPLE: [Step; 14] = [
    Step::Type("job create -f pi.yaml"),
    Step::Succeed("east", "pi", 1),
    Step::Succeed("north", "pi", 1),
    Step::Succeed("west", "pi", 1),
    Step::Type("job apply -f ~/favour-east.yaml"),
    Step::Type("job describe pi"),
    Step::Succeed("north", "pi", 3),
    Step::Type("reconcile pi"),
    Step::Type("job describe pi"),
    Step::Succeed("east", "pi", 5),
    Step::Succeed("east", "pi-4", 4),
    Step::Succeed("west", "pi", 3),
    Step::Type("reconcile pi"),
    Step::Type("job get pi -o wide"),
];

/// The example of docs/concepts.md: every output that it shows is what the commands print. Of
/// `describe` it shows the shards.
pub async fn concepts_page() {
    let mut page = read("docs/concepts.md");
    let before = page.clone();
    let mut stage = Stage::federation().await;
    let (_, manifest) = fenced(&page, 0, "yaml", "metadata:");
    let annotations = page[manifest].replace("metadata:\n", "");
    let job = read("tests/commands/manifests/pi.yaml");
    let named = "  name: pi\n";
    assert!(job.matches(named).count() == 1, "{job}");
    stage.write("favour-east.yaml", &job.replace(named, &format!("{named}{annotations}")));
    let mut place = 0;
    for step in EXAMPLE {
        match step {
            Step::Succeed(cluster, job, pods) => stage.succeed(cluster, job, pods),
            Step::Type(command) => {
                let (code, stdout, stderr) = stage.run(command, None).await;
                assert_eq!(code, 0, "{command}\n{stderr}");
                let shown = match stdout.find("Shards:\n") {
                    Some(table) if command.contains("describe") => table_at(&stdout[table..]),
                    _ => format!("{stderr}{stdout}"),
                };
                let typed = format!("$ kubectl federate {command}\n");
                let (start, block) = fenced(&page, place, "console", &typed);
                page.replace_range(block, &format!("{typed}{shown}"));
                place = start + 1;
            }
        }
    }
    update("docs/concepts.md", &before, &page);
}

/// A table under its heading: the lines up to the next heading.
fn table_at(text: &str) -> String {
    let (heading, rest) = text.split_once('\n').expect("a heading");
    let rows = rest.lines().take_while(|line| line.starts_with(' '));
    std::iter::once(heading).chain(rows).fold(String::new(), |all, line| all + line + "\n")
}

/// The next fenced block after a place that begins with this text: where it is found, and what is
/// in it.
fn fenced(page: &str, place: usize, language: &str, first: &str) -> (usize, Range<usize>) {
    let open = format!("```{language}\n");
    let found = page[place..].find(&format!("{open}{first}"));
    let start = place + found.unwrap_or_else(|| panic!("a block that begins with {first:?}"));
    let inside = start + open.len();
    let end = inside + page[inside..].find("```").expect("a fence that is closed");
    (start, inside..end)
}

/// Compares a page with what it should be, or writes that.
fn update(page: &str, before: &str, after: &str) {
    if std::env::var_os(UPDATE).is_some() {
        fs::write(root().join(page), after).expect("the page can be written");
    } else {
        let place = before.lines().zip(after.lines()).find(|(before, after)| before != after);
        assert!(before == after, "{page} is out of date, set {UPDATE}=1 to write it: {place:?}");
    }
}

/// Every link to a file leads to one, every link to a heading to one, and every path that is named
/// in the text is there.
pub fn links() {
    for page in PAGES {
        let text = read(page);
        let folder = root().join(page).parent().expect("a folder").to_owned();
        for target in between(&text, "](", ")") {
            if target.contains("://") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { root().join(page) } else { folder.join(file) };
            assert!(path.exists(), "{page} links to {target}, which is not there");
            if !heading.is_empty() {
                let linked = fs::read_to_string(&path).expect("a page");
                let anchors: Vec<_> = linked.lines().filter_map(anchor).collect();
                assert!(
                    anchors.iter().any(|anchor| anchor == heading),
                    "{page} links to {target}, whose headings are {anchors:?}"
                );
            }
        }
        for path in between(&text, "`", "`") {
            let ours = ["src/", "tests/", "docs/", "krew/"].iter().any(|top| path.starts_with(top));
            let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "/_.-".contains(c));
            if ours && plain {
                assert!(root().join(path).exists(), "{page} names {path}, which is not there");
            }
        }
    }
}

/// The texts between two marks, of those that begin and end in one line.
fn between<'a>(text: &'a str, open: &str, close: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut rest = line;
        while let Some((_, after)) = rest.split_once(open) {
            let Some((inside, after)) = after.split_once(close) else { break };
            found.push(inside);
            rest = after;
        }
    }
    found
}

/// The anchor that GitHub gives a heading.
fn anchor(line: &str) -> Option<String> {
    let heading = line.strip_prefix('#')?.trim_start_matches('#').strip_prefix(' ')?;
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    Some(kept.collect::<String>().to_lowercase().replace(' ', "-"))
}

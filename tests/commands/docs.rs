//! The pages: they show what the commands print, and lead where they say.
//!
//! A page that is out of date is written again with `UPDATE_DOCS=1 cargo test --test commands`.

use std::{
    fmt::Write as _,
    fs,
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use kubectl_federate::{cli, print::Output};

use crate::{errors::REGISTRY, stage::Stage};

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
const PAGES: [&str; 12] = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/commands.md",
    "docs/concepts.md",
    "docs/guarantees.md",
    "docs/jobs.md",
    "docs/losses.md",
    "docs/operations.md",
    "docs/performance.md",
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
    for (topic, _) in cli::TOPICS {
        let title = title(&format!("help {topic}"));
        let _ = writeln!(page, "- [{title}](#{})", title.replace(' ', "-"));
    }
    for command in &commands {
        let (code, help, _) = stage.run(&format!("{command} --help"), None).await;
        assert_eq!(code, 0, "{command}");
        let help = help.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        let _ = write!(page, "\n## {}\n\n```text\n{help}\n```\n", title(command));
        if command == "options" {
            let (_, options, _) = stage.run(command, None).await;
            let options = options.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
            let _ = write!(page, "\n```text\n{options}\n```\n");
        }
    }
    for (topic, text) in cli::TOPICS {
        let (code, told, _) = stage.run(&format!("help {topic}"), None).await;
        assert_eq!((code, told), (0, text()), "{topic}");
        let _ =
            write!(page, "\n## {}\n\n```text\n{}```\n", title(&format!("help {topic}")), text());
    }
    let before = fs::read_to_string(root().join("docs/commands.md")).unwrap_or_default();
    update("docs/commands.md", &before, &page);
}

/// What happens in a session that a page shows.
enum Step {
    /// Somebody types a command.
    Type(&'static str),
    /// Somebody types a command that the page does not show.
    Quietly(&'static str),
    /// So many pods of a Job succeed in a cluster.
    Succeed(&'static str, &'static str, usize),
    /// So many seconds go by.
    Pass(u64),
    /// A host loses its registry.
    LoseRegistry(&'static str),
}

/// The quick start of the README.
const QUICK_START: [Step; 17] = [
    Step::Type("init --context=gce-asia-east1a"),
    Step::Type("cluster register gce-asia-east1a"),
    Step::Type("cluster register gce-europe-west1b"),
    Step::Type("cluster register gce-us-central1c"),
    Step::Type("job create -f pi.yaml"),
    Step::Pass(32),
    Step::Succeed("gce-asia-east1a", "pi", 3),
    Step::Succeed("gce-europe-west1b", "pi", 3),
    Step::Succeed("gce-us-central1c", "pi", 3),
    Step::Type("job get pi"),
    Step::Pass(31),
    Step::Succeed("gce-asia-east1a", "pi", 3),
    Step::Succeed("gce-europe-west1b", "pi", 3),
    Step::Succeed("gce-us-central1c", "pi", 3),
    Step::Type("job get pi"),
    Step::Type("reconcile pi"),
    Step::Type("job delete pi --cascade=background"),
];

/// The example of docs/concepts.md: work moves to another cluster.
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

/// The sessions of docs/operations.md: what is lost is rebuilt.
const LOSSES: [Step; 20] = [
    Step::Succeed("east", "pi", 2),
    Step::Succeed("north", "pi", 2),
    Step::Succeed("west", "pi", 2),
    Step::Quietly("job delete pi --cascade=orphan"),
    Step::Type("job recover pi --yes"),
    Step::LoseRegistry("east"),
    Step::Type("init --context=new"),
    Step::Type("cluster register east"),
    Step::Type("cluster register west"),
    Step::Type("cluster register north"),
    Step::Type("job recover --all --federation=1b2c… --yes"),
    Step::Succeed("east", "pi", 1),
    Step::Type("job get pi"),
    Step::Type("backup ~/federation.yaml"),
    Step::Type("restore ~/federation.yaml --context=spare --yes"),
    Step::Type("reconcile pi"),
    Step::Type("init --from=spare --context=west"),
    Step::Succeed("east", "pi", 3),
    Step::Type("reconcile pi"),
    Step::Quietly("job get pi"),
];

/// docs/operations.md shows what the commands print. A uid stands there as one that is cut.
pub async fn operations_page() {
    let page = read("docs/operations.md");
    let mut stage = Stage::of(&["east", "west", "north", "new", "spare"], &[]);
    stage.federate(["east", "west", "north"]).await;
    stage.quietly("job create -f pi.yaml").await;
    let played = play(&mut stage, &LOSSES, &page).await;
    update("docs/operations.md", &page, &without_uids(&played));
}

/// A uid as a page shows it.
const CUT: &str = "1b2c…";

/// The uid of the federation whose shard of `pi` the cluster east has.
fn federation_of(stage: &Stage) -> String {
    let job = stage.cluster("east").get(&sim::JOBS, "default", "pi").expect("it is there");
    let label = &job["metadata"]["labels"]["kubectl-federate.dev/federation"];
    label.as_str().expect("it is labelled").to_owned()
}

/// The text with the first characters of each uid.
fn without_uids(text: &str) -> String {
    let is_uid = |word: &str| {
        let has_form = word.len() == 36 && word.matches('-').count() == 4;
        has_form && word.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
    };
    let cut = |word: &str| {
        let bare = word.trim_end_matches('.');
        if is_uid(bare) { CUT.to_owned() + &word[bare.len()..] } else { word.to_owned() }
    };
    text.split(' ').map(cut).collect::<Vec<_>>().join(" ")
}

/// The quick start of the README shows what the commands print.
pub async fn quick_start() {
    let page = read("README.md");
    let names = ["gce-asia-east1a", "gce-europe-west1b", "gce-us-central1c"];
    let mut stage = Stage::of(&names, &[]);
    let played = play(&mut stage, &QUICK_START, &page).await;
    update("README.md", &page, &played);
}

/// The example of docs/concepts.md shows what the commands print.
pub async fn concepts_page() {
    let page = read("docs/concepts.md");
    let mut stage = Stage::federation().await;
    let (_, annotations) = page.split_once("```yaml\nmetadata:\n").expect("the preferences");
    let (annotations, _) = annotations.split_once("```").expect("a fence that is closed");
    let job = read("tests/commands/manifests/pi.yaml");
    let named = "  name: pi\n";
    assert!(job.matches(named).count() == 1, "{job}");
    stage.write("favour-east.yaml", &job.replace(named, &format!("{named}{annotations}")));
    let played = play(&mut stage, &EXAMPLE, &page).await;
    update("docs/concepts.md", &page, &played);
}

/// A page with the outputs that its commands have: of `describe`, the shards.
async fn play(stage: &mut Stage, steps: &[Step], page: &str) -> String {
    let (mut page, mut place) = (page.to_owned(), 0);
    for step in steps {
        match *step {
            Step::Succeed(cluster, job, pods) => stage.succeed(cluster, job, pods),
            Step::Quietly(command) => stage.quietly(command).await,
            Step::Pass(seconds) => stage.pass(Duration::from_secs(seconds)),
            Step::LoseRegistry(host) => {
                let path = format!("/api/v1/namespaces/{}/configmaps/{}", REGISTRY.0, REGISTRY.1);
                drop(stage.request(host, "DELETE", &path, None).await);
            }
            Step::Type(command) => {
                let typed = if command.contains(CUT) {
                    command.replace(CUT, &federation_of(stage))
                } else {
                    command.to_owned()
                };
                let (code, stdout, stderr) = stage.run(&typed, None).await;
                assert_eq!(code, 0, "{command}\n{stderr}");
                let shown = match stdout.find("Shards:\n") {
                    Some(table) if command.contains("describe") => table_at(&stdout[table..]),
                    // A plan and a hint stand where a terminal shows them.
                    _ if stdout.starts_with("federation") => format!("{stdout}{stderr}"),
                    _ => format!("{stderr}{stdout}"),
                };
                let output = output_of(&page, place, command);
                place = output.start;
                page.replace_range(output, &shown);
            }
        }
    }
    page
}

/// A table under its heading: the lines up to the next heading.
fn table_at(text: &str) -> String {
    let (heading, rest) = text.split_once('\n').expect("a heading");
    let rows = rest.lines().take_while(|line| line.starts_with(' '));
    std::iter::once(heading).chain(rows).fold(String::new(), |all, line| all + line + "\n")
}

/// Where a page shows what a command printed, the next time that it is typed after a place: up to
/// an empty line or the end of the block.
fn output_of(page: &str, place: usize, command: &str) -> Range<usize> {
    let typed = format!("$ kubectl federate {command}");
    let mut ends = page[place..].match_indices(&typed).map(|(at, typed)| place + at + typed.len());
    let whole = |end: &usize| page[*end..].starts_with('\n') || page[*end..].starts_with("    # ");
    let end = ends.find(whole).unwrap_or_else(|| panic!("no {typed:?}"));
    let line = end + page[end..].find('\n').expect("the line ends");
    let rest = &page[line..];
    let until = rest.find("\n\n").into_iter().chain(rest.find("\n```")).min();
    line + 1..line + 1 + until.expect("the block ends")
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

/// Every quantity that docs/concepts.md defines for a shard is one of the ledger, under its name.
pub fn quantities() {
    let page = read("docs/concepts.md");
    let (_, table) = page.split_once("For one shard:\n\n").expect("the table");
    let rows = table.lines().take_while(|line| line.starts_with('|')).skip(2);
    let names: Vec<_> = rows.filter_map(|row| Some(row.split('|').nth(1)?.trim())).collect();
    assert!(names.len() > 5, "{names:?}");
    let ledger = ["src/state/ledger.rs", "src/state/seen.rs"].map(read).concat();
    for name in names {
        let there = [format!("pub fn {name}("), format!("pub {name}:")];
        assert!(there.iter().any(|item| ledger.contains(item)), "the ledger has no {name}");
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
                // A module is a file or a folder.
                let there =
                    root().join(path).exists() || root().join(format!("{path}.rs")).exists();
                assert!(there, "{page} names {path}, which is not there");
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

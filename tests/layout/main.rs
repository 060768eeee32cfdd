//! Where code may be: which room may use which, and that no files use each other in a circle.
//!
//! The `use` lines and the paths of every file are read. What a `mod.rs` re-exports is looked for
//! in the file that has it, so that a room's front door is no part of a circle.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// A module by its names, from the crate's root on.
type Module = Vec<String>;

/// One file, as far as this test reads it.
struct File {
    /// Its text without comments, strings and unit tests.
    text: String,
    /// Where it is, below `src`.
    path: String,
}

/// All files of the library, by their modules.
fn files() -> BTreeMap<Module, File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "tests" {
                    folders.push(path);
                }
                continue;
            }
            let relative = path.strip_prefix(&root).expect("it is below").to_owned();
            let mut module: Module =
                relative.with_extension("").iter().map(|s| s.to_string_lossy().into()).collect();
            if name == "tests" || name.ends_with("_tests") || module == ["main"] {
                continue;
            }
            if module == ["lib"] || name == "mod" {
                module.pop();
            }
            let text = fs::read_to_string(&path).expect("a file");
            let file = File { text: code(&text), path: relative.display().to_string() };
            files.insert(module, file);
        }
    }
    files
}

/// The text without comments, string literals and unit tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let mut code = String::new();
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or_default();
        for (n, piece) in line.split('"').enumerate() {
            if n % 2 == 0 {
                code.push_str(piece);
            }
        }
        code.push('\n');
    }
    code
}

/// The paths of a `use` tree: `a::{b, c::d as e}` is `a::b` and `a::c::d`, each with the name that
/// it gets.
fn expand(tree: &str, before: &[String], paths: &mut Vec<(Vec<String>, String)>) {
    let tree = tree.trim();
    let mut path = before.to_vec();
    if let Some((head, group)) = tree.split_once('{') {
        let head = head.trim().trim_end_matches("::");
        path.extend(head.split("::").filter(|s| !s.is_empty()).map(str::to_owned));
        let group = group.rsplit_once('}').map_or(group, |(inside, _)| inside);
        let (mut depth, mut start) = (0, 0);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    expand(&group[start..at], &path, paths);
                    start = at + 1;
                }
                _ => {}
            }
        }
        expand(&group[start..], &path, paths);
        return;
    }
    if tree.is_empty() {
        return;
    }
    let (tree, alias) = tree.split_once(" as ").map_or((tree, None), |(t, a)| (t, Some(a)));
    path.extend(tree.split("::").map(|s| s.trim().to_owned()));
    if path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let name = alias.map_or_else(|| path.last().cloned(), |alias| Some(alias.trim().to_owned()));
    paths.push((path, name.unwrap_or_default()));
}

/// What a file imports, and whether it passes it on.
fn uses(text: &str) -> Vec<(bool, Vec<String>, String)> {
    let mut uses = Vec::new();
    for statement in text.split(';') {
        let Some(at) = statement
            .find("use ")
            .filter(|at| statement[..*at].chars().next_back().is_none_or(char::is_whitespace))
        else {
            continue;
        };
        let last = statement[..at].lines().next_back().unwrap_or_default().trim();
        let passes_on = last.starts_with("pub");
        let mut paths = Vec::new();
        expand(&statement[at + 4..], &[], &mut paths);
        uses.extend(paths.into_iter().map(|(path, name)| (passes_on, path, name)));
    }
    uses
}

/// Paths that are written out where they are needed: `crate::state::Shard`.
fn written_out(text: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let path = text[at..].split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
        let path = path.into_iter().next().unwrap_or_default();
        paths.push(path.split("::").filter(|s| !s.is_empty()).map(str::to_owned).collect());
    }
    paths
}

/// A path from the crate's root on; none for a path into another crate.
fn absolute(path: &[String], module: &Module, files: &BTreeMap<Module, File>) -> Option<Module> {
    let below = |name: &String| {
        let child: Module = module.iter().chain([name]).cloned().collect();
        files.contains_key(&child)
    };
    let (mut base, mut rest) = match path.first()?.as_str() {
        "crate" => (Module::new(), &path[1..]),
        "self" => (module.clone(), &path[1..]),
        "super" => (module[..module.len() - 1].to_vec(), &path[1..]),
        _ if below(&path[0]) => (module.clone(), path),
        _ => return None,
    };
    while rest.first().is_some_and(|name| name == "super") {
        base.pop();
        rest = &rest[1..];
    }
    base.extend(rest.iter().cloned());
    Some(base)
}

/// The module whose file has what a path names: re-exports are followed.
fn home(path: Module, files: &BTreeMap<Module, File>) -> Module {
    let mut path = path;
    for _ in 0..8 {
        let depth = (0..=path.len()).rev().find(|n| files.contains_key(&path[..*n].to_vec()));
        let module = path[..depth.unwrap_or(0)].to_vec();
        let Some(item) = path.get(module.len()) else { return module };
        let passed_on = uses(&files[&module].text)
            .into_iter()
            .find(|(passes_on, _, name)| *passes_on && name == item);
        let Some(next) = passed_on.and_then(|(_, from, _)| absolute(&from, &module, files)) else {
            return module;
        };
        path = next.into_iter().chain(path[module.len() + 1..].iter().cloned()).collect();
    }
    path
}

/// The modules that each module uses.
fn arrows(files: &BTreeMap<Module, File>) -> BTreeMap<Module, BTreeSet<Module>> {
    let mut arrows = BTreeMap::new();
    for (module, file) in files {
        let imported = uses(&file.text).into_iter().filter(|(passes_on, _, _)| !passes_on);
        let paths = imported.map(|(_, path, _)| path).chain(written_out(&file.text));
        let targets = paths
            .filter_map(|path| absolute(&path, module, files))
            .map(|path| home(path, files))
            .filter(|target| target != module && !target.is_empty());
        arrows.insert(module.clone(), targets.collect::<BTreeSet<_>>());
    }
    arrows
}

/// The table in `src/lib.rs`: the rooms that each room may use.
fn table() -> BTreeMap<String, BTreeSet<String>> {
    let text = include_str!("../../src/lib.rs");
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! | ["));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_end_matches(" |").split(" | ").collect();
        let room = cells[0].split('`').nth(1).expect("a name").to_owned();
        let allowed = cells.last().expect("a last cell").split(',').map(str::trim);
        (room, allowed.filter(|name| *name != "nothing").map(str::to_owned).collect())
    })
    .collect()
}

#[test]
fn a_room_uses_only_the_rooms_that_the_table_of_the_library_gives_it() {
    let (files, table) = (files(), table());
    let rooms: BTreeSet<_> = files.keys().filter_map(|module| module.first().cloned()).collect();
    assert_eq!(rooms, table.keys().cloned().collect(), "the table names each room");
    let mut wrong = Vec::new();
    for (module, targets) in arrows(&files) {
        let Some(room) = module.first() else { continue };
        for target in targets {
            if target[0] != *room && !table[room].contains(&target[0]) {
                wrong.push(format!("{} uses {}", files[&module].path, files[&target].path));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// All modules that a module uses, directly or through others.
fn reached(from: &Module, arrows: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeSet<Module> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<_> = arrows[from].iter().collect();
    while let Some(module) = next.pop() {
        if reached.insert(module.clone()) {
            next.extend(&arrows[module]);
        }
    }
    reached
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let files = files();
    let arrows = arrows(&files);
    let all: BTreeMap<_, _> =
        arrows.keys().map(|module| (module, reached(module, &arrows))).collect();
    let name = |module: &Module| files[module].path.clone();
    let circles: BTreeMap<_, Vec<_>> = arrows
        .keys()
        .filter(|module| all[module].contains(*module))
        .map(|module| {
            let back = arrows[module].iter().filter(|target| all[target].contains(module));
            (name(module), back.map(name).collect())
        })
        .collect();
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn a_module_with_children_is_a_folder_and_unit_tests_are_in_files_named_tests() {
    let files = files();
    for file in files.values() {
        let beside = file.path.trim_end_matches(".rs");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(beside);
        assert!(!folder.is_dir(), "{} has a folder of its name beside it", file.path);
        assert!(!file.path.ends_with("_tests.rs"), "{}", file.path);
    }
}

#[test]
fn what_only_unix_has_stands_behind_its_cfg() {
    for file in files().values() {
        for words in ["os::unix", "signal::unix", "rustix::"] {
            let Some((before, _)) = file.text.split_once(words) else { continue };
            assert!(before.contains("#[cfg(unix)]"), "{}: {words}", file.path);
        }
    }
}

/// The most lines of a file.
const LINES: usize = 500;

/// The most characters of a line.
const COLUMNS: usize = 100;

/// All files of Rust below `src` and `tests`, with their text.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    let mut folders = vec![root.join("src"), root.join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let below = path.strip_prefix(root).expect("it is below").display().to_string();
                sources.push((below, fs::read_to_string(&path).expect("a file")));
            }
        }
    }
    sources
}

/// What is too long in a file. The row of a table in a doc comment cannot be wrapped; tests quote
/// long output.
fn too_long((path, text): &(String, String)) -> Vec<String> {
    let lines = text.lines().zip(1..).filter(|_| path.starts_with("src"));
    let is_long = |line: &str| line.chars().count() > COLUMNS && !line.starts_with("//! |");
    let long = lines.filter(|(line, _)| is_long(line)).map(|(_, n)| format!("{path}:{n}"));
    let count = text.lines().count();
    let whole = (count > LINES).then(|| format!("{path} has {count} lines"));
    long.chain(whole).collect()
}

#[test]
fn files_and_lines_are_short() {
    let sources = sources();
    assert!(sources.len() > 100, "{} files", sources.len());
    let long: Vec<_> = sources.iter().flat_map(too_long).collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn the_length_of_a_line_is_in_characters() {
    let file = |text: String| too_long(&("src/a.rs".to_owned(), text));
    let line = "→".repeat(COLUMNS);
    assert!(file(format!("{line}\n//! | {line} |\n")).is_empty());
    assert_eq!(file(format!("\n{line}.\n")), ["src/a.rs:2"]);
    assert_eq!(file("\n".repeat(LINES + 1)), ["src/a.rs has 501 lines"]);
}

#[test]
fn what_the_table_and_the_circles_are_read_by_reads_paths() {
    let mut paths = Vec::new();
    expand("crate::{a::{B, c as d}, self}", &[], &mut paths);
    let read: Vec<_> = paths.iter().map(|(path, name)| (path.join("::"), name.as_str())).collect();
    let expected = [("crate::a::B", "B"), ("crate::a::c", "d"), ("crate", "crate")];
    assert_eq!(read, expected.map(|(path, name)| (path.to_owned(), name)));
    let all = arrows(&files());
    let uses = |from: &[&str], to: &[&str]| {
        let module = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (from, to): (Module, Module) = (module(from), module(to));
        all[&from].contains(&to)
    };
    assert!(uses(&["cli", "job", "scale"], &["federation", "request"]), "through a front door");
    assert!(uses(&["federation", "edit"], &["federation", "open"]), "beside it");
    assert!(!uses(&["federation", "edit"], &["cli", "session"]));
}

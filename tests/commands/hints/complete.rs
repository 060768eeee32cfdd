//! The comparison of the sentences in the source with what was printed.

use std::{fmt::Write as _, fs, path::Path};

use super::book::Book;
use crate::sentences::{files, has_in_order, literals, pieces};

/// The files of the source whose sentences must all be printed by a case.
const SENTENCES: [&str; 4] = [
    "src/error/kubectl.rs",
    "src/error/words/mod.rs",
    "src/error/words/clusters.rs",
    "src/cli/job/describe/next.rs",
];

/// Files and folders of the source with functions that offer commands: their sentences must all be
/// printed by a case.
const OFFERING: [&str; 5] = [
    "src/cli/cluster",
    "src/cli/orphans",
    "src/cluster/error.rs",
    "src/error/words/again.rs",
    "src/federation",
];

/// What stands in a function that offers a command.
const OFFERS: [&str; 4] = ["federate(", "clean_all(", "`kubectl ", "kubectl_line("];

/// Asserts that every sentence in the source was printed.
pub(super) fn check(book: &Book) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut missing = String::new();
    let mut compare = |file: &Path, sentences: Vec<String>| {
        for sentence in sentences {
            let pieces = pieces(&sentence);
            if !book.said.iter().any(|said| has_in_order(said, &pieces)) {
                let _ = writeln!(missing, "{}: {sentence:?}", file.display());
            }
        }
    };
    for file in SENTENCES {
        let file = root.join(file);
        let sentences = literals(&fs::read_to_string(&file).expect("a source file"));
        assert!(sentences.len() > 5, "{}: {sentences:?}", file.display());
        compare(&file, sentences);
    }
    let mut count = 0;
    for file in OFFERING.iter().flat_map(|path| files(&root.join(path))) {
        for function in offering(&fs::read_to_string(&file).expect("a source file")) {
            count += 1;
            compare(&file, literals(&function));
        }
    }
    assert!(count > 8, "only {count} functions offer commands");
    assert!(missing.is_empty(), "no case prints:\n{missing}");
}

/// The functions of a source file that offer a command, tests aside.
fn offering(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let (mut functions, mut end) = (Vec::<String>::new(), None);
    for line in code {
        let text = line.trim_start();
        let begins = ["fn ", "pub fn ", "pub(super) fn ", "async fn ", "pub async fn "];
        if end.is_none() && begins.iter().any(|begin| text.starts_with(begin)) {
            functions.push(String::new());
            end = Some(format!("{}}}", &line[..line.len() - text.len()]));
        }
        if let (Some(function), Some(last)) = (functions.last_mut(), &end) {
            function.push_str(line);
            function.push('\n');
            if line == last {
                end = None;
            }
        }
    }
    functions.retain(|function| OFFERS.iter().any(|offer| function.contains(offer)));
    functions
}

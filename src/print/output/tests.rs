use super::*;
use crate::print::Steps;

/// A stream that fails in one way.
struct Failing(io::ErrorKind);

impl Write for Failing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_go_to_stdout_and_notes_to_stderr() {
    let (output, captured) = Output::captured();
    output.line("job.batch/pi created");
    output.block("a: 1\nb: \x1b[2J");
    output.note("No resources found in default namespace.");
    let mut table = Table::new(["CLUSTER"]);
    table.row(["a"]);
    output.table(&table);
    output.note_table(&table);
    assert_eq!(captured.stdout(), "job.batch/pi created\na: 1\nb: ^[[2J\nCLUSTER\na\n");
    assert_eq!(captured.stderr(), "No resources found in default namespace.\nCLUSTER\na\n");
    output.finish().expect("all was written");
}

#[test]
fn a_line_stays_one_line() {
    let (output, captured) = Output::captured();
    output.line("job.batch/x\nforged line");
    assert_eq!(captured.stdout(), "job.batch/x\\nforged line\n");
}

#[test]
fn a_warning_is_printed_once_per_cluster() {
    let (output, captured) = Output::captured();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| output.warning(Some("a"), "deprecated\x07"));
        }
    });
    output.warning(Some("b"), "deprecated");
    output.warning(None, "deprecated");
    assert_eq!(
        captured.stderr(),
        "Warning: [a] deprecated\\u{7}\nWarning: [b] deprecated\nWarning: deprecated\n"
    );
}

#[test]
fn an_error_prints_with_its_hint_and_its_lines() {
    let (output, captured) = Output::captured();
    output.error("error: no registry", &["run kubectl federate init".to_owned()]);
    output.error("Error from server (NotFound): jobs.batch \"x\" not found\nsecond\x1b[0m", &[]);
    assert_eq!(
        captured.stderr(),
        "error: no registry\nhint: run kubectl federate init\n\
         Error from server (NotFound): jobs.batch \"x\" not found\nsecond^[[0m\n"
    );
}

#[test]
fn colour_marks_the_first_word_only() {
    let (mut output, captured) = Output::captured();
    output.colour = true;
    output.error("error: no registry", &[]);
    output.warning(None, "old");
    assert_eq!(
        captured.stderr(),
        "\x1b[31m\x1b[1merror:\x1b[0m no registry\n\x1b[33m\x1b[1mWarning:\x1b[0m old\n"
    );
}

#[test]
fn colour_follows_the_flag_the_terminal_and_the_environment() {
    assert!(Colour::Auto.applies(true, None, Some("xterm")));
    assert!(Colour::Auto.applies(true, Some(""), None));
    assert!(!Colour::Auto.applies(true, Some("1"), None));
    assert!(!Colour::Auto.applies(true, None, Some("dumb")));
    assert!(!Colour::Auto.applies(false, None, None));
    assert!(Colour::Always.applies(false, Some("1"), Some("dumb")));
    assert!(!Colour::Never.applies(true, None, None));
    assert_eq!("always".parse::<Colour>().expect("known"), Colour::Always);
    assert!("sometimes".parse::<Colour>().is_err());
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let output = Output::over(Failing(io::ErrorKind::BrokenPipe), io::sink());
    output.line("a");
    output.line("b");
    output.finish().expect("as if all was read");
}

#[test]
fn a_full_disk_is_reported_at_the_end() {
    let output = Output::over(Failing(io::ErrorKind::StorageFull), io::sink());
    output.line("a");
    let error = output.finish().expect_err("nothing was written");
    assert_eq!(error.to_string(), "writing to standard output: no storage space");
}

#[test]
fn only_a_word_that_is_shown_chooses() {
    let words = ["delete", "keep"];
    for (line, expected) in [
        ("delete\n", Some(0)),
        (" keep \n", Some(1)),
        ("KEEP\n", Some(1)),
        ("d\n", None),
        ("k\n", None),
        ("del\n", None),
        ("\n", None),
        ("y\n", None),
        ("\x1b\n", None),
        ("d\x1b\n", None),
        ("", None),
        ("d", None),
    ] {
        let (output, captured) = Output::captured();
        assert_eq!(
            output.answering(line).choose("Delete the shards?", &words),
            expected,
            "{line:?}"
        );
        assert!(captured.stderr().starts_with("Delete the shards? [delete/keep/CANCEL] "));
    }
    assert_eq!(Output::captured().0.choose("Delete?", &words), None, "nobody to ask");
}

#[test]
fn progress_prints_nothing_without_a_terminal() {
    let (output, captured) = Output::captured();
    let bar = output.live(Steps { what: "creating".to_owned(), total: 3, ..Steps::default() });
    bar.show(Steps::default());
    output.line("done");
    drop(bar);
    assert_eq!((captured.stdout().as_str(), captured.stderr().as_str()), ("done\n", ""));
}

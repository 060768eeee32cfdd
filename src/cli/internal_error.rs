//! What a user reads if this program has a defect that stops it: no name of a thread, no dump of
//! values.

use std::{
    env,
    io::{self, Write},
    panic::{self, Location},
};

use crate::{
    error::{Error, Exit},
    print::leave_terminal_as_it_was,
};

/// From now on a panic ends the process at once, with an error like others and an exit code of its
/// own. So the build for users needs no code that unwinds the stack. What the panic says is printed
/// only where the user asks for it with `RUST_BACKTRACE`, because it may quote a value.
pub(super) fn explained() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        leave_terminal_as_it_was();
        if env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
            usual(panic);
        }
        let error = internal_error(panic.location());
        // The panic may have begun where the output is locked. Nobody can be told that this fails.
        let mut stderr = io::stderr();
        let _ = writeln!(stderr, "{error}");
        for hint in error.hints() {
            let _ = writeln!(stderr, "hint: {hint}");
        }
        std::process::exit(Exit::Defect.code().into());
    }));
}

fn internal_error(location: Option<&Location<'_>>) -> Error {
    let place = location.map(|place| format!(" at {}:{}", place.file(), place.line()));
    let message = format!("kubectl-federate has a defect{}", place.unwrap_or_default());
    Error::new(message)
        .hint("nothing that is recorded is lost; please report what you ran, and this line")
        .and_hint("RUST_BACKTRACE=1 shows more, which may quote values")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Set in the process that panics.
    const PANICS: &str = "KUBECTL_FEDERATE_TEST_PANICS";

    #[test]
    fn a_defect_is_told_without_what_the_panic_quotes() {
        if std::env::var_os(PANICS).is_some() {
            explained();
            panic!("a password");
        }
        let this = std::env::current_exe().expect("the test has a path");
        let name = "a_defect_is_told_without_what_the_panic_quotes";
        let output = (Command::new(this).args([name, "--nocapture"]))
            .env(PANICS, "1")
            .env("RUST_BACKTRACE", "0")
            .output()
            .expect("it runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<_> = stderr.lines().collect();
        let line = lines[0].strip_prefix("error: kubectl-federate has a defect at ");
        let place = line.and_then(|place| place.rsplit_once(':')).expect("a place");
        assert_eq!(place.0, file!());
        assert!(place.1.parse::<u32>().is_ok(), "{stderr}");
        assert_eq!(
            lines[1..],
            [
                "hint: nothing that is recorded is lost; please report what you ran, and this line",
                "hint: RUST_BACKTRACE=1 shows more, which may quote values",
            ]
        );
        assert_eq!(output.status.code(), Some(101));
    }
}

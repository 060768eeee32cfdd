//! A confirmation before what can lose or repeat work.
//!
//! On a terminal the user is asked, and Enter alone cancels. Without a terminal a flag has to say
//! yes; otherwise the command ends with an error that names the flag. Ask before anything is
//! written.

use super::World;
use crate::error::{Error, Result};

/// A question that a flag can answer in advance.
#[derive(Debug, Clone, Copy)]
pub struct Confirmation<'a> {
    /// The consequences, a sentence each. They are printed on stderr in any case.
    pub consequences: &'a [String],
    /// The question. The answer `yes` goes on.
    pub question: &'a str,
    /// The flag that answers it, such as `--yes`.
    pub flag: &'a str,
    /// What is said of a cancelled command, after `cancelled: `.
    pub unchanged: &'a str,
}

impl Confirmation<'_> {
    /// Prints the consequences, and asks unless the flag was given.
    ///
    /// # Errors
    /// The user does not say yes, or there is no terminal and the flag was not given.
    pub async fn ask(&self, world: &World, flag_given: bool) -> Result<()> {
        for consequence in self.consequences {
            world.output.note(consequence);
        }
        if flag_given {
            return Ok(());
        }
        match choose(world, self.question, &["yes"], self.flag, self.unchanged).await? {
            Some(_) => Ok(()),
            None => Err(Error::new(format!("cancelled: {}", self.unchanged))),
        }
    }
}

/// Asks a question that one of these words answers; gives its index, or none if the user cancels.
///
/// # Errors
/// There is no terminal; the hint names the flag. Or the user presses Ctrl-C, which says
/// `unchanged`.
pub async fn choose(
    world: &World,
    question: &str,
    words: &'static [&'static str],
    flag: &str,
    unchanged: &str,
) -> Result<Option<usize>> {
    if !world.output.can_ask() {
        return Err(Error::new("there is no terminal to confirm this on")
            .hint(format!("{flag} goes on without a question. Nothing was changed.")));
    }
    choose_on_terminal(world, question, words, unchanged).await
}

/// The same where there may be no terminal: then the answer is none.
///
/// # Errors
/// The user presses Ctrl-C, which says `unchanged`.
pub async fn choose_on_terminal(
    world: &World,
    question: &str,
    words: &'static [&'static str],
    unchanged: &str,
) -> Result<Option<usize>> {
    let question = question.to_owned();
    world.asking(unchanged, move |output| output.choose(&question, words)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::print::Output;

    const CONFIRMATION: Confirmation<'_> = Confirmation {
        consequences: &[],
        question: "Run it twice?",
        flag: "--yes",
        unchanged: "nothing was run",
    };

    #[tokio::test]
    async fn only_yes_goes_on_and_enter_alone_cancels() {
        for (line, goes_on) in
            [("yes\n", true), ("y\n", false), ("\n", false), ("no\n", false), ("", false)]
        {
            let (output, _) = Output::captured();
            let world = World::process(output.answering(line));
            let asked = CONFIRMATION.ask(&world, false).await;
            assert_eq!(asked.is_ok(), goes_on, "{line:?}");
            if let Err(error) = asked {
                assert!(error.to_string().ends_with("cancelled: nothing was run"), "{error}");
            }
        }
    }

    #[tokio::test]
    async fn without_a_terminal_the_flag_goes_on_and_its_absence_is_an_error_that_names_it() {
        let consequences = ["Work may run twice.".to_owned()];
        let confirmation = Confirmation { consequences: &consequences, ..CONFIRMATION };
        let (output, captured) = Output::captured();
        let world = World::process(output);
        assert!(confirmation.ask(&world, true).await.is_ok());
        let error = confirmation.ask(&world, false).await.expect_err("nobody to ask");
        assert!(error.hints().iter().any(|hint| hint.starts_with("--yes ")), "{error:?}");
        assert_eq!(captured.stderr(), "Work may run twice.\n".repeat(2));
    }
}

//! Questions on the terminal, each answered by a line.

use console::Term;

use super::{Output, answer, esc::EscEndsLine, lock};
use crate::print::escape;

/// How many answers a question takes before it counts as cancelled.
pub const ATTEMPTS: usize = 3;

/// Why a question is cancelled after so many answers.
pub fn not_understood() -> String {
    format!("None of {ATTEMPTS} answers was understood.")
}

/// Answers that cancel a question, unless they are among its words.
const NO: [&str; 4] = ["n", "no", "c", "cancel"];

impl Output {
    /// Whether there is somebody to ask.
    pub fn can_ask(&self) -> bool {
        self.answers.is_some()
    }

    /// Asks a question that one of these words answers, in full, and Enter. Gives the index of the
    /// word. Another answer is asked for again, [`ATTEMPTS`] times in all.
    ///
    /// None without a terminal, at the end of input, at once after Esc, after Enter alone or a word
    /// that says no, and after too many wrong answers.
    pub fn choose(&self, question: &str, words: &[&str]) -> Option<usize> {
        let prompt = format!("{question} [{}/CANCEL]", words.join("/"));
        self.ask_until(&prompt, |answer| choice(answer, words))
    }

    /// Asks which of `count` numbered things are meant: numbers and ranges such as `1,3-5` or
    /// `1 3-5`, or `all`. Gives their indexes from 0, in order, each once. Another answer is asked
    /// for again, [`ATTEMPTS`] times in all.
    ///
    /// None as of [`Output::choose`].
    pub fn choose_several(&self, question: &str, count: usize) -> Option<Vec<usize>> {
        let prompt = format!("{question} [numbers such as 1,3-5/all/CANCEL]");
        self.ask_until(&prompt, |answer| {
            if cancels(answer) { Ok(None) } else { selection(answer, count).map(Some) }
        })
    }

    /// Asks until `read` takes the answer, and says why it does not.
    fn ask_until<T>(
        &self,
        prompt: &str,
        read: impl Fn(&str) -> Result<Option<T>, String>,
    ) -> Option<T> {
        for _ in 0..ATTEMPTS {
            match read(&self.ask(prompt)?) {
                Ok(answer) => return answer,
                Err(why) => self.note(why),
            }
        }
        self.note(not_understood());
        None
    }

    /// The line that answers a prompt, without the white space around it; empty where only Enter
    /// was pressed. None without a terminal, at the end of input, and after Esc.
    pub fn ask(&self, prompt: &str) -> Option<String> {
        let answers = self.answers.as_ref()?;
        let _esc = self.asking();
        self.suspended(|| lock(&self.streams).stderr(&format!("{} ", escape::line(prompt))));
        // A line is read, not a key: a bare letter is no answer before Enter. The streams are free
        // meanwhile, so that Ctrl-C can be answered.
        let answer = answer::read(&mut **lock(answers));
        if answer.is_none() {
            self.suspended(|| lock(&self.streams).stderr("\n"));
        }
        Some(answer?.trim().to_owned())
    }

    /// While the result lives, Esc ends a line. Whoever asks on another thread, and may stop
    /// waiting for it, holds one too: when that is dropped, the terminal is as it was.
    pub fn asking(&self) -> EscEndsLine {
        EscEndsLine::new()
    }

    /// The width of the terminal that questions are asked on, in columns; 80 without one.
    pub fn question_width(&self) -> usize {
        let size = if self.can_ask() { Term::stderr().size_checked() } else { None };
        size.map_or(80, |(_, columns)| usize::from(columns))
    }
}

/// The index of the word that an answer is. None if it is empty or says no.
///
/// # Errors
/// It is another answer: a sentence that says which there are.
pub fn choice(answer: &str, words: &[&str]) -> Result<Option<usize>, String> {
    match words.iter().position(|word| word.eq_ignore_ascii_case(answer)) {
        Some(index) => Ok(Some(index)),
        None if cancels(answer) => Ok(None),
        None => Err(format!("Type {}; Enter alone cancels.", words.join(" or "))),
    }
}

/// Whether an answer is empty or says no.
fn cancels(answer: &str) -> bool {
    answer.is_empty() || NO.contains(&answer.to_ascii_lowercase().as_str())
}

/// The indexes, from 0, that numbers from 1 and ranges of them name.
///
/// # Errors
/// The text is no such list: a sentence that says what is.
pub fn selection(text: &str, count: usize) -> Result<Vec<usize>, String> {
    if text.eq_ignore_ascii_case("all") {
        return Ok((0..count).collect());
    }
    let chosen = numbers(text, count)
        .ok_or_else(|| format!("Choose numbers from 1 to {count}, such as 1,3 or 2-4; or all."))?;
    Ok((0..count).filter(|index| chosen[*index]).collect())
}

/// Of each thing whether its number is in the list; none where the text is no list of numbers.
fn numbers(text: &str, count: usize) -> Option<Vec<bool>> {
    let mut chosen = vec![false; count];
    // A range may be typed with blanks.
    let text = text.split('-').map(str::trim).collect::<Vec<_>>().join("-");
    let is_between = |c: char| c == ',' || c.is_whitespace();
    for item in text.split(is_between).filter(|item| !item.is_empty()) {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if first == 0 || first > last || last > count {
            return None;
        }
        chosen[first - 1..last].fill(true);
    }
    chosen.contains(&true).then_some(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_are_chosen_by_numbers_ranges_or_all() {
        for (text, chosen) in [
            ("2", Some(vec![1])),
            ("4, 1-2,2", Some(vec![0, 1, 3])),
            ("all", Some(vec![0, 1, 2, 3])),
            ("ALL", Some(vec![0, 1, 2, 3])),
            ("2 3", Some(vec![1, 2])),
            ("1, 3  4", Some(vec![0, 2, 3])),
            ("1 - 3", Some(vec![0, 1, 2])),
            ("1,", Some(vec![0])),
            ("a", None),
            ("", None),
            (" ", None),
            (",", None),
            ("1 2 x", None),
            ("1--3", None),
            ("0", None),
            ("5", None),
            ("3-2", None),
            ("1-99999999999999999999", None),
            ("x", None),
            ("\u{1b}", None),
        ] {
            assert_eq!(selection(text, 4).ok(), chosen, "{text:?}");
        }
    }

    #[test]
    fn nobody_chooses_without_a_terminal_or_at_the_end_of_input() {
        let (output, captured) = Output::captured();
        assert_eq!(output.choose_several("Which?", 3), None);
        assert_eq!(captured.stderr(), "");
        assert_eq!(output.answering("1").choose_several("Which?", 3), None);
        let (output, captured) = Output::captured();
        assert_eq!(output.answering("1,3\n").choose_several("Which?", 3), Some(vec![0, 2]));
        assert_eq!(captured.stderr(), "Which? [numbers such as 1,3-5/all/CANCEL] ");
    }

    #[test]
    fn a_wrong_answer_is_asked_for_again_and_three_of_them_cancel() {
        let words = ["drain", "keep"];
        for (lines, asked, chosen) in [
            ("what\nkeep\n", 2, Some(1)),
            // What is not shown is no answer.
            ("d\nDrain\n", 2, Some(0)),
            ("1\n2\ndrain\n", 3, Some(0)),
            ("1\n2\n3\ndrain\n", 3, None),
            ("what\nno\n", 2, None),
            ("what\n\n", 2, None),
            ("cancel\n", 1, None),
        ] {
            let (output, captured) = Output::captured();
            assert_eq!(output.answering(lines).choose("Which?", &words), chosen, "{lines:?}");
            let said = captured.stderr();
            assert_eq!(said.matches("Which? [drain/keep/CANCEL] ").count(), asked, "{said}");
            let why = "Type drain or keep; Enter alone cancels.\n";
            let wrong = lines.lines().filter(|line| "whatd123".contains(line) && !line.is_empty());
            let wrong = wrong.count();
            assert_eq!(said.matches(why).count(), wrong, "{said}");
            assert_eq!(said.contains(&not_understood()), wrong == ATTEMPTS, "{said}");
        }
        for (lines, chosen) in [("9\n2\n", Some(vec![1])), ("9\n8\n7\n1\n", None), ("n\n", None)] {
            let (output, captured) = Output::captured();
            assert_eq!(output.answering(lines).choose_several("Which?", 4), chosen, "{lines:?}");
            let explains = captured.stderr().contains("Choose numbers from 1 to 4");
            assert_eq!(explains, lines.starts_with('9'));
        }
    }
}

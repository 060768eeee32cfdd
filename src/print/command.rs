//! Command lines that users can paste into a shell.

/// A command line of these words, each quoted for a POSIX shell where it has to be.
///
/// A NUL character, which no argument can hold, is left out.
pub fn command<W: AsRef<str>>(words: impl IntoIterator<Item = W>) -> String {
    let quoted = words.into_iter().map(|word| {
        let word = word.as_ref().replace('\0', "");
        // `shlex` would quote a flag with a value, too.
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@%+".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            return word;
        }
        shlex::try_quote(&word).map(std::borrow::Cow::into_owned).unwrap_or_default()
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// The same of `kubectl federate`, between backticks, as a sentence has it. `verb` is not quoted:
/// `job get`.
pub fn federate<W: AsRef<str>>(verb: &str, words: impl IntoIterator<Item = W>) -> String {
    format!("`{}`", federate_line(verb, words))
}

/// The same, on a line by itself.
pub fn federate_line<W: AsRef<str>>(verb: &str, words: impl IntoIterator<Item = W>) -> String {
    let words = words.into_iter().map(|word| word.as_ref().to_owned());
    let verb = ["kubectl", "federate"].into_iter().chain(verb.split(' ')).map(str::to_owned);
    command(verb.chain(words))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_words_stay_and_others_are_quoted() {
        assert_eq!(
            federate("job get", ["pi", "-n", "work"]),
            "`kubectl federate job get pi -n work`"
        );
        let context = "--context=my cluster; echo hi";
        assert_eq!(command(["kubectl", context]), "kubectl '--context=my cluster; echo hi'");
    }

    proptest! {
        #[test]
        fn a_shell_reads_the_words_that_were_written(
            words in prop::collection::vec("[^\0]{0,12}", 1..5)
        ) {
            prop_assert_eq!(shlex::split(&command(&words)), Some(words));
        }
    }
}

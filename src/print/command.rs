//! Command lines that users can paste into a shell.

tokio::task_local! {
    /// The flags of the command that runs, for the lines that it offers.
    static REPEATED: Repeated;
}

/// The flags of a command line that say which clusters it is about: each line that it offers is
/// about the same ones. None of them shows a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repeated {
    /// Those that hold for all clusters, such as `--kubeconfig=FILE` and `--as=USER`.
    pub everywhere: Vec<String>,
    /// Those that lead to the host, such as `--context=NAME` and `--server=URL`.
    pub host: Vec<String>,
    /// The namespace that was typed.
    pub namespace: Option<String>,
}

/// The verbs that are about Jobs of a namespace.
const NAMESPACED: [&str; 4] = ["job ", "orphans ", "reconcile ", "cluster check "];

impl Repeated {
    /// Those that a line of `kubectl federate` lacks. A line that names its context is about
    /// another host, or about the cluster of that context alone: what leads to the host is left
    /// out.
    fn lacking(&self, verb: &str, words: &[String]) -> Vec<String> {
        let has = |flag: &str| words.iter().any(|word| word.starts_with(flag));
        let names_namespace = ["-n", "-A", "--namespace", "--all-namespaces"].into_iter().any(has);
        let is_namespaced = NAMESPACED.iter().any(|start| format!("{verb} ").starts_with(start));
        let namespace = self.namespace.as_ref().filter(|_| is_namespaced && !names_namespace);
        let mut flags: Vec<_> =
            namespace.map(|name| format!("--namespace={name}")).into_iter().collect();
        if !has("--context=") {
            flags.extend(self.host.iter().cloned());
        }
        flags.extend(self.everywhere.iter().cloned());
        flags
    }

    /// Whether one of them says which cluster the host is.
    fn names_host(&self) -> bool {
        let names = ["--context=", "--cluster=", "--server="];
        self.host.iter().any(|flag| names.iter().any(|name| flag.starts_with(name)))
    }
}

/// Runs a command. The lines that it offers repeat these flags.
pub async fn repeating<T>(flags: Repeated, command: impl Future<Output = T>) -> T {
    REPEATED.scope(flags, command).await
}

/// The same for what is said of the host to which a context leads, which may be another one than
/// that of the command.
pub fn about_host_of<T>(context: &str, say: impl FnOnce() -> T) -> T {
    let host = vec![format!("--context={context}")];
    REPEATED.sync_scope(Repeated { host, ..repeated() }, say)
}

/// The flags of the command that runs; none outside of [`repeating`].
fn repeated() -> Repeated {
    REPEATED.try_with(Clone::clone).unwrap_or_default()
}

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
    let words: Vec<_> = words.into_iter().map(|word| word.as_ref().to_owned()).collect();
    let flags = repeated().lacking(verb, &words);
    line(verb, words.into_iter().chain(flags))
}

/// A line of just these words.
fn line(verb: &str, words: impl Iterator<Item = String>) -> String {
    let verb = ["kubectl", "federate"].into_iter().chain(verb.split(' ')).map(str::to_owned);
    command(verb.chain(words))
}

/// A line between backticks that is about the host of the command itself, whose context this is. It
/// names the context only where no flag of the command led to the host: with `--server` alone, the
/// context is that of another cluster.
pub fn federate_on_host<W: AsRef<str>>(
    verb: &str,
    words: impl IntoIterator<Item = W>,
    context: &str,
) -> String {
    let mut words: Vec<_> = words.into_iter().map(|word| word.as_ref().to_owned()).collect();
    let flags = repeated();
    let lacking = flags.lacking(verb, &words);
    if !flags.names_host() {
        words.push(format!("--context={context}"));
    }
    format!("`{}`", line(verb, words.into_iter().chain(lacking)))
}

/// A line of kubectl itself, in the cluster of a context if one is named.
pub fn kubectl_line(context: Option<&str>, words: &[&str]) -> String {
    let mut line = vec!["kubectl".to_owned()];
    line.extend(repeated().everywhere);
    line.extend(context.map(|context| format!("--context={context}")));
    line.extend(words.iter().map(|word| (*word).to_owned()));
    command(line)
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

    fn typed() -> Repeated {
        Repeated {
            everywhere: vec!["--kubeconfig=f.kc".to_owned(), "--as=jane".to_owned()],
            host: vec!["--context=b c".to_owned(), "--server=https://h".to_owned()],
            namespace: Some("math".to_owned()),
        }
    }

    #[tokio::test]
    async fn a_line_is_about_the_clusters_that_the_command_was_about() {
        let everywhere = "--kubeconfig=f.kc --as=jane";
        let host = "'--context=b c' --server=https://h";
        for (verb, words, expected) in [
            ("init", &[][..], format!("init {host} {everywhere}")),
            ("cluster list", &[], format!("cluster list {host} {everywhere}")),
            ("job get", &[], format!("job get --namespace=math {host} {everywhere}")),
            ("job get", &["-A"], format!("job get -A {host} {everywhere}")),
            ("job get", &["pi", "-n", "x"], format!("job get pi -n x {host} {everywhere}")),
            ("init", &["--context=new"], format!("init --context=new {everywhere}")),
            (
                "cluster register",
                &["a", "--cluster-context=c"],
                format!("cluster register a --cluster-context=c {host} {everywhere}"),
            ),
        ] {
            let line = repeating(typed(), async { federate_line(verb, words) }).await;
            assert_eq!(line, format!("kubectl federate {expected}"));
        }
        let line = repeating(typed(), async { kubectl_line(Some("west"), &["get", "job"]) }).await;
        assert_eq!(line, "kubectl --kubeconfig=f.kc --as=jane --context=west get job");
        assert_eq!(federate_line("job get", ["pi"]), "kubectl federate job get pi");
    }

    #[tokio::test]
    async fn a_line_about_the_same_host_leads_there_as_the_command_did() {
        for (host, expected) in [
            (&[][..], "--context=prod"),
            (&["--user=jane"], "--context=prod --user=jane"),
            (&["--context=new"], "--context=new"),
            (&["--context=new", "--user=jane"], "--context=new --user=jane"),
            (&["--server=https://new", "--token=TOKEN"], "--server=https://new --token=TOKEN"),
            (&["--cluster=new"], "--cluster=new"),
        ] {
            let host = host.iter().map(ToString::to_string).collect();
            let flags = Repeated { host, ..Repeated::default() };
            let line = async { federate_on_host("init", ["--from=CONTEXT"], "prod") };
            let line = repeating(flags, line).await;
            assert_eq!(line, format!("`kubectl federate init --from=CONTEXT {expected}`"));
        }
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

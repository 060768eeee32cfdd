//! `kubectl federate cluster check`.

use clap::Args;
use serde_json::{Value, json};

use crate::{
    cli::{
        OutputFlags, Session,
        output::{is_table, print},
        unmarked::{about_unmarked, unmarked},
        warnings::clock_difference,
    },
    cluster::TESTED,
    error::{Error, Result},
    federation::{
        Answer, AskedRight, Checked, Federation, Identity, ToCheck, UnmarkedHost, check_host,
        manifests, some_clusters,
    },
    print::{Format, Table, federate, format::list},
    yaml,
};

/// The examples in its help.
const EXAMPLES: &str = "\
Examples:
  # Check the host and all members, for jobs in your namespace
  kubectl federate cluster check

  # Check two members, for jobs in all namespaces
  kubectl federate cluster check west north --all-namespaces

  # Show each right, and what it is needed for
  kubectl federate cluster check -o yaml

  # Print the roles that you lack in a member, and on the host
  kubectl federate cluster check west --print-rbac
  kubectl federate cluster check --host --print-rbac";

/// What is printed where something is not known.
const UNKNOWN: &str = "<unknown>";

/// Check whether the clusters can be used: answers, identity, version, clock, rights
///
/// The host and the members are asked side by side. One that does not answer costs its time limit
/// only. REACHABLE is Forbidden or Unauthorized if its server answers that. IDENTITY is Same if the
/// cluster is the one that was registered. CLOCK is how far a member's clock is ahead of the
/// host's, and the host's of this computer's. RIGHTS counts the rights that you have, of those that
/// are needed for jobs in the namespace. What is wrong is said below the table.
///
/// The exit code is 1 if a cluster does not answer, is another one, if a right is missing, or if a
/// host before this one gives out the same work. The right to read logs, a clock that differs by
/// more than 30 seconds, and a server of a version that is not tested, are warnings only. Nothing
/// is written.
///
/// --print-rbac prints the roles and bindings that are missing in one cluster, for `kubectl apply
/// -f -` by somebody who may grant them. A role that is there already gets the rules that the
/// documentation gives.
///
/// A host before this one that could not be marked as moved by `restore` is warned of until `init
/// --from` has marked it. If it is used, both give out the same work.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
#[command(after_long_help = EXAMPLES)]
pub struct Check {
    /// The members' names; the host and all members if left out
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Check the host alone
    #[arg(long, conflicts_with = "names")]
    host: bool,
    /// For jobs in all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    #[command(flatten)]
    output: OutputFlags,
    /// Print no column names
    #[arg(long)]
    no_headers: bool,
    /// Print the roles and bindings that are missing in one cluster, as YAML
    #[arg(long, conflicts_with_all = ["output", "no_headers"])]
    print_rbac: bool,
}

impl Check {
    /// Asks the clusters, and prints what they answered.
    pub async fn run(self, session: &Session<'_>) -> Result<()> {
        if self.print_rbac && !self.host && self.names.len() != 1 {
            return Err(Error::new("--print-rbac is for one cluster: give its NAME, or --host"));
        }
        let format = self.output.format(!self.no_headers)?;
        let jobs = if self.all_namespaces { None } else { Some(session.namespace()?) };
        let (checked, unmarked) = self.ask(session, jobs.as_deref()).await?;
        match checked.as_slice() {
            [one] if self.print_rbac => print_rbac(session, one, jobs.as_deref()),
            _ => self.print(session, format.as_ref(), &checked, &unmarked).await,
        }
    }

    /// Who may not read the registry learns what is missing on the host.
    async fn ask(
        &self,
        session: &Session<'_>,
        jobs: Option<&str>,
    ) -> Result<(Vec<Checked>, Vec<UnmarkedHost>)> {
        let which = match self.names.as_slice() {
            _ if self.host => ToCheck::Host,
            [] => ToCheck::All,
            names => ToCheck::Members(names),
        };
        let host = session.host()?;
        let remembered = session.remembered_host();
        match Federation::open(host.clone(), remembered, [], session, &()).await {
            Ok(federation) => {
                let unmarked = async {
                    let is_asked = self.names.is_empty() && !self.print_rbac;
                    if is_asked { unmarked(session, &federation).await } else { Vec::new() }
                };
                let checked = federation.check_clusters(which, jobs);
                let (checked, unmarked) = tokio::join!(checked, unmarked);
                Ok((checked?, unmarked))
            }
            Err(error) if error.hides_registry() && self.names.is_empty() => {
                let checked = check_host(host, session.remembered_host(), jobs).await;
                Ok((vec![checked], Vec::new()))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn print(
        &self,
        session: &Session<'_>,
        format: Option<&Format>,
        checked: &[Checked],
        unmarked: &[UnmarkedHost],
    ) -> Result<()> {
        let output = session.output();
        let members = || checked.iter().filter(|it| it.state.is_some());
        let objects = || match format {
            Some(Format::Name) => list(members().map(object).collect()),
            _ => list(checked.iter().map(object).collect()),
        };
        let printed = print(session.world(), format, objects, "cluster").await;
        if is_table(format) {
            output.table(&self.table(format, checked));
        }
        for one in checked {
            for finding in findings(one) {
                output.warning(Some(&one.name), &finding);
            }
        }
        let host = session.host()?.name();
        for before in unmarked {
            output.warning(None, &about_unmarked(before, host));
        }
        let failed: Vec<_> = checked.iter().filter(|one| !one.passes()).collect();
        printed?;
        if failed.is_empty() {
            // The warning says what marks it.
            if unmarked.iter().any(|before| before.answers) {
                return Err(Error::new("two hosts give out the work of this federation"));
            }
            return Ok(());
        }
        let clusters = some_clusters(failed.len(), checked.len());
        let error = Error::new(format!("{clusters} did not pass the check"));
        let hints = failed.iter().filter_map(|one| self.way_out(session, one));
        Err(hints.fold(error, Error::and_hint))
    }

    /// What the user can do about a cluster that did not pass; none where it must answer first.
    fn way_out(&self, session: &Session<'_>, one: &Checked) -> Option<String> {
        let (answer, name) = (one.answer.as_ref().ok()?, one.name.as_str());
        if let Identity::Other { is_known, .. } = answer.identity {
            let finds = federate("cluster match", [name]);
            let looks = format!("{finds} looks for a context of yours that leads to it.");
            // That one is no successor of this one.
            return Some(if is_known {
                looks
            } else {
                format!(
                    "{looks} If it was built anew: {}, then {}.",
                    federate("cluster lost", [name]),
                    federate("cluster register", [name]),
                )
            });
        }
        let which = if one.state.is_some() { name } else { "--host" };
        let mut words = vec![which.to_owned(), "--print-rbac".to_owned()];
        if self.all_namespaces {
            words.push("--all-namespaces".to_owned());
        } else if let Some(namespace) = session.namespace_flag() {
            words.push(format!("--namespace={namespace}"));
        }
        let command = federate("cluster check", words);
        Some(format!("{command} prints the roles that you lack in {name}."))
    }

    fn table(&self, format: Option<&Format>, checked: &[Checked]) -> Table {
        let mut headers =
            vec!["NAME", "ROLE", "REACHABLE", "IDENTITY", "VERSION", "CLOCK", "RIGHTS"];
        let wide = format == Some(&Format::Wide);
        headers.extend(wide.then_some(["CONTEXT", "USER"]).into_iter().flatten());
        let mut table = Table::new(headers).no_headers(self.no_headers);
        for one in checked {
            let answer = one.answer.as_ref().ok();
            let known = |text: Option<String>| text.unwrap_or_else(|| UNKNOWN.to_owned());
            let mut row = vec![
                one.name.clone(),
                role(one).to_owned(),
                reachable(one).to_owned(),
                answer.map_or(UNKNOWN, identity).to_owned(),
                known(answer.and_then(|answer| answer.version.clone())),
                known(answer.and_then(clock)),
                known(answer.and_then(rights)),
            ];
            if wide {
                row.push(one.context.clone());
                row.push(known(answer.and_then(|answer| answer.user.clone())));
            }
            table.row(row);
        }
        table
    }
}

/// Prints the roles and bindings that are missing in a cluster.
fn print_rbac(session: &Session<'_>, one: &Checked, jobs: Option<&str>) -> Result<()> {
    let name = &one.name;
    let answer = one.answer.as_ref().map_err(|why| Error::new(format!("[{name}] {why}")))?;
    if let Identity::Other { why, .. } = &answer.identity {
        return Err(Error::new(why));
    }
    if answer.missing().next().is_none() {
        session.output().note(format!("cluster {name}: no right is missing."));
        return Ok(());
    }
    let Some(user) = &answer.user else {
        return Err(Error::new(format!("cluster {name} does not say which user you are")));
    };
    let documents = manifests(&answer.rights, jobs, user);
    let documents: Vec<_> = documents.iter().map(yaml::write).collect();
    session.output().block(&documents.join("---\n"));
    Ok(())
}

fn reachable(one: &Checked) -> &'static str {
    match one.denial {
        Some(denial) => denial.as_str(),
        None if one.answer.is_ok() => "Yes",
        None => "No",
    }
}

fn role(one: &Checked) -> &'static str {
    if one.state.is_some() { "Member" } else { "Host" }
}

fn identity(answer: &Answer) -> &'static str {
    match answer.identity {
        Identity::Same => "Same",
        Identity::Other { .. } => "Other",
        Identity::Unknown => UNKNOWN,
    }
}

/// Such as `+45s`.
fn clock(answer: &Answer) -> Option<String> {
    let sign = |seconds| if seconds > 0 { "+" } else { "" };
    answer.ahead.map(|ahead| format!("{}{}s", sign(ahead.as_secs()), ahead.as_secs()))
}

/// Such as `7/9`; none of another cluster, which was not asked.
fn rights(answer: &Answer) -> Option<String> {
    let all = answer.rights.len();
    (all > 0).then(|| format!("{}/{all}", all - answer.missing().count()))
}

/// What is wrong with a cluster, each a clause about it.
fn findings(one: &Checked) -> Vec<String> {
    let answer = match &one.answer {
        Ok(answer) => answer,
        Err(why) if one.passes() => return vec![format!("it is lost, and does not answer: {why}")],
        Err(why) => return vec![why.clone()],
    };
    let mut findings = Vec::new();
    if let Identity::Other { why, .. } = &answer.identity {
        findings.push(why.clone());
    }
    if let (Some(version), Some(false)) = (&answer.version, answer.is_tested()) {
        let [oldest, newest] = TESTED;
        findings.push(format!(
            "its server is Kubernetes {version}, and kubectl federate is tested with {oldest} to \
             {newest}"
        ));
    }
    if let Some(ahead) = answer.skewed() {
        let is_member = one.state.is_some();
        let than = if is_member { "the host's" } else { "the clock of this computer" };
        findings.push(clock_difference(ahead, than));
    }
    let missing = |asked: &AskedRight| format!("may not {}: {}", asked.words, asked.right.without);
    findings.extend(answer.missing().map(missing));
    findings
}

/// A cluster that was checked, as an object.
fn object(one: &Checked) -> Value {
    let mut status = json!({ "passed": one.passes(), "reachable": one.answer.is_ok() });
    match &one.answer {
        Err(why) => status["message"] = why.as_str().into(),
        Ok(answer) => {
            let right = |asked: &AskedRight| {
                json!({
                    "right": asked.words,
                    "granted": asked.is_granted,
                    "without": asked.right.without,
                })
            };
            status["identity"] = match &answer.identity {
                Identity::Unknown => "Unknown".into(),
                _ => identity(answer).into(),
            };
            if let Identity::Other { why, .. } = &answer.identity {
                status["message"] = why.as_str().into();
            }
            status["version"] = json!(answer.version);
            status["versionTested"] = json!(answer.is_tested());
            status["clockAheadSeconds"] = json!(answer.ahead.map(|ahead| ahead.as_secs()));
            status["user"] = json!(answer.user);
            status["rights"] = answer.rights.iter().map(right).collect();
        }
    }
    json!({
        "apiVersion": "kubectl-federate.dev/v1",
        "kind": "ClusterCheck",
        "metadata": { "name": one.name },
        "spec": { "context": one.context, "role": role(one) },
        "status": status,
    })
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn clocks_and_versions_are_warned_of_and_pass() {
        let answer = |version: &str, ahead| Answer {
            identity: Identity::Same,
            version: Some(version.to_owned()),
            ahead: Some(SignedDuration::from_secs(ahead)),
            user: None,
            rights: Vec::new(),
        };
        for (version, ahead, clock_text, warned) in [
            ("v1.36.3", 30, "+30s", vec![]),
            ("v1.36.3", 0, "0s", vec![]),
            ("v1.36.3", 31, "+31s", vec!["its clock is 31s ahead of the host's"]),
            ("v1.36.3", -45, "-45s", vec!["its clock is 45s behind the host's"]),
            (
                "v1.29.1",
                0,
                "0s",
                vec![
                    "its server is Kubernetes v1.29.1, and kubectl federate is tested with v1.30 \
                     to v1.37",
                ],
            ),
        ] {
            let one = Checked {
                name: "west".to_owned(),
                state: Some(crate::state::MemberState::Ready),
                context: "west".to_owned(),
                answer: Ok(answer(version, ahead)),
                denial: None,
            };
            assert_eq!(findings(&one), warned);
            assert_eq!(clock(&answer(version, ahead)).as_deref(), Some(clock_text));
            assert!(one.passes());
        }
    }
}

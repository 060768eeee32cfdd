//! What somebody who mistyped a command or a flag may have meant.

use clap::Command;

/// The names of commands below this one that are like what was typed, as kubectl suggests them.
/// Where none is, the commands further down that have just this name, with their paths: `job
/// create` for `create`.
pub(super) fn commands(command: &Command, typed: &str) -> Vec<String> {
    let names = |command: &Command| {
        let visible = command.get_subcommands().filter(|below| !below.is_hide_set());
        visible.map(|below| below.get_name().to_owned()).collect::<Vec<_>>()
    };
    let like: Vec<_> = names(command).into_iter().filter(|name| alike(typed, name)).collect();
    if !like.is_empty() {
        return like;
    }
    let below = command.get_subcommands();
    let deeper = below.filter(|below| names(below).iter().any(|name| name == typed));
    deeper.map(|below| format!("{} {typed}", below.get_name())).collect()
}

/// The long flags that are like what was typed; all without their dashes.
pub(super) fn flags<'a>(known: impl Iterator<Item = &'a str>, typed: &str) -> Vec<String> {
    known.filter(|name| alike(typed, name)).map(str::to_owned).collect()
}

/// Whether one is the beginning of the other, or a slip of the fingers away from it: one in a short
/// name, two in a longer one.
fn alike(typed: &str, name: &str) -> bool {
    let typed = typed.to_lowercase();
    let slips = if name.len() <= 4 { 1 } else { 2 };
    typed.len() > 1 && name.starts_with(&typed) || strsim::osa_distance(&typed, name) <= slips
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_near_is_meant() {
        for (typed, name, meant) in [
            ("jbo", "job", true),
            ("foo", "job", false),
            ("rec", "reconcile", true),
            ("config", "reconcile", false),
            ("Job", "job", true),
            ("unregsiter", "unregister", true),
            ("regist", "register", true),
            ("j", "job", false),
            ("outptu", "output", true),
        ] {
            assert_eq!(alike(typed, name), meant, "{typed} {name}");
        }
    }

    #[test]
    fn a_verb_without_its_noun_is_found() {
        let root = Command::new("root")
            .subcommand(
                Command::new("job")
                    .subcommand(Command::new("get"))
                    .subcommand(Command::new("create")),
            )
            .subcommand(Command::new("cluster").subcommand(Command::new("list")));
        assert_eq!(commands(&root, "create"), ["job create"]);
        assert_eq!(commands(&root, "cluter"), ["cluster"]);
        assert!(commands(&root, "config").is_empty());
    }
}

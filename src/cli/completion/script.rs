//! `kubectl federate completion bash`, `zsh` and `fish`.

use clap::Args;

use crate::cli::World;

/// The examples in the help of each.
const BASH_EXAMPLES: &str = "\
Examples:
  # Complete kubectl-federate in this shell
  source <(kubectl federate completion bash)";

const ZSH_EXAMPLES: &str = "\
Examples:
  # Complete kubectl-federate in this shell
  source <(kubectl federate completion zsh)";

const FISH_EXAMPLES: &str = "\
Examples:
  # Complete kubectl-federate in this shell
  kubectl federate completion fish | source";

/// Print code that completes kubectl-federate in bash
#[derive(Debug, Args)]
#[command(after_long_help = BASH_EXAMPLES)]
pub struct Bash {}

/// Print code that completes kubectl-federate in zsh
#[derive(Debug, Args)]
#[command(after_long_help = ZSH_EXAMPLES)]
pub struct Zsh {}

/// Print code that completes kubectl-federate in fish
#[derive(Debug, Args)]
#[command(after_long_help = FISH_EXAMPLES)]
pub struct Fish {}

/// The last line of an answer is a directive for kubectl. A tab comes before a description.
pub(super) const BASH: &str = r#"# Completes kubectl-federate in bash.
_kubectl_federate() {
    local line directive="" out word joins="" last="" cut=""
    COMPREPLY=()
    # bash takes words apart at = and at :, and completes what stands behind the last of them.
    local -a words=()
    for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
        if ((${#words[@]})) && [[ $joins || $word == [=:]* ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
        if [[ $word == [=:]* ]]; then joins=1; else joins=""; fi
        last=${words[${#words[@]} - 1]}
    done
    if [[ $last == -*=* ]]; then last=${last#*=}; fi
    if [[ $last == *[=:]* ]]; then cut=${last%"${last##*[=:]}"}; fi
    out=$(kubectl-federate __complete "${words[@]}" </dev/null 2>/dev/null) || return
    while IFS= read -r line; do
        case "$line" in
            :*) directive=${line#:} ;;
            *) line=${line%%$'\t'*}; COMPREPLY+=("${line#"$cut"}") ;;
        esac
    done <<<"$out"
    if ((directive & 2)); then compopt -o nospace; fi
    if ! ((directive & 4)); then compopt -o default; fi
}
complete -F _kubectl_federate kubectl-federate
"#;

pub(super) const ZSH: &str = r#"#compdef kubectl-federate
# Completes kubectl-federate in zsh.
_kubectl_federate() {
    local line directive=0 out
    local -a found prefix
    # What stands behind the = of a flag is completed alone.
    if [[ "${words[CURRENT]}" == -*=* ]]; then prefix=(-P "${words[CURRENT]%%=*}="); fi
    out=$(kubectl-federate __complete "${(@)words[2,CURRENT]}" </dev/null 2>/dev/null) || return
    for line in "${(@f)out}"; do
        case "$line" in
            :*) directive=${line#:} ;;
            *) found+=("${${line//:/\\:}/$'\t'/:}") ;;
        esac
    done
    if ((${#found} == 0 && !(directive & 4))); then
        _files "${prefix[@]}"
    elif ((directive & 2)); then
        _describe 'kubectl-federate' found "${prefix[@]}" -S ''
    else
        _describe 'kubectl-federate' found "${prefix[@]}"
    fi
}
compdef _kubectl_federate kubectl-federate
"#;

pub(super) const FISH: &str = r#"# Completes kubectl-federate in fish.
function __kubectl_federate_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found (kubectl-federate __complete $words[2..-1] </dev/null 2>/dev/null)
    if test "$found" = ":0"
        __fish_complete_path (commandline -ct)
    else
        # What stands behind the = of a flag is told alone.
        set -l flag (string match -r -- '^-[^=]*=' (commandline -ct))
        for line in (string match -v -r '^:[0-9]+$' -- $found)
            printf '%s%s\n' "$flag" $line
        end
    end
end
complete -c kubectl-federate -f -a '(__kubectl_federate_complete)'
"#;

/// Prints a script.
pub(super) fn print(world: &World, script: &str) {
    world.output.block(script);
}

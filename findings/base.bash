# What all scripts of this folder use. They source this file, or cluster.bash, which sources it.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
pids=()

finish() {
  local code=$?
  if ((code)) && [[ -f $work/kueue.log ]]; then tail -n 5 "$work/kueue.log" >&2; fi
  for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
  exit "$code"
}
trap finish EXIT

# Fails unless two texts are the same. The first argument says what they are about.
expect() {
  echo "$1: $2"
  if [[ $2 != "$3" ]]; then
    echo "changed: $1 is \"$2\", and was \"$3\"" >&2
    exit 1
  fi
}

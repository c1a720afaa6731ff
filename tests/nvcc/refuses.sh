#!/usr/bin/env bash
# refuses.sh SOURCE COMMAND...: what the nvcc COMMAND says of SOURCE, a training program, where it is told something else than the
# headers need: one sentence of Formwork's, which names what to do.
set -euo pipefail
source=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
refuses() {  # SENTENCE COMMAND...
  local sentence=$1
  shift
  if "$@" -c "$source" -o "$work/object.o" >"$work/log" 2>&1; then
    echo "refuses: accepted: $*"
    bad=1
  elif ! grep -m 1 error "$work/log" | grep -E -- "$sentence"; then
    echo "refuses: the first error is not $sentence: $*"
    head -5 "$work/log"
    bad=1
  fi
}
without() {  # FLAG: the command, but for it
  command=()
  for word in "${given[@]}"; do [ "$word" = "$1" ] || command+=("$word"); done
}
given=("$@")
refuses 'formwork: the kernels need compute capability 8.0 or later; compile with -arch=sm_80' "$@" -arch=compute_75
without --expt-relaxed-constexpr
refuses 'formwork: compile with --expt-relaxed-constexpr' "${command[@]}" -arch=compute_80
without -std=c++20
refuses 'formwork: these headers are C\+\+20; compile with -std=c\+\+20' "${command[@]}" -arch=compute_80 -std=c++17
exit $bad

#!/usr/bin/env bash
# resources.sh SOURCE BUDGETS ARCHITECTURES COMMAND...: compiles SOURCE with the nvcc COMMAND for every compute
# capability of the comma-separated list, prints what each kernel takes and how long each phase took, and fails where a
# kernel spills, has local memory or takes more registers than its line in BUDGETS allows.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source=$1 budgets=$2
IFS=, read -ra architectures <<<"$3"
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags=()
for a in "${architectures[@]}"; do flags+=(-gencode "arch=compute_$a,code=sm_$a"); done
if ! "$@" "${flags[@]}" -Xptxas -v,--warn-on-spills --time "$work/times" -c "$source" -o "$work/object.o" >"$work/log" 2>&1; then
  cat "$work/log"
  exit 1
fi
if grep -v "^ptxas info" "$work/log" | grep -iE "warning|error"; then
  echo "resources: nvcc warned (above)"
  exit 1
fi
# Milliseconds of every phase: source, phase, input, output, architecture, tool, number, unit.
awk -F' *, *' -v source="$(basename "$source")" '
  NR > 1 && $8 == "ms" {
    phase = $2; sub(/ *\(.*/, "", phase)
    if (phase == "gcc") phase = "g++, preprocessing"
    if ($5 != "" && phase ~ /^(cicc|ptxas)$/) { arch = $5; gsub(/[^0-9]/, "", arch); phase = phase " for " arch }
    if (!(phase in seconds)) order[++phases] = phase
    seconds[phase] += $7 / 1000; total += $7 / 1000
  }
  END {
    printf "| %s | seconds |\n|---|---|\n", source
    for (k = 1; k <= phases; ++k) printf "| %s | %.1f |\n", order[k], seconds[order[k]]
    printf "| together | %.1f |\n\n", total
  }' "$work/times"
awk -v budgets="$budgets" -f "$here/resources.awk" "$work/log"

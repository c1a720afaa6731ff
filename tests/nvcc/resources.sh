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
awk -v source="$(basename "$source")" -f "$here/phases.awk" "$work/times"
awk -v budgets="$budgets" -f "$here/kernel_name.awk" -f "$here/resources.awk" "$work/log"

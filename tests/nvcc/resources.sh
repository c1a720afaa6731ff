#!/usr/bin/env bash
# resources.sh SOURCE BUDGETS ARCHITECTURES COMMAND...: compiles SOURCE with the nvcc COMMAND for every compute
# capability of the comma-separated list, prints what each kernel takes and how long each phase took, and fails where a
# kernel spills, has local memory or takes more registers than its line in BUDGETS allows; with a release of nvcc other than
# that of BUDGETS where it spills more than a little.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source=$1 budgets=$2
IFS=, read -ra architectures <<<"$3"
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
release=$("$1" --version | sed -n 's/.*release \([0-9.]*\),.*/\1/p')
flags=()
for a in "${architectures[@]}"; do flags+=(-gencode "arch=compute_$a,code=sm_$a"); done
if grep -qx "release *${release:-none}" "$budgets"; then flags+=(-Xptxas --warn-on-spills); fi
if ! "$@" "${flags[@]}" -Xptxas -v --time "$work/times" -c "$source" -o "$work/object.o" >"$work/log" 2>&1; then
  cat "$work/log"
  exit 1
fi
if grep -v "^ptxas info" "$work/log" | grep -iE "warning|error"; then
  echo "resources: nvcc warned (above)"
  exit 1
fi
awk -v source="$(basename "$source")" -f "$here/phases.awk" "$work/times"
awk -v budgets="$budgets" -v release="$release" -f "$here/kernel_name.awk" -f "$here/resources.awk" "$work/log"

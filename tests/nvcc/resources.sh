#!/usr/bin/env bash
# resources.sh SOURCE BUDGETS ARCHITECTURES COMMAND...: compiles SOURCE with the nvcc COMMAND for every compute
# capability of the comma-separated list that it knows and names the others, prints what each kernel takes and how long each
# phase took, and fails where a kernel spills, has local memory or takes more registers than its line in BUDGETS allows; with a
# release of nvcc other than that of BUDGETS where it spills more than a little. Every kernel that is started must have been compiled.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source=$1 budgets=$2
IFS=, read -ra architectures <<<"$3"
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
release=$("$1" --version | sed -n 's/.*release \([0-9.]*\),.*/\1/p')
known=$("$1" --list-gpu-arch)
flags=()
for a in "${architectures[@]}"; do
  if grep -qx "compute_$a" <<<"$known"; then flags+=(-gencode "arch=compute_$a,code=sm_$a"); else echo "resources: nvcc $release does not know compute capability $a, so nothing is compiled for it"; fi
done
if [ ${#flags[@]} = 0 ]; then
  echo "resources: nothing is left to compile for"
  exit 1
fi
if grep -qx "release *${release:-none}" "$budgets"; then flags+=(-Xptxas --warn-on-spills); fi
if ! "$@" "${flags[@]}" -Xptxas -v --time "$work/times" -c "$source" -o "$work/object.o" >"$work/log" 2>&1; then
  cat "$work/log"
  exit 1
fi
if grep -v "^ptxas info" "$work/log" | grep -iE "warning|error"; then
  echo "resources: nvcc warned (above)"
  exit 1
fi
# nvcc's front end and g++ trace each program on their own. Where the front end is wrong, g++ starts a kernel that nobody compiled.
nm "$work/object.o" | awk '$3 ~ /^_ZN8formwork3gpuL?5entryI[^.]*$/ { sub(/gpuL5entry/, "gpu5entry", $3); print $3 }' | LC_ALL=C sort -u >"$work/started"
sed -n "s/.*Compiling entry function '\([^']*\)'.*/\1/p" "$work/log" | LC_ALL=C sort -u >"$work/compiled"
if [ ! -s "$work/started" ]; then
  echo "resources: the object starts no kernel"
  exit 1
fi
LC_ALL=C comm -23 "$work/started" "$work/compiled" >"$work/missing"
if [ -s "$work/missing" ]; then
  cut -c1-400 "$work/missing"
  echo "resources: nvcc compiled other kernels than g++ starts (above): their front ends do not agree on a constant expression"
  exit 1
fi
awk -v source="$(basename "$source")" -f "$here/phases.awk" "$work/times"
awk -v budgets="$budgets" -v release="$release" -f "$here/kernel_name.awk" -f "$here/resources.awk" "$work/log"

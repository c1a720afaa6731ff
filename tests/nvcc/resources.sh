#!/usr/bin/env bash
# resources.sh SOURCE BUDGETS ARCHITECTURES COMMAND...: compiles SOURCE with the nvcc COMMAND for every compute
# capability of the comma-separated list, prints what each kernel takes, and fails where one spills, has local memory
# beyond what slow paths of sin and cos need, or takes more registers than its line in BUDGETS allows.
set -euo pipefail
source=$1 budgets=$2
IFS=, read -ra architectures <<<"$3"
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags=()
for a in "${architectures[@]}"; do flags+=(-gencode "arch=compute_$a,code=sm_$a"); done
if ! "$@" "${flags[@]}" -Xptxas -v,--warn-on-spills -c "$source" -o "$work/object.o" >"$work/log" 2>&1; then
  cat "$work/log"
  exit 1
fi
if grep -v "^ptxas info" "$work/log" | grep -iE "warning|error"; then
  echo "resources: nvcc warned (above)"
  exit 1
fi
awk -v budgets="$budgets" '
  BEGIN {
    while ((getline line < budgets) > 0) if (line !~ /^#/ && split(line, part, " ") == 2) most[part[1]] = part[2]
    printf "| kernel | architecture | registers | static shared bytes | stack bytes |\n|---|---|---|---|---|\n"
  }
  /Compiling entry function/ {
    name = $0; arch = $0
    sub(/.*for .sm_/, "", arch); sub(/[^0-9a-z].*/, "", arch)
    # the mangled name begins with that of the launch: ...6detail11rows_launchI...
    if (match(name, /6detail[0-9]+[a-z_]+/)) { kernel = substr(name, RSTART + 7, RLENGTH - 7); sub(/^[0-9]+/, "", kernel) }
    stack = 0; spills = 0
  }
  /bytes stack frame/ { stack = $1; spills = $5 + $9 }
  /Used [0-9]+ registers/ {
    registers = $0; sub(/.*Used /, "", registers); sub(/ .*/, "", registers)
    shared = 0
    if (match($0, /[0-9]+ bytes smem/)) { shared = substr($0, RSTART, RLENGTH); sub(/ .*/, "", shared) }
    printf "| %s | %s | %s | %s | %s |\n", kernel, arch, registers, shared, stack
    ++kernels
    group = kernel; sub(/_.*/, "", group)
    if (!(group in most)) { printf "resources: %s has no budget in %s\n", group, budgets; bad = 1 }
    else if (registers + 0 > most[group]) { printf "resources: %s takes %d registers, its budget is %d\n", kernel, registers, most[group]; bad = 1 }
    if (spills > 0) { printf "resources: %s spills %d bytes\n", kernel, spills; bad = 1 }
    if (stack > 0) { printf "resources: %s has %d bytes of local memory\n", kernel, stack; bad = 1 }
  }
  END {
    if (!kernels) { print "resources: no kernel was found"; bad = 1 }
    exit bad
  }' "$work/log"
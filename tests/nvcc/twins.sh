#!/usr/bin/env bash
# twins.sh: resources.awk accepts kernels within their budgets, whatever the namespace of their launch, and refuses each way
# of being outside; kernel_seconds.awk adds up what each kernel took, and refuses one without; ptx.sh accepts what has all
# instructions that it asks for, and refuses each that is missing or forbidden.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '# a comment\nrelease 13.0\nspilled_elsewhere 64\nrows_launch 40\nattend_forward_launch 200\nprobe 8\n' >"$work/budgets"
# kernel MANGLED REGISTERS STACK SPILLED [THREADS [SHARED]]: what ptxas prints of one
kernel() {
  echo "ptxas info    : Compiling entry function '_ZN8formwork3gpu5entryI$1ILi1EEELi4ELi${5:-128}ELl${6:-0}EEEvNS0_16kernel_argumentsIXT0_EEE' for 'sm_80'"
  echo "ptxas info    : Function properties for _ZN8formwork3gpu5entryI$1"
  echo "    $3 bytes stack frame, $4 bytes spill stores, 0 bytes spill loads"
  echo "ptxas info    : Used $2 registers, used 1 barriers, $3 bytes cumulative stack size, 64 bytes smem"
  echo "ptxas info    : Compile time = 7.500 ms"
}
rows=NS0_6detail11rows_launch attend=NS0_21attend_forward_launch
table() { awk -v budgets="$work/budgets" -v release="${release:-}" -f "$here/kernel_name.awk" -f "$here/resources.awk" "$work/log" >"$work/table"; }
bad=0
accepts() { table || { echo "twins: refused $1"; cat "$work/table"; bad=1; }; }
refuses() {
  if table; then echo "twins: accepted $1"; bad=1; elif ! grep -q "$2" "$work/table"; then echo "twins: of $1 it says"; cat "$work/table"; bad=1; fi
}
{ kernel $rows 40 0 0; kernel $attend 200 0 0; kernel x 4 0 0 | sed 's/_ZN8formwork3gpu5entryIx/_ZN8formwork3gpu6detail5probe/'; } >"$work/log"
accepts "kernels within their budgets"
grep -q '^| attend_forward_launch | 80 | 128 | 200 | 64 | 2 | 0.12 | 0 | 7.500 |$' "$work/table" || { echo "twins: attention has no line of its own"; bad=1; }
{ kernel $rows 40 0 0 1024; kernel $attend 200 0 0 256 80000; } >"$work/log"
accepts "large kernels"
grep -q '^| rows_launch | 80 | 1024 | 40 | 64 | 1 | 0.50 ' "$work/table" || { echo "twins: registers give occupancy 0.50"; cat "$work/table"; bad=1; }
grep -q '^| attend_forward_launch | 80 | 256 | 200 | 80064 | 1 | 0.12 ' "$work/table" || { echo "twins: shared memory counts"; cat "$work/table"; bad=1; }
kernel $attend 200 0 0 128 170000 >"$work/log"
refuses "more shared memory than there is" "does not fit a multiprocessor of 80"
{ kernel $rows 40 0 0; kernel $attend 201 0 0; } >"$work/log"
refuses "a register too many" "attend_forward_launch takes 201 registers on 80, its budget is 200"
{ kernel $rows 41 0 0; kernel $attend 1 0 0; } >"$work/log"
refuses "a register too many, another kernel behind it" "rows_launch takes 41 registers"
kernel $rows 1 8 8 >"$work/log"
refuses "a spill" "rows_launch spills 8 bytes"
kernel $rows 1 16 0 >"$work/log"
refuses "local memory" "rows_launch has 16 bytes of local memory"
for release in 13.0 13.5 ""; do
  kernel $rows 1 80 72 >"$work/log"
  refuses "a large spill, release '$release'" "rows_launch spills 72 bytes"
  kernel $rows 1 16 0 >"$work/log"
  refuses "local memory, release '$release'" "rows_launch has 16 bytes of local memory"
done
release=13.0
kernel $rows 1 8 8 >"$work/log"
refuses "a spill of the budgets' release" "rows_launch spills 8 bytes"
kernel $rows 41 0 0 >"$work/log"
refuses "a register too many of the budgets' release" "rows_launch takes 41 registers"
release=13.5
{ kernel $rows 41 8 8; kernel $attend 1 0 0; } >"$work/log"
accepts "a small spill of another release"
grep -q 'rows_launch spills 8 bytes on 80 by nvcc 13.5, .* nvcc 13.0' "$work/table" || { echo "twins: a small spill is not noted"; cat "$work/table"; bad=1; }
grep -q 'rows_launch takes 41 registers on 80.* by nvcc 13.5' "$work/table" || { echo "twins: registers are not noted"; cat "$work/table"; bad=1; }
kernel $rows 1 72 8 >"$work/log"
refuses "more local memory than a small spill takes" "has 72 bytes of local memory"
release=
kernel x 1 0 0 | sed 's/_ZN8formwork3gpu5entryIx/_Z9elsewhere/' >"$work/log"
refuses "a kernel of nobody's" "? has no budget"
kernel NS0_6detail13scatter_parts 1 0 0 >"$work/log"
refuses "a kernel without a budget" "scatter_parts has no budget"
: >"$work/log"
refuses "nothing" "no kernel was found"

# Seconds: each kernel's of both compilers, other functions' apart.
entry='_ZN8formwork3gpu5entryI' end='ILi1EEELi4ELi128ELl0EEEvNS0_16kernel_argumentsIXT0_EEE'
worked() { echo "{\"args\":{\"detail\":\"$1\"},\"dur\":$2,\"name\":\"OptFunction\""; }
seconds() { awk -f "$here/kernel_name.awk" -f "$here/../../bench/support/kernel_seconds.awk" "$work/log" "$work/functions" >"$work/table" 2>&1; }
{ kernel $rows 40 0 0; kernel $attend 200 0 0; } >"$work/log"
{ worked "$entry$rows$end" 20000; worked "$entry$attend$end" 300000; worked "$entry$rows$end" 10000; worked elsewhere 5000; } >"$work/functions"
seconds || { echo "twins: refused seconds of every kernel"; cat "$work/table"; bad=1; }
for line in '| rows_launch |  | 0.030 | 0.007 | 0.037 |' '| functions, before they are inlined | | 0.005 | | 0.005 |' '| together | | 0.335 | 0.015 | 0.350 |'; do
  grep -qxF "$line" "$work/table" || { echo "twins: no line $line in"; cat "$work/table"; bad=1; }
done
sed -n 3p "$work/table" | grep -q attend_forward_launch || { echo "twins: the longest is not the first"; bad=1; }
worked "$entry$rows$end" 20000 >"$work/functions"
if seconds; then echo "twins: accepted a kernel without cicc's seconds"; bad=1; fi
{ worked "$entry$rows$end" 20000; worked "$entry$attend$end" 300000; } >"$work/functions"
{ kernel $rows 40 0 0; kernel $attend 200 0 0 | sed '/Compile time/d'; } >"$work/log"
if seconds; then echo "twins: accepted a kernel without ptxas's seconds"; bad=1; fi
: >"$work/log"
if seconds; then echo "twins: accepted seconds of no kernel"; bad=1; fi

# In nvcc's place: what it is given to compile (-arch=A -ptx SOURCE -o OUT) is the PTX already.
printf '#!/bin/sh\ncp "$3" "$5"\n' >"$work/nvcc"
chmod +x "$work/nvcc"
lines='mma.sync.aligned.m16n8k16.row
ldmatrix.sync.aligned
cp.async.cg.shared.global [%r1], [%rd1], 16;
ld.global.nc.v4.u32
st.global.v4.f32'
ptx() { "$here/ptx.sh" "$work/source" "$work/nvcc" >"$work/table"; }
echo "$lines" >"$work/source"
ptx || { echo "twins: refused PTX that has everything"; cat "$work/table"; bad=1; }
for missing in 1 2 3 4 5; do
  echo "$lines" | sed "${missing}d" >"$work/source"
  if ptx; then echo "twins: accepted PTX without its line $missing"; bad=1; fi
done
for forbidden in '.local .align 16 .b8 depot[16];' 'ld.v4.f32 {%f1, %f2, %f3, %f4}, [%rd1];' '@%p1 st.u32 [%rd1], %r1;' 'ld.volatile.u32 %r1, [%rd1];' 'call (x), %rd1, (y);' 'call malloc, (p);' 'call vprintf, (p);' 'red.global.add.f32 [%rd1], %f1;'; do
  # So many that a reader who stops early does not see the end.
  { echo "$lines"; awk -v line="$forbidden" 'BEGIN { for (i = 0; i < 20000; ++i) print line }'; } >"$work/source"
  if ptx; then echo "twins: accepted PTX with $forbidden"; bad=1; fi
done
exit $bad

#!/usr/bin/env bash
# loops.sh TOOL text TEXT: what TOOL (bench/cuda/loops) prints of TEXT, a text of machine code written by hand, and its sentences
# where it cannot. loops.sh TOOL compiled SOURCE NVCC...: that it finds the loop of a kernel that was compiled just now.
set -euo pipefail
tool=$1 part=$2 source=$3
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
expect() { # expect WHAT TEXT: the last output has it
  grep -qF -- "$2" "$work/out" && return
  printf 'loops: %s: expected\n%s\nbut it printed\n' "$1" "$2"
  cat "$work/out"
  bad=1
}
refused() { # refused SENTENCE COMMAND...
  local sentence=$1 status=0
  shift
  "$@" >"$work/out" 2>&1 || status=$?
  expect "its refusal" "$sentence"
  [ "$status" = 2 ] || { echo "loops: status $status, not 2"; bad=1; }
}
if [ "$part" = text ]; then
  # One time around: LDSM, then the copy rather than the branch around it, then the shorter of two ways. Tensor cores take 2 x 8
  # cycles; shared memory 16 for a load of 512 bytes, and for a copy of them. One warp alone: LDSM at 0; the first HMMA at 45,
  # with its result, the second at 53; the comparison at 54, the branch at 59, LDSM again at 60: 16 / 60.
  "$tool" "$source" >"$work/out"
  expect "a loop" "| product bf16 | 80 | 2 | 1 | 1 | 0 | 0 | 0 | 1 | 1 | 3 | 3.50 | 40 | shared | 0.50 | 0.27 | 0.27 of 1 |"
  [ "$(wc -l <"$work/out")" = 3 ] || { echo "loops: a kernel without tensor cores is in the table"; bad=1; }
  "$tool" --warps 4 "$source" >"$work/out"
  expect "four warps" "| shared | 0.50 | 0.27 | 0.50 of 4 |"
  "$tool" --path "$source" >"$work/out"
  expect "the way around" "    FMUL R24, R24, R25"
  sed 's/sm_80/sm_75/' "$source" >"$work/old.sass"
  refused "loops: nothing is known of the rates of compute capability 75" "$tool" "$work/old.sass"
  refused "loops: no kernel has a loop with tensor core instructions" "$tool" --kernel copy "$source"
  refused "loops: $work/absent is not a file" "$tool" "$work/absent"
  echo text >"$work/object.o"
  python=$(python3 -c 'import sys; print(sys.executable)')
  refused "loops: nvdisasm was not found: install CUDA's nvdisasm" env PATH= "$python" "$tool" "$work/object.o"
else
  for program in python3 nvdisasm cuobjdump; do
    command -v "$program" >/dev/null || { echo "SKIPPED: $program was not found, so no compiled kernel was looked into"; exit 0; }
  done
  "$@" -arch=sm_80 -cubin -o "$work/kernel.cubin" "$source"
  "$@" -arch=sm_80 -c -o "$work/kernel.o" "$source"
  for file in kernel.cubin kernel.o; do
    "$tool" "$work/$file" >"$work/out"
    expect "the loop in $file" "| 80 | 2 | 1 | 0 | 0 | 0 | 0 | 0 |"
  done
  refused "holds no cubin" "$tool" "$tool"
fi
[ $bad = 0 ] && echo "loops: as expected"
exit $bad

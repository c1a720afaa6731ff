#!/usr/bin/env bash
# ptx.sh SOURCE COMMAND...: what the PTX of SOURCE must hold (tensor cores, 16-byte loads and stores, asynchronous copies) and
# must not (local memory, loads and stores that do not say which memory, calls through pointers, device malloc and printf,
# floating-point atomics).
set -euo pipefail
source=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$@" -arch=compute_80 -ptx "$source" -o "$work/ptx"
bad=0
must() { grep -qE "$2" "$work/ptx" || { echo "ptx: no $1 ($2)"; bad=1; }; }
never() {
  local found
  found=$(grep -nE -m 3 "$2" "$work/ptx") || return 0
  printf '%s\nptx: has %s (%s)\n' "$found" "$1" "$2"
  bad=1
}
must "tensor core instruction" 'mma\.sync\.aligned\.m16n8k16'
must "matrix load" 'ldmatrix\.sync'
must "asynchronous copy of 16 bytes" 'cp\.async\.cg\.shared\.global.*16'
must "16-byte load" 'ld\.global(\.nc)?\.v4\.(u|b|f)32'
must "16-byte store" 'st\.global\.v4\.(u|b|f)32'
never "local memory" '\.local '
never "load or store of any memory" '\b(ld|st)(\.(volatile|weak|relaxed|acquire|release|cta|gpu|sys))*(\.v[248])?\.[busf](8|16|32|64)'
never "call through a pointer" 'call.*, *%'
never "device malloc" '\b(malloc|free)\b'
never "printing" 'vprintf'
never "floating-point atomic" '(atom|red)\.[a-z.]*add\.(noftz\.)?f(16|32|64)'
[ $bad = 0 ] && echo "ptx: tensor cores, 16-byte loads and stores, asynchronous copies; no local memory, no unknown memory, no pointer calls, no atomics"
exit $bad

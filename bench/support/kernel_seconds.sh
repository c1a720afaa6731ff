#!/usr/bin/env bash
# kernel_seconds.sh SOURCE COMMAND...: compiles SOURCE with the nvcc COMMAND and prints, as tables, the seconds of nvcc's phases
# and of every kernel. A second compilation, slower for what it writes down, gives cicc's part of a kernel.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
nvcc_tests=$here/../../tests/nvcc
source=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
compile() {
  "$@" -c "$source" -o "$work/object.o" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
}
compile "$@" --fdevice-time-trace -
# Hundreds of MB, on a few lines.
LC_ALL=C grep -o '{"args":{"detail":"[^"]*"},"dur":[0-9]*,"name":"OptFunction"' "$work/object.o.json" >"$work/functions" || true
rm "$work/object.o.json"
compile "$@" -Xptxas -v --time "$work/times"
echo
awk -v source="$(basename "$source")" -f "$nvcc_tests/phases.awk" "$work/times"
awk -f "$nvcc_tests/kernel_name.awk" -f "$here/kernel_seconds.awk" "$work/log" "$work/functions"

#!/usr/bin/env bash
# runs.sh SOURCE COMMAND...: compiles SOURCE with the nvcc COMMAND, in which a warning is an error, and runs it.
set -euo pipefail
source=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$@" -Werror all-warnings -arch=compute_80 "$source" -o "$work/program"
"$work/program"

#!/bin/sh
# refuses.sh <pattern> <command>...: the command fails, and a line that it prints matches the pattern (grep -E).
set -u
pattern=$1
shift
if output=$("$@" 2>&1); then
  printf 'should have failed, but succeeded: %s\n%s\n' "$*" "$output"
  exit 1
fi
printf '%s\n' "$output" | grep -E -- "$pattern" && exit 0
printf 'no line matches "%s":\n%s\n' "$pattern" "$output"
exit 1

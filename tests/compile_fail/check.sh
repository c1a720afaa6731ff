#!/bin/sh
# check.sh <g++ or clang++> <file> <command of that compiler>...: the file compiles; with FORMWORK_TWIN defined it does not, and the
# first error line contains every text that the file gives as `// expect: <text>`. A text that only one
# compiler says stands as `// expect g++: <text>` or `// expect clang++: <text>`.
set -eu
family=$1
file=$2
shift 2

fail() {
  printf '%s: %s\n%s\n' "$file" "$1" "$2"
  exit 1
}

expected=$(sed -n -e 's|^ *// expect: *||p' -e "s|^ *// expect $family: *||p" "$file")
[ -n "$expected" ] || fail "gives no text to expect from $family" 'write a line: // expect: <text>'

if ! output=$(LC_ALL=C "$@" -fsyntax-only -x c++ "$file" 2>&1); then
  fail 'does not compile, though FORMWORK_TWIN is not defined' "$output"
fi
if output=$(LC_ALL=C "$@" -fsyntax-only -DFORMWORK_TWIN -x c++ "$file" 2>&1); then
  fail 'compiles with FORMWORK_TWIN, which must be an error' "$output"
fi

first=$(printf '%s\n' "$output" | grep -m 1 'error: ') || fail 'failed without an error line' "$output"
printf '%s\n' "$expected" | while IFS= read -r text; do
  printf '%s\n' "$first" | grep -qF -- "$text" || fail "the first error line does not contain \"$text\"" "$output"
done
printf '%s\n' "$first"

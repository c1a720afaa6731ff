#!/bin/sh
# check.sh <header> <compiler> <flags>...: the header compiles alone, twice in one file, without a warning.
set -eu
header=$1
shift
printf '#include <%s>\n#include <%s>\n' "$header" "$header" | LC_ALL=C "$@" -fsyntax-only -x c++ -

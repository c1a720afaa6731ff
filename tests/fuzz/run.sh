#!/bin/sh
# run.sh <scratch folder> <source> <compiler> <flags>...: builds a libFuzzer program under the address and
# undefined-behaviour sanitizers, and runs a fixed number of inputs made from a fixed seed.
set -eu
scratch=$1
source=$2
shift 2
mkdir -p "$scratch"
cd "$scratch"
"$@" -O1 -g1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all "$source" -o fuzz
./fuzz -seed=1 -runs=100000 -max_total_time=60 -verbosity=0 -print_final_stats=1

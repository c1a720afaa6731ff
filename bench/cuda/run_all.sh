#!/usr/bin/env bash
# Everything that needs a GPU, on a machine that has the CUDA Toolkit, g++, CMake and perhaps no network:
#   run_all.sh --collect   elsewhere, before: copies what the build needs from this system's packages into .carry/
#   run_all.sh build       configures for the GPU found here and compiles tests and benchmarks into build/gpu
#   run_all.sh test        the tests labelled gpu; records the instructions' answers
#   run_all.sh sanitize    memcheck and racecheck of the instructions, the skeletons and a small training
#   run_all.sh bench       the benchmarks, PyTorch beside them where python3 has it, and one table of all
#   run_all.sh peers       PyTorch again by itself, and the table
#   run_all.sh train       the example, 300 steps
#   run_all.sh [all]       all of these in order, peers within bench; each alone takes minutes on 16 cores
# Logs, the table (table.md) and instructions.golden go to $OUT, or to build/gpu/out. JOBS: compilations at a time.
# LIMIT: seconds for each program, 500 unless set. Ends with status 1 where a part failed, after the others have run.
set -uo pipefail
cd "$(dirname "$0")/../.."
root=$PWD build=$PWD/build/gpu carry=$PWD/.carry
out=${OUT:-$build/out} jobs=${JOBS:-$(nproc)} limit=${LIMIT:-500}
failed=()
if command -v ninja >/dev/null; then generator=Ninja keep_going=(-k 0); else generator="Unix Makefiles" keep_going=(-k); fi

collect() {
  rm -rf "$carry"
  mkdir -p "$carry/include/boost" "$carry/lib/cmake"
  local boost
  boost=$(dirname "$(echo '#include <boost/hana.hpp>' | g++ -std=c++20 -M -x c++ - | tr ' ' '\n' | grep 'boost/hana.hpp$')")
  cp -rL "$boost/hana" "$boost/hana.hpp" "$carry/include/boost/"
  cp -rL /usr/include/catch2 /usr/include/benchmark /usr/include/CLI "$carry/include/"
  cp -rL /usr/lib/cmake/Catch2 "$carry/lib/cmake/"
  cp -L /usr/lib/libCatch2WithMain.a "$carry/lib/"
  # The library is linked by path: a config of its own, in place of the system's, which knows the system's folders.
  cp -L "$(find /usr/lib -name 'libbenchmark.so.1*' | sort | head -1)" "$carry/lib/libbenchmark.so"
  cp "$carry/lib/libbenchmark.so" "$carry/lib/$(objdump -p "$carry/lib/libbenchmark.so" | awk '$1 == "SONAME" {print $2}')"
  mkdir -p "$carry/lib/cmake/benchmark"
  cat >"$carry/lib/cmake/benchmark/benchmarkConfig.cmake" <<'END'
get_filename_component(carried "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
add_library(benchmark::benchmark SHARED IMPORTED)
set_target_properties(benchmark::benchmark PROPERTIES IMPORTED_LOCATION ${carried}/lib/libbenchmark.so
                      INTERFACE_INCLUDE_DIRECTORIES ${carried}/include)
END
  mkdir -p "$carry/lib/cmake/CLI11"
  cat >"$carry/lib/cmake/CLI11/CLI11Config.cmake" <<'END'
get_filename_component(carried "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
add_library(CLI11::CLI11 INTERFACE IMPORTED)
set_target_properties(CLI11::CLI11 PROPERTIES INTERFACE_INCLUDE_DIRECTORIES ${carried}/include)
END
  du -sh "$carry"
}

# run NAME COMMAND...: shows and logs what it prints, and remembers a failure.
run() {
  local name=$1 status
  shift
  echo "== $name: $*"
  timeout -k 10 "$limit" "$@" 2>&1 | tee "$out/$name.log"
  status=${PIPESTATUS[0]}
  if [ "$status" != 0 ]; then
    echo "== $name FAILED with status $status"
    failed+=("$name")
  fi
  return 0
}

machine() {
  {
    nvidia-smi --query-gpu=name,compute_cap,driver_version,memory.total,clocks.sm,clocks.max.sm,power.limit --format=csv
    nvcc --version | tail -2
    g++ --version | head -1
    cmake --version | head -1
    git -C "$root" log -1 --format='commit %h' 2>/dev/null
  } 2>&1 | tee "$out/machine.log"
}

configure() {
  local prefix=$carry cublas
  # cuBLAS without the toolkit's own: that of Python's packages.
  if [ ! -e "$(dirname "$(dirname "$(command -v nvcc)")")/include/cublas_v2.h" ]; then
    cublas=$(python3 -c 'import glob, site; print(next((f[: -len("/include/cublas_v2.h")] for s in site.getsitepackages() for f in glob.glob(s + "/nvidia/**/include/cublas_v2.h", recursive=True)), ""))' 2>/dev/null)
    [ -n "$cublas" ] && prefix="$prefix;$cublas"
  fi
  cmake -S "$root" -B "$build" -G "$generator" -DCMAKE_BUILD_TYPE=Release -DFORMWORK_CUDA=ON -DFORMWORK_TESTS=ON -DFORMWORK_BENCH=ON -DFORMWORK_EXAMPLES=ON \
    -DFORMWORK_WERROR=OFF -DFORMWORK_INSTALL_DEPENDENCIES=OFF "-DCMAKE_PREFIX_PATH=$prefix" "-DBOOST_ROOT=$carry" \
    ${ARCHITECTURES:+-DFORMWORK_CUDA_ARCHITECTURES=$ARCHITECTURES}
}

build() {
  run configure bash bench/cuda/run_all.sh configure  # timeout starts programs, not functions
  # Tests first: what fails to compile must not hide the rest.
  run compile_tests cmake --build "$build" -j "$jobs" --target gpu_instructions gpu_training gpu_skeletons -- "${keep_going[@]}"
  run compile_bench cmake --build "$build" -j "$jobs" --target bench_cuda_contract bench_cuda_contract_fused bench_cuda_attend bench_cuda_ops bench_cuda_primitives bench_cuda_training_step_4 bench_cuda_training_step_16 -- "${keep_going[@]}"
}

tests() {
  export FORMWORK_RECORD=$out/instructions.golden
  run instructions "$build/tests/gpu/gpu_instructions"
  run training "$build/tests/gpu/gpu_training"
  run skeletons "$build/tests/gpu/gpu_skeletons"
}

sanitize() {
  local tool
  for tool in memcheck racecheck; do
    run "${tool}_instructions" compute-sanitizer --tool "$tool" --error-exitcode 9 "$build/tests/gpu/gpu_instructions"
    run "${tool}_skeletons" compute-sanitizer --tool "$tool" --error-exitcode 9 "$build/tests/gpu/gpu_skeletons"
    run "${tool}_gpt_bf16" compute-sanitizer --tool "$tool" --error-exitcode 9 "$build/tests/gpu/gpu_training" "a GPT's steps: bf16*"
    run "${tool}_llama_f32" compute-sanitizer --tool "$tool" --error-exitcode 9 "$build/tests/gpu/gpu_training" "a Llama's steps: f32\, every bit of the products"
  done
}

# One line for each benchmark: its median, what it reached, the limit measured in the same run, the peer's time over its own,
# and that of the fastest PyTorch; then PyTorch's own lines. What was not measured is blank.
table() {
  cat "$out"/bench_*.json 2>/dev/null | awk '
    function figure(key, format) { return (key in v) ? sprintf(format, v[key]) : "" }
    function show(  plain, rate) {
      if (name != "" && ("median_us" in v)) {
        rate = ("TFLOP/s" in v) ? figure("TFLOP/s", "%.1f") : figure("GB/s", "%.1f")
        if (peer == "") {
          plain = name
          sub(/\/launches:[0-9]+/, "", plain)
          row[++rows] = sprintf("| %s | %.1f | %s | %s | %s | %s | %s", name, v["median_us"], rate, figure("limit", "%.1f"), figure("of_limit", "%.3f"), ("peer_GB/s" in v) ? figure("peer_GB/s", "%.1f") : figure("peer_TFLOP/s", "%.1f"), figure("to_peer", "%.2f"))
          last[rows] = figure("tokens/s", "%.0f")
          time[rows] = v["median_us"]
          named[rows] = plain
        } else {
          sub(/^PyTorch /, "", peer)
          theirs[++peers] = sprintf("| %s | %s | %.1f | %s | %s |", name, peer, v["median_us"], rate, figure("tokens/s", "%.0f"))
          if (!(name in best) || v["median_us"] < best[name]) best[name] = v["median_us"]
        }
      }
      name = peer = ""
      split("", v)
    }
    /^ *"name":/ { show(); name = $2; gsub(/[",]/, "", name); sub(/\/iterations:[0-9]+/, "", name); sub(/\/manual_time/, "", name); next }
    /^ *"peer":/ { peer = $0; sub(/^ *"peer": *"/, "", peer); sub(/",? *$/, "", peer); next }
    /^ *"[A-Za-z_\/]+": *[-+0-9.e]+,?$/ { key = $1; gsub(/[":]/, "", key); value = $2; sub(/,/, "", value); v[key] = value + 0 }
    END {
      show()
      print "| benchmark | median us | TFLOP/s or GB/s | limit | of limit | peer TFLOP/s or GB/s | peer\047s time / ours | PyTorch\047s best / ours | tokens/s |"
      print "|---|---|---|---|---|---|---|---|---|"
      for (i = 1; i <= rows; ++i) printf "%s | %s | %s |\n", row[i], (named[i] in best && time[i] > 0) ? sprintf("%.2f", best[named[i]] / time[i]) : "", last[i]
      if (peers == 0) exit
      print "\n| benchmark | PyTorch | median us | TFLOP/s or GB/s | tokens/s |"
      print "|---|---|---|---|---|"
      for (i = 1; i <= peers; ++i) print theirs[i]
    }'
}

bench() {
  local name
  for name in training_step_4 attend contract contract_fused ops primitives training_step_16; do
    run "bench_$name" "$build/bench/cuda/$name" "--benchmark_out=$out/bench_$name.json" --benchmark_out_format=json ${FILTER:+--benchmark_filter=$FILTER}
  done
  peers
}

peers() {
  local part
  rm -f "$out"/bench_torch_*.json
  table >"$out/table.md"  # what there is, should time run out
  if python3 -c 'import torch' 2>/dev/null; then
    for part in attend ops steps; do
      run "bench_torch_$part" python3 bench/cuda/torch_peers.py "$part" --json "$out/bench_torch_$part.json" ${FILTER:+--filter=$FILTER}
    done
  else
    echo "== PyTorch: SKIPPED: python3 has none"
  fi
  table | tee "$out/table.md"
}

train() {
  run compile_train cmake --build "$build" -j "$jobs" --target train_gpt
  run train "$build/examples/train_gpt" --steps 300 --out "$build/run"
}

part=${1:-all}
[ "$part" = --collect ] && { collect; exit; }
mkdir -p "$out"
if [ "$part" = configure ]; then
  configure
  exit
fi
machine
case $part in
  build | test | sanitize | bench | peers | train) parts=("$part") ;;
  all) parts=(build test sanitize bench train) ;;
  *) sed -n '2,12p' "$0"; exit 2 ;;
esac
for p in "${parts[@]}"; do
  case $p in
    test) tests ;;
    *) "$p" ;;
  esac
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "FAILED: ${failed[*]}"
  exit 1
fi
echo "all of: ${parts[*]}"

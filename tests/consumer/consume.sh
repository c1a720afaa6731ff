#!/bin/sh
# consume.sh <way> <version>: builds and runs program/ (or, as a program for GPUs, cuda/) with the library as a user gets it. The
# environment names the parts: cmake, compiler, nvcc (empty: no_nvcc says why), generator, flags (of a compile without CMake),
# source (the library's source tree), installed (its installed copy), scratch (a folder to build in).
set -eu
way=$1
version=$2
here=$(cd "$(dirname "$0")" && pwd)
build=$scratch/$way
rm -rf "$build"
mkdir -p "$build"

with_cmake() {
  "$cmake" -G "$generator" -S "$here/$way" -B "$build" -DCMAKE_CXX_COMPILER="$compiler" "$@"
  "$cmake" --build "$build"
}

case $way in
install)
  "$cmake" --install "$source_build" --prefix "$installed"
  exit
  ;;
find_package) with_cmake -DCMAKE_PREFIX_PATH="$installed" -Dversion="$version" ;;
cuda)
  if [ -z "$nvcc" ]; then
    echo "SKIPPED: $no_nvcc, so no program for GPUs was built"
    exit
  fi
  with_cmake -DCMAKE_PREFIX_PATH="$installed" -Dversion="$version" -DCMAKE_CUDA_COMPILER="$nvcc" -DCMAKE_CUDA_ARCHITECTURES=80
  ;;
add_subdirectory)
  # Only the files that a package of the sources must hold.
  mkdir "$build/copy"
  cp -r "$source/CMakeLists.txt" "$source/cmake" "$source/include" "$source/LICENSE" "$build/copy"
  with_cmake -Dformwork="$build/copy"
  ;;
include)
  "$compiler" -std=c++20 -O1 $flags -I "$installed/include" "$here/program/main.cpp" "$here/program/sum.cpp" \
    -o "$build/program"
  ;;
esac

output=$("$build/program")
printf '%s\n' "$output"
[ "$output" = "formwork $version: 140" ]

#!/bin/sh
# consume.sh <way> <version>: builds and runs program/ with the library as a user gets it. The environment
# names the parts: cmake, compiler, generator, flags (of a compile without CMake), source (the library's source
# tree), installed (its installed copy), scratch (a folder to build in).
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

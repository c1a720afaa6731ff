#!/usr/bin/env bash
# shared.sh COMPILER COMMAND...: two shared libraries with Formwork inside, made by the nvcc COMMAND, live in one program,
# linked and opened. Their kernels and launchers are private to them, whatever the default visibility; with the
# visibility hidden, so is everything else of Formwork.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
compiler=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
library() {  # NAME PRODUCTS FLAG...
  local name=$1 products=$2
  shift 2
  "${command[@]}" -arch=compute_80 -Xcompiler=-fPIC "$@" -DFORMWORK_TEST_LIBRARY="$name" -DFORMWORK_TEST_PRODUCTS="$products" -shared "$here/shared_library.cu" -o "$work/lib$name.so"
  nm -D --defined-only "$work/lib$name.so" | c++filt >"$work/$name.symbols"
  grep -q " T answer_of_$name$" "$work/$name.symbols" || { echo "shared: lib$name.so does not export its function"; bad=1; }
}
command=("$@")
library first tf32 -Xcompiler=-fno-inline  # what is inlined is not seen
library second exact -Xcompiler=-fvisibility=hidden
# Without the option many of the library's functions are seen: the first must be one that has some to hide.
grep -q 'formwork::' "$work/first.symbols" || { echo "shared: libfirst.so exports nothing of Formwork, so this test shows nothing"; bad=1; }
if grep -E 'formwork::gpu::(entry|detail::probe|launcher::)|execute<.*>::run|__device_stub' "$work/first.symbols"; then
  echo "shared: kernels or launchers of libfirst.so are exported (above)"
  bad=1
fi
if grep 'formwork::' "$work/second.symbols"; then
  echo "shared: libsecond.so was compiled with hidden visibility, and exports Formwork (above)"
  bad=1
fi
"$compiler" -std=c++20 -DFORMWORK_TEST_LINKED "$here/shared_program.cpp" -o "$work/linked" -L"$work" -lfirst -lsecond -Wl,-rpath,"$work" -ldl
"$work/linked" || { echo "shared: a library of the linked program answers wrongly"; bad=1; }
"$compiler" -std=c++20 "$here/shared_program.cpp" -o "$work/opens" -ldl
"$work/opens" "$work/libfirst.so" "$work/libsecond.so" || { echo "shared: a library of the program that opens both answers wrongly"; bad=1; }
exit $bad

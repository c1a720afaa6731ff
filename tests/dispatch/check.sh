#!/bin/sh
# check.sh <nm> <objdump> <object>: the object code decides nothing at run time. It defines no vtable and no typeinfo,
# calls nothing through a pointer (compile it with -fno-jump-tables, so that a switch is no such jump), needs nothing
# from outside but the OpenMP runtime, pages from the system and mathematics, and throws nowhere but where the system
# has no page for a thread's scratch, which is asked for once.
set -eu
nm=$1 objdump=$2 object=$3
symbols=$("$nm" -C "$object")
code=$("$objdump" -drC --no-show-raw-insn "$object")
failed=0
refuse() { # <what> <lines>
  [ -z "$2" ] && return
  printf '%s:\n%s\n' "$1" "$(printf '%s\n' "$2" | cut -c1-300)"
  failed=1
}
[ -n "$symbols" ] || { echo "no symbols"; exit 1; }
printf '%s\n' "$code" | grep -q one_step || { echo "no function one_step"; exit 1; }

refuse "defines a vtable or a typeinfo" \
  "$(printf '%s\n' "$symbols" | grep -E '(vtable|VTT|typeinfo|typeinfo name) for ' | grep -Ev '^ +U ' || true)"
refuse "calls through a pointer" \
  "$(printf '%s\n' "$code" | grep -E '[[:space:]](call|jmp)q?[[:space:]]+\*|[[:space:]](blr|blra[ab]z?|br)[[:space:]]+x[0-9]' || true)"
openmp='GOMP_parallel|__kmpc_[a-z_]+|omp_[a-z_]+'
pages='mmap(64)?|munmap|__cxa_thread_atexit(_impl)?|__tls_get_addr|__dso_handle|_GLOBAL_OFFSET_TABLE_'
bytes='mem(set|cpy|move)|__stack_chk_fail'
numbers='(log|log1p|exp|expm1|pow|sqrt|sin|cos|tanh|erf|fma|floor|fmod)f?'
exceptions='__cxa_(allocate_exception|free_exception|throw|begin_catch|call_terminate)|__gxx_personality_v0|_Unwind_Resume|std::terminate\(\)|(typeinfo for |vtable for )?std::bad_alloc(::~bad_alloc\(\))?'
refuse "needs from outside" \
  "$(printf '%s\n' "$symbols" | sed -n -E 's/^ +[Uw] (DW\.ref\.)?//p' | grep -Ev "^($openmp|$pages|$bytes|$numbers|$exceptions)\$" || true)"
refuse "throws" \
  "$(printf '%s\n' "$code" | awk '/^[0-9a-f]+ </ { where = $0 } /__cxa_throw/ && where !~ /detail::no_memory\(\)/ { print where; print }')"
exit $failed

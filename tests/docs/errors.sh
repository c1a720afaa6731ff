#!/bin/sh
# errors.sh <include folder> <errors.md>: every type declared in a namespace `error` of the headers, arguments of such
# types aside, has a heading "### <name>" in the document, and every such heading is one.
set -eu
headers=$1
document=$2

# Arguments have numbers as parameters, errors have types: template <class Shape> struct tokens_need_batch_and_time;
declared=$(find "$headers" -name '*.hpp' -exec awk '
  /^namespace error \{/ { inside = 1; text = ""; next }
  inside && /^}/ {
    inside = 0
    count = split(text, one, ";")
    for (i = 1; i < count; ++i)
      if (one[i] ~ /template *<(.*[ ,<])?class[ .].*struct [a-z_0-9]+$/) { sub(/.*struct /, "", one[i]); print one[i] }
  }
  inside { sub(/\/\/.*/, ""); sub(/ *$/, ""); text = text " " $0 }
' {} + | sort -u)
explained=$(sed -n 's/^### \([a-z_0-9]*\)$/\1/p' "$document" | sort -u)

status=0
for name in $declared; do
  printf '%s\n' "$explained" | grep -qx "$name" || { echo "$document does not explain $name"; status=1; }
done
for name in $explained; do
  printf '%s\n' "$declared" | grep -qx "$name" || { echo "$document explains $name, which no header declares"; status=1; }
done
[ -n "$declared" ] || { echo "no errors below $headers"; status=1; }
exit $status

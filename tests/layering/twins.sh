#!/bin/sh
# twins.sh <layering program> <scratch folder>: the program accepts a small good tree, and names file, line
# and rule for every way to break it.
set -eu
layering=$1
tree=$2/tree
failed=0

good_tree() {
  rm -rf "$tree"
  mkdir -p "$tree/core" "$tree/ops" "$tree/backend/cuda"
  cat >"$tree/core/a.hpp" <<'END'
#pragma once
// including "../ops/b.hpp" in a comment, or detail::nothing, is no matter
namespace formwork {
namespace detail {
template <class T> requires(sizeof(T) > 1) constexpr T twice(T x) { return x + x; }
struct pair { int first, second; };
template <class T> inline constexpr bool is_pair = false;
inline constexpr int one = (1, 2), two{3};
}  // namespace detail
constexpr int four() { return detail::twice(2) + detail::one + detail::two; }
constexpr int pair(int x) { return x; }
constexpr auto text = "detail::nothing";
}  // namespace formwork
END
  cat >"$tree/ops/b.hpp" <<'END'
#pragma once
#include <utility>
#include "../core/a.hpp"
namespace formwork::detail {
constexpr int eight() { auto pair = [](int x) { return x; }; return pair(8); }
}
namespace formwork::ops::detail { constexpr int nine() { return pair(9); } }  // formwork::pair
namespace formwork { constexpr int ten() { return detail::eight() + ops::detail::nine(); } }
END
  echo '#pragma once' >"$tree/backend/cuda/c.hpp"
  cat >"$tree/formwork.hpp" <<'END'
#pragma once
#include "core/a.hpp"
#include "ops/b.hpp"
END
}

# expect <status> <text>: the program ends with this status and prints a line that contains the text.
expect() {
  status=0
  output=$("$layering" "$tree" 2>&1) || status=$?
  if [ "$status" -ne "$1" ] || ! printf '%s\n' "$output" | grep -qF -- "$2"; then
    printf 'expected status %s and "%s", got status %s and:\n%s\n\n' "$1" "$2" "$status" "$output"
    failed=1
  fi
}

good_tree
expect 0 '4 headers, 0 broken rules'

good_tree; echo '#include "../ops/b.hpp"' >>"$tree/core/a.hpp"
expect 1 "core/a.hpp:14: includes \"../ops/b.hpp\", but folder 'ops' comes after 'core'"

good_tree; echo '#include <formwork/ops/b.hpp>' >>"$tree/core/a.hpp"
expect 1 "core/a.hpp:14: includes <formwork/ops/b.hpp>, but folder 'ops' comes after 'core'"

good_tree; echo '  #  include "../core/gone.hpp" // why' >>"$tree/ops/b.hpp"
expect 1 'ops/b.hpp:9: includes "../core/gone.hpp", which does not exist'

good_tree; mkdir "$tree/helpers"; echo '#pragma once' >"$tree/helpers/d.hpp"
expect 1 "helpers/d.hpp:1: stands in folder 'helpers', which the layout does not know"

good_tree; echo 'constexpr int y = formwork::detail::twice(1);' >>"$tree/ops/b.hpp"
expect 1 "ops/b.hpp:9: says detail::twice, which belongs to folder 'core'"

good_tree; echo 'constexpr bool y = formwork::detail::is_pair<int>;' >>"$tree/ops/b.hpp"
expect 1 "ops/b.hpp:9: says detail::is_pair, which belongs to folder 'core'"

good_tree; echo 'namespace formwork::detail { constexpr int y() { return twice(1); } }' >>"$tree/ops/b.hpp"
expect 1 "ops/b.hpp:9: says detail::twice, which belongs to folder 'core'"

good_tree; echo 'namespace formwork { using namespace detail; }' >>"$tree/ops/b.hpp"
expect 1 "ops/b.hpp:9: says 'using namespace detail'"

good_tree; printf 'inline void y(formwork::detail::pair& p) { p = {\n.second = 1}; }\n' >>"$tree/core/a.hpp"
expect 1 "core/a.hpp:14: has '= {.'"

good_tree; echo 'inline auto y(formwork::detail::pair& p) { p = formwork::detail::pair{.second = 1}; }  // not = {.second' >>"$tree/core/a.hpp"
expect 0 '0 broken rules'

good_tree; i=13; while [ $i -lt 401 ]; do echo; i=$((i + 1)); done >>"$tree/core/a.hpp"
expect 1 'core/a.hpp:401: has 401 lines; at most 400'

good_tree; sed '$d' "$tree/core/a.hpp" >"$tree/core/e.hpp"
expect 1 'core/e.hpp:1: is missing from the table of contents in formwork.hpp'

good_tree; printf '#include "ops/b.hpp"\n#include "core/a.hpp"\n' >"$tree/formwork.hpp"
expect 1 'formwork.hpp:2: names "core/a.hpp" after a later folder'

rm -rf "$tree"; mkdir -p "$tree"
expect 2 'no headers'

rm -rf "$tree"
exit $failed

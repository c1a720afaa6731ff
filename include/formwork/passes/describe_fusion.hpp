// describe(fusion): kernels as they run, with their members and what they leave in memory.
#pragma once

#include "../program/describe.hpp"
#include "group.hpp"

namespace formwork {

inline std::string describe(fusion const& f) {
  std::ostringstream s;
  graph const& g = f.g;
  int scope = 0;
  for (int k : f.order) {
    group const& K = f.groups[static_cast<std::size_t>(k)];
    if (K.scope != scope && K.scope != 0) {
      scope_info const& c = g.scopes[static_cast<std::size_t>(K.scope)];
      s << "loop " << c.count << (c.reversed ? " reversed" : "") << '\n';
    }
    scope = K.scope;
    s << (scope ? "  " : "") << name_of(K.what);
    if (K.domain.rank > 0) s << ' ' << to_string(K.domain);
    if (K.rows >= 0) s << " rows " << K.rows;
    s << ":";
    for (int m : all_members(f, K)) {
      s << ' ';
      if (g[m].what == kind::map) s << g[m].op->name;
      else s << name_of(g[m].what);
      s << '%' << m << (f.stored[static_cast<std::size_t>(m)] ? "!" : "");
    }
    s << '\n';
  }
  return s.str();
}

}  // namespace formwork

// describe(graph): a program as text, one node a line.
#pragma once

#include <ostream>
#include <sstream>
#include <string>

#include "graph.hpp"

namespace formwork {

inline std::string describe(graph const& g) {
  std::ostringstream s;
  auto scope_text = [&](int id) {
    scope_info const& c = g.scopes[static_cast<std::size_t>(id)];
    return c.what == scope_kind::score ? std::string("score")
                                       : "loop " + std::to_string(c.count) + (c.reversed ? " reversed" : "");
  };
  for (int i = 0; i < g.size(); ++i) {
    node const& n = g[i];
    s << (n.scope == 0 ? "" : "  ") << '%' << i << " = ";
    if (n.what == kind::map) s << n.op->name;
    else s << name_of(n.what);
    if (n.what == kind::constant) s << ' ' << n.number;
    if (n.what == kind::parameter) s << ' ' << g.parameters[static_cast<std::size_t>(n.attribute[0])].name.view();
    if (n.what == kind::input) s << ' ' << g.inputs[static_cast<std::size_t>(n.attribute[0])].name.view();
    for (int k = 0; k < n.inputs; ++k) {
      s << (k ? ", " : " ");
      int x = n.in[static_cast<std::size_t>(k)];
      if (x < 0) s << '-';
      else s << '%' << x;
    }
    switch (n.what) {
      case kind::index: case kind::random: case kind::result: case kind::concatenate:
        s << " {" << n.attribute[0] << '}';
        break;
      case kind::sum: case kind::maximum: {
        s << " over";
        for (int a = 0; a < max_rank; ++a)
          if (n.attribute[0] >> a & 1) s << ' ' << a;
        break;
      }
      case kind::transpose: case kind::slice: case kind::pad: {
        s << " {";
        for (int a = 0; a < n.shape.rank; ++a) s << (a ? " " : "") << n.attribute[static_cast<std::size_t>(a)];
        s << '}';
        break;
      }
      default: break;
    }
    s << " : " << name_of(n.type) << to_string(n.shape);
    if (n.scope != 0) s << "  (" << scope_text(n.scope) << ", scope " << n.scope << ')';
    s << '\n';
  }
  for (auto const& o : g.outputs)
    s << "return %" << o.node << " as " << (o.what == role::value ? "" : "gradient of ") << o.name.view() << '\n';
  return s.str();
}

}  // namespace formwork

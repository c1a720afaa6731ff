// Where each trained tensor of a model lies in the flat arena of its parameters; gradients and optimizer
// states lie the same way. The parameters of a repeated block are one tensor per layer:
// "blocks.3.mlp.up.weight".
#pragma once

#include "../passes/canonicalize.hpp"
#include "../passes/fuse.hpp"
#include "../passes/plan.hpp"
#include "../trace/trace.hpp"

namespace formwork {

struct parameter_entry {
  name_text name;
  dims shape{};
  long offset = 0;  // of the first element, in elements
  long elements = 0;
  int parameter = 0;  // number among the model's parameters; its layers share it
  long first = 0;     // elements of that parameter before this entry
  initial start = initial::normal;
  double scale = 0;  // standard deviation, where it starts normal
  bool decays = false;
};

namespace detail {

struct only_parameters {
  struct nothing {
    BOOST_HANA_DEFINE_STRUCT(nothing);
  };
  constexpr nothing operator()(auto const&, nothing) const { return {}; }
};

template <class Model> constexpr graph bound_model() {
  return trace<only_parameters, Model, only_parameters::nothing>();
}
template <class Model> constexpr memory_plan parameter_plan() {
  return plan_memory(fuse(canonicalize(bound_model<Model>())));
}

// "a.*.b.*.c" with the iterations of the loops around it, of which the last runs fastest.
constexpr name_text numbered(graph const& g, parameter_info const& p, long copy) {
  long iteration[8]{};
  int depth = 0, loops = 0;
  for (int s = g[p.node].scope; s != 0; s = g.scopes[static_cast<std::size_t>(s)].parent) ++depth;
  for (int s = g[p.node].scope, d = depth; s != 0; s = g.scopes[static_cast<std::size_t>(s)].parent) {
    long count = g.scopes[static_cast<std::size_t>(s)].count;
    iteration[--d] = copy % count;
    copy /= count;
  }
  name_text name;
  for (char c : p.name.view()) {
    if (c != '*') {
      name.append(std::string_view(&c, 1));
      continue;
    }
    char digits[20]{};
    int n = 0;
    long i = iteration[loops++];
    do digits[n++] = static_cast<char>('0' + i % 10);
    while ((i /= 10) > 0);
    while (n > 0) name.append(std::string_view(&digits[--n], 1));
  }
  return name;
}

template <class Model> constexpr std::size_t entry_count() {
  std::size_t n = 0;
  for (auto const& p : bound_model<Model>().parameters) n += static_cast<std::size_t>(p.copies);
  return n;
}

}  // namespace detail

// The layout of a model's parameters, in the order in which the model names them.
template <class Model> struct parameter_layout {
  struct sizes {
    long elements, decayed;
  };
  static constexpr sizes size = [] {
    memory_plan m = detail::parameter_plan<Model>();
    return sizes{m.parameter_elements, m.decayed_elements};
  }();
  static constexpr long elements = size.elements;  // of the arena, padding included
  static constexpr long decayed = size.decayed;    // in front: those that decay

  static constexpr auto entries = [] {
    std::array<parameter_entry, detail::entry_count<Model>()> all{};
    graph g = detail::bound_model<Model>();
    memory_plan m = detail::parameter_plan<Model>();
    std::size_t at = 0;
    for (std::size_t k = 0; k < g.parameters.size(); ++k) {
      parameter_info const& p = g.parameters[k];
      for (long copy = 0; copy < p.copies; ++copy) {
        const long n = p.shape.elements();
        all[at++] = {detail::numbered(g, p, copy),
                     p.shape,
                     m.parameters[k].offset + copy * n,
                     n,
                     static_cast<int>(k),
                     copy * n,
                     p.start,
                     p.scale,
                     p.decays};
      }
    }
    return all;
  }();
};

}  // namespace formwork

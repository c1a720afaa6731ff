// Where each trained tensor of a model lies in the flat arena of its parameters; gradients and optimizer
// states lie the same way. The parameters of a repeated block are one tensor per layer:
// "blocks.3.mlp.up.weight".
#pragma once

#include "../passes/canonicalize.hpp"
#include "../passes/fuse.hpp"
#include "../passes/plan.hpp"
#include "../trace/trace.hpp"

namespace formwork {

// A trained tensor of a model, as training, checkpoints and other programs know it.
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

// A parameter of the program: in a loop one tensor per iteration, which lie one after the other.
struct stacked_parameter {
  static constexpr int most_loops = 8;
  name_text pattern;  // a `*` for each loop around it: "blocks.*.mlp.up.weight"
  dims shape{};       // of one iteration
  long offset = 0;    // of the first iteration's first element
  long copies = 1;
  long first_entry = 0;       // tensors of the parameters before it
  long count[most_loops]{};   // iterations of the loops around it, outermost first
  int loops = 0;
  initial start = initial::normal;
  double scale = 0;
  bool decays = false;

  // The name of one copy; of nested loops the innermost runs fastest.
  constexpr name_text name(long copy) const {
    long iteration[most_loops]{};
    for (int l = loops; l-- > 0; copy /= count[l]) iteration[l] = copy % count[l];
    name_text text;
    int loop = 0;
    for (char c : pattern.view()) {
      if (c != '*') {
        text.append(std::string_view(&c, 1));
        continue;
      }
      char digits[20]{};
      int n = 0;
      long i = iteration[loop++];
      do digits[n++] = static_cast<char>('0' + i % 10);
      while ((i /= 10) > 0);
      while (n > 0) text.append(std::string_view(&digits[--n], 1));
    }
    return text;
  }
};

// The tensors of a model, in the order in which it names them. The table behind it has a row per parameter of the
// program, so that it does not grow with the depth of a model; an entry is made when it is asked for.
template <std::size_t Parameters> struct parameter_entries {
  std::array<stacked_parameter, Parameters> parameters{};

  constexpr std::size_t size() const {
    return Parameters == 0 ? 0 : static_cast<std::size_t>(parameters[Parameters - 1].first_entry + parameters[Parameters - 1].copies);
  }
  constexpr parameter_entry operator[](std::size_t i) const {
    std::size_t k = Parameters - 1;
    while (parameters[k].first_entry > static_cast<long>(i)) --k;
    return entry(k, static_cast<long>(i) - parameters[k].first_entry);
  }
  constexpr parameter_entry entry(std::size_t k, long copy) const {
    stacked_parameter const& p = parameters[k];
    const long n = p.shape.elements();
    return {p.name(copy), p.shape, p.offset + copy * n, n, static_cast<int>(k), copy * n, p.start, p.scale, p.decays};
  }

  struct iterator {
    using value_type = parameter_entry;
    using difference_type = std::ptrdiff_t;
    parameter_entries const* of = nullptr;
    std::size_t at = 0;
    constexpr parameter_entry operator*() const { return (*of)[at]; }
    constexpr iterator& operator++() {
      ++at;
      return *this;
    }
    constexpr iterator operator++(int) { return {of, at++}; }
    constexpr bool operator==(iterator const&) const = default;
  };
  constexpr iterator begin() const { return {this, 0}; }
  constexpr iterator end() const { return {this, size()}; }
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

template <class Model> constexpr std::size_t bound_parameters() {
  return bound_model<Model>().parameters.size();
}

constexpr void list_loops(graph const& g, int scope, stacked_parameter& p) {
  if (scope == 0) return;
  list_loops(g, g.scopes[static_cast<std::size_t>(scope)].parent, p);
  if (p.loops == stacked_parameter::most_loops) throw "a parameter may lie in at most 8 loops, one inside the other";
  p.count[p.loops++] = g.scopes[static_cast<std::size_t>(scope)].count;
}

}  // namespace detail

// The layout of a model's parameters.
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
    parameter_entries<detail::bound_parameters<Model>()> all{};
    graph g = detail::bound_model<Model>();
    memory_plan m = detail::parameter_plan<Model>();
    long tensors = 0;
    for (std::size_t k = 0; k < g.parameters.size(); ++k) {
      parameter_info const& p = g.parameters[k];
      stacked_parameter to{.pattern = p.name, .shape = p.shape, .offset = m.parameters[k].offset, .copies = p.copies, .first_entry = tensors,
                           .start = p.start, .scale = p.scale, .decays = p.decays};
      detail::list_loops(g, g[p.node].scope, to);
      all.parameters[k] = to;
      tensors += p.copies;
    }
    return all;
  }();
};

}  // namespace formwork

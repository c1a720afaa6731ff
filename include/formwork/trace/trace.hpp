// trace: a function of modules and inputs, run once on handles, becomes a program.
#pragma once

#include "contract.hpp"
#include "derivative.hpp"
#include "generators.hpp"
#include "module.hpp"

namespace formwork {

namespace detail {

template <class Result> constexpr void add_outputs(graph& g, Result const& r, name_text name) {
  if constexpr (typed_value<Result>) {
    g.outputs.push_back({name, role::value, 0, r.id});
  } else {
    boost::hana::for_each(boost::hana::accessors<Result>(), [&](auto const& member) {
      add_outputs(g, boost::hana::second(member)(r), join(name, boost::hana::first(member).c_str()));
    });
  }
}

}  // namespace detail

// Calls function(module, inputs); its result is a value (an output named "result") or a Hana struct of values.
template <class Function, class Module, class Inputs> constexpr graph trace() {
  graph g;
  Module m{};
  Inputs in{};
  detail::bind(g, in, {});
  detail::bind(g, m, {});
  auto r = Function{}(m, in);
  detail::add_outputs(g, r, typed_value<decltype(r)> ? name_text("result") : name_text());
  return g;
}

}  // namespace formwork

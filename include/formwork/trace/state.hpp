// state: a tensor that a program reads and leaves anew for its next run, such as the keys and values that a decoder
// has seen. Inside a repeat<> every iteration has its own: the caller's memory is [iterations, shape].
#pragma once

#include "generators.hpp"
#include "module.hpp"

namespace formwork {

// The state as this run finds it: a further input of the program, numbered in the order of the calls.
template <dtype Type, class Shape, typed_value X>
constexpr value<Type, Shape> state(X const& any, std::string_view name) {
  graph& g = *any.g;
  input_info info = input<Type, Shape>::describe();
  info.name = detail::join({}, name);
  node n{.what = kind::input, .type = Type, .shape = Shape::value};
  n.attribute[0] = static_cast<int>(g.inputs.size());
  info.node = g.push_here(n);
  g.inputs.push_back(info);
  return {&g, info.node};
}

// A state (R, C...) with rows (I..., C...) in place of its rows indices (I...), i32, which differ; there is no row for an
// index outside. They are written in the state's own memory, so that it costs the rows alone: the output that it is kept
// as is the input's memory, whatever the caller gives for it, and nothing but the result may read the state.
template <typed_value State, typed_value Indices, typed_value Rows>
constexpr auto replace_rows(State const& state, Indices const& indices, Rows const& rows) {
  using to = shape_from<detail::gathered_shape<typename value_of<State>::shape_type, typename value_of<Indices>::shape_type>>;
  if constexpr (require<Indices::type == dtype::i32, error::needs_indices_of_type_i32<call::replace_rows, value_of<Indices>>> &&
                require<(Rows::shape == to::value), error::shapes_do_not_match<call::replace_rows, typename value_of<Rows>::shape_type, to>>)
    return value<State::type, typename value_of<State>::shape_type>{state.g, build::replace(*state.g, state.id, indices.id, rows.id)};
}

// The state as the next run shall find it: a further output of the program. The caller may give the input's memory
// for it when each element of `next` depends on that element of the state alone.
template <typed_value Next> constexpr void keep_state(Next const& next, std::string_view name) {
  if ((*next.g)[next.id].scope != next.g->scope) throw "a state inside a loop must depend on the loop";
  next.g->outputs.push_back({detail::join({}, name), role::value, 0, next.id});
}

}  // namespace formwork

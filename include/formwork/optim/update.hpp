// An optimizer is a struct that says how a parameter changes, as an expression over typed values: the same
// for the library's own and for anybody else's.
//
//   struct signed_descent {                                             // p' = p - r sign(g)
//     static constexpr int states = 0;                                  // arenas it keeps, zero at first
//     static constexpr auto factors(float rate, long) { return std::array{rate}; }      // per step, on the host
//     static constexpr auto update(auto const& p, auto const& g, auto const&, auto const& factor, auto const&) {
//       return updated{p - factor[0] * sign(g)};
//     }
//   };
//
// p, g and each state are the flat arenas as (rows, arena_row); factor[k] is a (1) that the step computes
// from the learning rate and its number (1, 2, ...); the last argument is 1 in the rows of parameters that
// decay, else 0: (rows, 1). The harness makes one kernel of it, that reads and writes every arena once, in
// place.
#pragma once

#include <array>
#include <concepts>
#include <limits>

#include "../ops/divide.hpp"
#include "../ops/greater.hpp"
#include "../ops/less.hpp"
#include "../ops/multiply.hpp"
#include "../ops/select.hpp"
#include "../ops/sqrt.hpp"
#include "../passes/simplify.hpp"
#include "../passes/storage.hpp"
#include "../trace/trace.hpp"

namespace formwork {

// What an update gives back: the parameters, then the states in their order.
template <class Value, class... State> struct updated {
  Value parameter;
  std::tuple<State...> states;
  constexpr explicit updated(Value p, State... s) : parameter(p), states(s...) {}
};
template <class Value, class... State> updated(Value, State...) -> updated<Value, State...>;

template <class T>
concept optimizer = requires(float rate, long step) {
  { T::states } -> std::convertible_to<int>;
  { T::factors(rate, step)[0] } -> std::convertible_to<float>;
};

namespace error {
template <class Optimizer, int Declared, int Returned> struct optimizer_returns_another_number_of_states;
}

// Numbers that an optimizer's kernel reads each step: its own factors, then the largest norm that the gradients keep.
template <optimizer Optimizer>
inline constexpr int number_count =
    static_cast<int>(std::tuple_size_v<decltype(Optimizer::factors(0.f, 1))>) + 1;

namespace optim {

// The inputs in the order of the kernel's pointers. States lie one after the other. Gradients of a scaled loss come with
// the scale.
template <long Rows, int States, int Numbers> struct update_inputs {
  using arena = input<dtype::f32, shape<Rows, arena_row>>;
  using states_type = input<dtype::f32, shape<(States > 0 ? States : 1), Rows, arena_row>>;
  using numbers_type = input<dtype::f32, shape<Numbers>>;
  using sum_type = input<dtype::f32, shape<1>>;
  BOOST_HANA_DEFINE_STRUCT(update_inputs, (arena, parameters), (arena, gradients), (states_type, states),
                           (numbers_type, numbers), (sum_type, square_sum), (sum_type, loss_scale));
};

struct no_module {};

template <class Optimizer, long DecayedRows, bool Scaled> struct update_of {
  constexpr auto operator()(no_module, auto const& in) const {
    using arena = value_of<decltype(in.parameters)>;
    constexpr long rows = arena::shape[0];
    constexpr int states = Optimizer::states, numbers = number_count<Optimizer>;
    auto factor = [&]<std::size_t... K>(std::index_sequence<K...>) {
      return std::array{slice<0, static_cast<long>(K), 1>(in.numbers)...};
    }
    (std::make_index_sequence<static_cast<std::size_t>(numbers)>{});
    auto state = [&]<std::size_t... K>(std::index_sequence<K...>) {
      return std::array<arena, sizeof...(K)>{
          reshape<rows, arena_row>(slice<0, static_cast<long>(K), 1>(in.states))...};
    }
    (std::make_index_sequence<static_cast<std::size_t>(states)>{});
    auto row = reshape<rows, 1>(iota<rows>(in.parameters));
    auto decays = select(row < DecayedRows, constant(in.parameters, 1), 0);
    arena parameters{in.parameters.g, in.parameters.id}, gradients{in.gradients.g, in.gradients.id};
    // Gradients with a larger norm are scaled down to it (Pascanu et al. 2013, alg. 1); where the norm is not a finite
    // number everything stays as it is.
    auto unscaled = [&](auto x) {
      if constexpr (Scaled) return x / in.loss_scale;
      else return x;
    };
    auto norm = unscaled(sqrt(in.square_sum));
    auto largest = factor[numbers - 1];
    auto scale = unscaled(select(norm > largest, largest / norm, 1));
    auto applies = norm < std::numeric_limits<double>::infinity();
    auto result = Optimizer::update(parameters, gradients * scale, state, factor, decays);
    constexpr int returned = static_cast<int>(std::tuple_size_v<decltype(result.states)>);
    if constexpr (require<returned == states,
                          error::optimizer_returns_another_number_of_states<Optimizer, states, returned>>)
      return [&]<std::size_t... K>(std::index_sequence<K...>) {
        return updated{select(applies, result.parameter, parameters), select(applies, std::get<K>(result.states), state[K])...};
      }
    (std::make_index_sequence<static_cast<std::size_t>(states)>{});
  }
};

// The program of one update: outputs are the new parameters, then the new states.
// With Storage in 16 bits the parameters follow once more, as copies of that type.
template <optimizer Optimizer, long Elements, long Decayed, dtype Storage = dtype::f32, bool Scaled = false> struct update_source {
  static constexpr graph make() {
    static_assert(Elements % arena_row == 0 && Decayed % arena_row == 0);
    graph g;
    using inputs = update_inputs<Elements / arena_row, Optimizer::states, number_count<Optimizer>>;
    inputs in{};
    add_input(g, in.parameters, name_text("parameters"));
    add_input(g, in.gradients, name_text("gradients"));
    add_input(g, in.states, name_text("states"));
    add_input(g, in.numbers, name_text("numbers"));
    add_input(g, in.square_sum, name_text("square_sum"));
    if constexpr (Scaled) add_input(g, in.loss_scale, name_text("loss_scale"));
    auto result = update_of<Optimizer, Decayed / arena_row, Scaled>{}(no_module{}, in);
    g.outputs.push_back({name_text("parameters"), role::value, 0, result.parameter.id});
    std::apply(
        [&](auto const&... s) {
          (g.outputs.push_back({name_text("state"), role::value, 0, s.id}), ...);
        },
        result.states);
    if constexpr (Storage != dtype::f32) g.outputs.push_back({name_text("copies"), role::value, 0, cast<Storage>(result.parameter).id});
    return simplify(g);
  }
};

// Sum of the squares of an arena: of each row, then of the rows' sums.
template <long Elements> struct square_sum_source {
  struct inputs {
    using arena = input<dtype::f32, shape<Elements / arena_row, arena_row>>;
    BOOST_HANA_DEFINE_STRUCT(inputs, (arena, gradients));
  };
  struct function {
    constexpr auto operator()(no_module, auto const& in) const {
      return sum<0>(sum<1>(in.gradients * in.gradients));
    }
  };
  static constexpr graph make() { return simplify(trace<function, no_module, inputs>()); }
};

// The parameters as 16-bit copies.
template <long Elements, dtype Storage> struct copy_source {
  struct inputs {
    using arena = input<dtype::f32, shape<Elements / arena_row, arena_row>>;
    BOOST_HANA_DEFINE_STRUCT(inputs, (arena, parameters));
  };
  struct function {
    constexpr auto operator()(no_module, auto const& in) const { return cast<Storage>(in.parameters); }
  };
  static constexpr graph make() { return simplify(trace<function, no_module, inputs>()); }
};

// (total + gradients) factor, in place of total: how micro-batches are gathered.
template <long Elements> struct accumulate_source {
  struct inputs {
    using arena = input<dtype::f32, shape<Elements / arena_row, arena_row>>;
    using number = input<dtype::f32, shape<1>>;
    BOOST_HANA_DEFINE_STRUCT(inputs, (arena, total), (arena, gradients), (number, factor));
  };
  struct function {
    constexpr auto operator()(no_module, auto const& in) const {
      return (in.total + in.gradients) * in.factor;
    }
  };
  static constexpr graph make() { return simplify(trace<function, no_module, inputs>()); }
};

}  // namespace optim

}  // namespace formwork

// assign(y, expression): computes an expression of tensors and views into memory. The expression's type is traced,
// fused and compiled like any program, so that assign(y, gelu(a * x + b)) is one loop.
//
//   assign(y, softmax(x * scale));                                               // operators and functions
//   assign(y, [](auto x, auto w) { return gelu(matmul(x, w)); }, x, w);           // any function of typed values
//   assign(y, gelu(matmul(x, packed) + b));                                      // a packed_matrix (run/packed.hpp)
//   assign(std::tie(y, z), [](auto x) { return std::tuple(exp(x), sum<-1>(x)); }, x);   // several results
//
// x may be y itself where y is computed element by element from x (row by row, in a softmax). Any other overlap of a
// result with an operand throws std::invalid_argument. Nothing is allocated after the first call of a thread.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>

#include "../backend/cpu/cpu.hpp"
#include "aliasing.hpp"
#include "lazy_functions.hpp"
#include "packed.hpp"
#include "step.hpp"

namespace formwork {

namespace call { struct assign; }

namespace error {
template <class Call, class Results, class Targets> struct number_of_results_differs;
template <long Count> struct results;
template <long Count> struct targets;
}  // namespace error

namespace detail {

// Targets as views; `assign` takes one, or a tuple.
template <class T> requires eager<std::remove_const_t<T>> constexpr auto targets_of(T& y) {
  static_assert(requires { as_view(y); }, "assign: the target must be a tensor or a view");
  if constexpr (requires { as_view(y); }) {
    static_assert(!std::is_const_v<typename decltype(as_view(y))::element_type>, "assign: the target is read-only");
    return std::tuple(as_view(y));
  }
}
template <class... T> constexpr auto targets_of(std::tuple<T...> const& y) {
  return std::apply([](auto&... t) { return std::tuple_cat(targets_of(t)...); }, y);
}

template <class R> constexpr int results_of() {
  if constexpr (typed_value<R>) return 1;
  else return static_cast<int>(std::tuple_size_v<R>);
}
template <int K, class R> constexpr auto result_at(R const& r) {
  if constexpr (typed_value<R>) return r;
  else return std::get<static_cast<std::size_t>(K)>(r);
}

template <class Expression, class Targets> struct assign_source;
template <class Expression, class... View> struct assign_source<Expression, std::tuple<View...>> {
  static constexpr int targets = sizeof...(View);

  template <class Result, class To> static constexpr void check() {
    static_assert(require<(Result::shape == To::shape), error::shapes_do_not_match<call::assign, typename Result::shape_type, typename To::shape_type>>);
    static_assert(require<Result::type == To::type, error::element_types_do_not_match<call::assign, value_of<Result>, value<To::type, typename To::shape_type>>>);
  }
  static constexpr graph make() {
    graph g;
    auto r = tracer<Expression>::trace(g);
    using results = decltype(r);
    constexpr int count = results_of<results>();
    if constexpr (require<count == targets, error::number_of_results_differs<call::assign, error::results<count>, error::targets<targets>>>)
      [&]<std::size_t... K>(std::index_sequence<K...>) {
        (check<decltype(result_at<static_cast<int>(K)>(r)), View>(), ...);
        (g.outputs.push_back({name_text("result"), role::value, 0, result_at<static_cast<int>(K)>(r).id}), ...);
      }(std::make_index_sequence<sizeof...(View)>{});
    g = simplify(g);
    // A strided target is written by an elementwise node of its own shape.
    constexpr bool strided[] = {!View::contiguous...};
    for (int k = 0; k < targets; ++k)
      if (strided[k]) g.outputs[static_cast<std::size_t>(k)].node = build::map<ops::stop_gradient>(g, g.outputs[static_cast<std::size_t>(k)].node);
    return g;
  }

  // compile(), with the targets' strides.
  static constexpr program_buffer compiled() {
    fusion f = fuse(canonicalize(rematerialize(make()), {.panel_bytes = packed_panel_bytes}), {.prologues = true, .sums = true});
    memory_plan m = plan_memory(f);
    constexpr dims stride[] = {View::stride...};
    constexpr bool strided[] = {!View::contiguous...};
    for (int k = 0; k < targets; ++k)
      if (strided[k]) m.at[static_cast<std::size_t>(f.g.outputs[static_cast<std::size_t>(k)].node)].stride = stride[k];
    return freeze(f, m, lower(f, m));
  }
};

template <class Source> struct assign_program {
  static constexpr program_buffer buffer = Source::compiled();
  static constexpr auto value = cut<buffer.kernel_count, buffer.instruction_count, buffer.argument_count>(buffer);
  static constexpr int kernels = buffer.kernel_count;
};

// Memory between the kernels of one assign; each thread keeps the largest that it needed.
class assign_workspace {
 public:
  static std::byte* of_this_thread(std::size_t bytes) {
    thread_local assign_workspace w;
    if (w.bytes_ < bytes) {
      w.memory_.reset();
      w.memory_.reset(static_cast<std::byte*>(::operator new(bytes, std::align_val_t(tensor_alignment))));
      w.bytes_ = bytes;
    }
    return w.memory_.get();
  }

 private:
  struct release {
    void operator()(std::byte* p) const { ::operator delete(p, std::align_val_t(tensor_alignment)); }
  };
  std::unique_ptr<std::byte[], release> memory_;
  std::size_t bytes_ = 0;
};

}  // namespace detail

// One assignment as a type: what it costs is known before it runs.
template <class Targets, class Expression> struct assignment {
  using source = detail::assign_source<Expression, Targets>;
  using program = detail::assign_program<source>;
  using step_type = step<program, cpu_device>;
  static constexpr int kernels = program::kernels;
  static constexpr std::size_t workspace_bytes = step_type::workspace_bytes;  // 0: it runs in registers

  // The caller's workspace must have workspace_bytes bytes, 64-byte aligned.
  static void run(Targets const& to, Expression const& e, std::byte* workspace) {
    void* inputs[detail::tracer<Expression>::leaves];
    void** next = inputs;
    detail::tracer<Expression>::collect(e, next);
    void* outputs[source::targets];
    std::apply([&](auto const&... v) {
      void** o = outputs;
      ((*o++ = const_cast<void*>(static_cast<const void*>(v.data()))), ...);
    }, to);
    check_overlap<program, Targets, Expression>(inputs, outputs);
    step_type::run({workspace, nullptr, nullptr, inputs, outputs});
  }
};

// y: a tensor, a view, or a std::tuple (std::tie) of them, of exactly the expression's shapes and element types.
template <class Target, eager Expression> void assign(Target&& y, Expression const& e) {
  auto to = detail::targets_of(y);
  auto kept = detail::kept<dtype::f32>(e);
  if constexpr (requires { kept.operands; }) {
    using work = assignment<decltype(to), decltype(kept)>;
    work::run(to, kept, work::workspace_bytes > 0 ? detail::assign_workspace::of_this_thread(work::workspace_bytes) : nullptr);
  } else {
    assign(y, defer(detail::apply_op<ops::stop_gradient>{}, e));  // a copy
  }
}

// A function of typed values, called with each operand once; it returns a value, or a std::tuple or std::array of them.
template <class Target, class Function, class... X>
requires(!eager<Function> && sizeof...(X) > 0 && ((eager<X> || std::is_arithmetic_v<X>) && ...))
void assign(Target&& y, Function f, X const&... x) {
  assign(std::forward<Target>(y), defer(f, x...));
}

// The value of an expression in a tensor of its own.
template <eager Expression> auto evaluate(Expression const& e) {
  using kept = detail::kept_t<dtype::f32, Expression>;
  using result = typename detail::traced_operand<kept>::type;
  tensor<element_t<result::type>, typename result::shape_type> y(uninitialized);
  assign(y, e);
  return y;
}

}  // namespace formwork

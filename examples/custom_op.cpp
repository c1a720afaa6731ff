// custom_op: an operation that the library does not have, in a module of its own, trained.
//
// snake (Ziyin, Hartwig, Ueda 2020, "Neural networks fail to learn periodic functions and how to fix it", eq. 3), with a
// learned frequency a for each unit:
//   y = x + sin^2(a x) / a,   dx = dy (1 + sin(2 a x)),   da = dy (x sin(2 a x) - (y - x)) / a
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <tuple>

#include <formwork/formwork.hpp>

using namespace formwork;

struct snake_op {
  static constexpr auto name = "snake";
  static constexpr int flops = 20;
  FORMWORK_FN static constexpr auto value(auto x, auto a) {
    using math::sin;
    auto s = sin(a * x);
    return x + s * s / a;
  }
  static constexpr auto derivative(auto x, auto a, auto y, auto dy) {
    auto s = formwork::sin(2 * (a * x));
    return std::tuple(dy * (1 + s), dy * ((x * s - (y - x)) / a));
  }
};
template <class X, class A> FORMWORK_FN constexpr applied<snake_op, X, A> snake(X const& x, A const& a) {
  return formwork::apply<snake_op>(x, a);
}

constexpr long points = 256, units = 32;

// (points, 1) -> (points, 1)
struct curve {
  using in_type = linear<1, units, with_bias, normal_02>;
  using frequency_type = parameter<shape<units>, ones>;
  using out_type = linear<units, 1>;
  BOOST_HANA_DEFINE_STRUCT(curve, (in_type, in), (frequency_type, frequency), (out_type, out));
  constexpr auto operator()(auto const& x) const { return out(snake(in(x), frequency)); }
};

struct samples {
  using column = input<dtype::f32, shape<points, 1>>;
  BOOST_HANA_DEFINE_STRUCT(samples, (column, x), (column, target));
};

struct squared_error {
  constexpr auto operator()(auto const& model, auto const& in) const {
    return reshape<>(mean<>(square(model(in.x) - in.target)));
  }
};

struct source {
  static constexpr graph make() { return simplify(differentiate(simplify(trace<squared_error, curve, samples>(), stop_gradients::keep))); }
};

struct without_decay : adamw_config {
  static constexpr double weight_decay = 0;
};

int main() {
  using layout = parameter_layout<curve>;
  using gradients = step<compiled<source>, cpu_device>;
  using update = optimizer_step<adamw_with<without_decay>, cpu_device, layout::elements, layout::decayed>;
  std::printf("%ld parameters, %d kernels for loss and gradients\n", parameter_count<curve>, gradients::kernels);

  // Parameters, gradients and the optimizer's states; workspace. Nothing else is allocated.
  constexpr std::size_t part = layout::elements * sizeof(float);
  arena floats(2 * part + update::state_elements * sizeof(float));
  arena workspace(std::max(gradients::workspace_bytes, update::workspace_bytes));
  auto* parameters = reinterpret_cast<float*>(floats.data());
  float *slopes = parameters + layout::elements, *states = slopes + layout::elements;
  initialize<curve>({parameters, static_cast<std::size_t>(layout::elements)}, 1);

  float x[points], target[points], loss = 0, first = 0, square_sum = 0;
  for (long i = 0; i < points; ++i) {
    x[i] = 4 * (static_cast<float>(i) / points - 0.5f);
    target[i] = std::sin(3 * x[i]) + 0.5f * x[i];
  }
  void* inputs[] = {x, target};
  void* outputs[] = {&loss};
  for (long n = 1; n <= 400; ++n) {
    gradients::run({workspace.data(), floats.data(), reinterpret_cast<std::byte*>(slopes), inputs, outputs});
    if (n == 1) first = loss;
    auto numbers = update::numbers_of(1e-2f, n, std::numeric_limits<float>::infinity());  // no clipping
    update::square_sum(slopes, &square_sum, workspace.data());
    update::update(parameters, slopes, states, numbers.data(), &square_sum, nullptr, workspace.data());
  }
  std::printf("mean squared error %.3f before, below a tenth of that after 400 steps: %s\n", first, loss < first / 10 ? "yes" : "no");
  return loss < first / 10 ? 0 : 1;
}

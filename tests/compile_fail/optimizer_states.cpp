// An optimizer gives back the states that it declares.
// expect: optimizer_returns_another_number_of_states
// expect: momentum, 1, 0
#include <formwork/ops/add.hpp>
#include <formwork/ops/subtract.hpp>
#include <formwork/optim/update.hpp>

using namespace formwork;

struct momentum {
  static constexpr int states = 1;
  static std::array<float, 1> factors(float rate, long) { return {rate}; }
  static constexpr auto update(auto const& p, auto const& g, auto const& state, auto const& factor,
                               auto const&) {
    auto b = state[0] * 0.9 + g;
#ifdef FORMWORK_TWIN
    return updated{p - factor[0] * b};
#else
    return updated{p - factor[0] * b, b};
#endif
  }
};

constexpr graph make() { return optim::update_source<momentum, 8192, 4096>::make(); }
static_assert(make().outputs.size() == 2);

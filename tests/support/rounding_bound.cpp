#include "rounding_bound.hpp"

#include <functional>

namespace formwork::testing {

bool bounded_output::has_teeth() const {
  std::vector<double> wrong(exact.size(), 0.0);
  if (distance(wrong) <= 1) return false;
  for (std::size_t i = 0; i < exact.size(); ++i) wrong[i] = 1.01 * exact[i];
  if (distance(wrong) <= 1) return false;
  const std::size_t n = static_cast<std::size_t>(row);
  for (std::size_t i = 0; i + 2 * n <= exact.size(); i += n) {
    wrong = exact;
    std::swap_ranges(wrong.begin() + static_cast<long>(i), wrong.begin() + static_cast<long>(i + n), wrong.begin() + static_cast<long>(i + n));
    if (wrong != exact) return distance(wrong) > 1;
  }
  return true;
}

std::vector<bounded_output> rounding_bounds(graph const& g, std::function<void(interpreter&)> const& prepare, rounding_options o) {
  auto once = [&](rounding r) {
    interpreter run(g, r);
    prepare(run);
    run.run();
    return run;
  };
  std::vector<bounded_output> all;
  interpreter exact = once(rounding::none);
  for (std::size_t k = 0; k < g.outputs.size(); ++k) {
    dims const& d = g[g.outputs[k].node].shape;
    all.push_back({exact.output(k), 0, d.rank > 0 ? d[-1] : 1});
  }
  for (unsigned n = 0; n <= o.samples; ++n) {
    interpreter sample = once(n == 0 ? rounding::every_result : either_way(n));
    for (std::size_t k = 0; k < all.size(); ++k)
      for (std::size_t i = 0; i < all[k].exact.size(); ++i)
        all[k].allowed = std::max(all[k].allowed, o.factor * std::abs(sample.output(k)[i] - all[k].exact[i]));
  }
  return all;
}

}  // namespace formwork::testing

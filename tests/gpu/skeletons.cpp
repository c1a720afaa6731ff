// Every skeleton against f64, between guard zones, several times: neither the order of warps and blocks nor the moment at
// which copies land may change a bit.
#include "gpu/skeletons.hpp"

#include "gpu/needs_gpu.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

void check(std::vector<checked_program> const& all) {
  for (checked_program const& s : all) {
    CAPTURE(s.name);
    std::vector<comparison> first;
    for (int run = 0; run < 4; ++run) {
      const auto results = compare_with_oracle(s.what, s.options);
      REQUIRE(!results.empty());
      if (run == 0) first = results;
      for (std::size_t k = 0; k < results.size(); ++k) {
        CAPTURE(results[k].name, results[k].error, s.tolerance);
        CHECK(results[k].norm > 0);
        CHECK(results[k].error <= s.tolerance);
        CHECK(results[k].bits == first[k].bits);
      }
    }
  }
}

}  // namespace

TEST_CASE("rows") {
  FORMWORK_NEEDS_GPU();
  check(rows_skeletons());
}
TEST_CASE("products") {
  FORMWORK_NEEDS_GPU();
  check(contract_skeletons());
}
TEST_CASE("attention") {
  FORMWORK_NEEDS_GPU();
  check(attend_skeletons());
}

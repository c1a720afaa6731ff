// Gradients of tables: rows added in an order that does not depend on the machine.
#include "cuda/check.hpp"
#include "formwork/formwork.hpp"
#include "support/rows_functions.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

template <long Rows, long Columns, long Updates> using table = gradients_of<embedding_loss, one<shape<Rows, Columns>>, indices<shape<Updates>>>;

// The table is also the weights of a product, whose gradient the rows are added to.
struct tied_loss {
  constexpr auto operator()(auto const& m, auto const& in) const {
    return mean<>(sin(gather(m.a, in.i) * 3.0)) + mean<>(sin(matmul(m.b, matrix_transpose(m.a))));
  }
};
template <long Rows, long Columns, long Updates> using tied_table = gradients_of<tied_loss, two<shape<Rows, Columns>, shape<7, Columns>>, indices<shape<Updates>>>;

// Every update of one row, or rows in turn so that each run has one of each.
step_check_options all_of(std::int32_t row, long updates) {
  return {.integers = {std::vector<std::int32_t>(static_cast<std::size_t>(updates), row)}};
}
step_check_options in_turn(std::int32_t rows, long updates) {
  step_check_options o;
  o.integers.resize(1);
  for (long k = 0; k < updates; ++k) o.integers[0].push_back(static_cast<std::int32_t>(k % rows));
  return o;
}

template <class Source> constexpr long launches = step<compiled<Source>, emulator::device<>>::launches;

}  // namespace

TEST_CASE("scatter: one run of updates, in one launch after the table is cleared") {
  using few = table<300, 5, 70>;
  using full = table<13, 40, 256>;
  STATIC_REQUIRE(launches<table<300, 5, 257>> == launches<few> + 1);
  STATIC_REQUIRE(launches<full> == launches<few>);
  check_on_emulator<few>(f32_tolerance(200), {.integer_limit = 300});
  check_on_emulator<full>(f32_tolerance(400), {.integer_limit = 13});
}
TEST_CASE("scatter: several runs, the last of fewer updates") {
  check_on_emulator<table<13, 40, 600>>(f32_tolerance(600), {.integer_limit = 13});
  check_on_emulator<table<400, 3, 513>>(f32_tolerance(600), {.integer_limit = 400});
  check_on_emulator<table<5, 300, 520>>(f32_tolerance(600), in_turn(5, 520));
}
TEST_CASE("scatter: all updates of one row, and rows that do not exist") {
  check_on_emulator<table<3, 20, 600>>(f32_tolerance(700), all_of(1, 600));
  step_check_options outside = in_turn(9, 300), clamped = outside;
  outside.oracle_integers = clamped.integers;
  for (auto* o : {&outside.integers[0], &outside.oracle_integers[0]})
    for (std::int32_t& row : *o) {
      const bool given = o == &outside.integers[0];
      if (row == 7) row = given ? 1000000 : 6;
      else if (row == 8) row = given ? -3 : 0;
    }
  check_on_emulator<table<7, 20, 300>>(f32_tolerance(400), outside);
}
TEST_CASE("scatter: into the gradient of a product") {
  check_on_emulator<tied_table<13, 40, 300>, gpu::options<gpu::f32_products::exact>>(f32_tolerance(400), {.integer_limit = 13});
  check_on_emulator<tied_table<13, 40, 50>, gpu::options<gpu::f32_products::exact>>(f32_tolerance(400), {.integer_limit = 13});
}
TEST_CASE("scatter: without one of its barriers") {
  using source = table<13, 40, 600>;
  const double tolerance = f32_tolerance(600);
  const step_check_options o{.integer_limit = 13};
  CHECK_FALSE(is_caught<source>(tolerance, emulator::fault::none, 0, nullptr, o));
  struct { const char* name; int barriers; } kernels[] = {{"scatter parts", 2}, {"scatter", 3}};
  for (auto [kernel, barriers] : kernels)
    for (int at = 0; at < barriers; ++at) {
      CAPTURE(kernel, at);
      CHECK(is_caught<source>(tolerance, emulator::fault::drop_barrier, at, kernel, o));
    }
}

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

// A table is added to by its map, or is too large for one.
template <long Rows, long Columns, long Updates> gpu::detail::scatter_shape<Rows, Updates, Columns, float, dtype::f32, dtype::i32> shape_of(table<Rows, Columns, Updates>);
template <class Source> constexpr bool mapped = decltype(shape_of(Source{}))::mapped;
using narrow = table<1500, 1, 700>;

// The gradient of a table of zeros, bit for bit, in a workspace that has been used before.
template <long Rows, long Columns, long Updates>
std::vector<float> gradient_of(table<Rows, Columns, Updates>, std::vector<std::int32_t> indices, guarded_array<std::byte> const& workspace, std::uint64_t seed) {
  using program = compiled<table<Rows, Columns, Updates>>;
  emulator::settings how{.seed = seed};
  const auto n = static_cast<std::size_t>(program::value.parameter_elements);  // the table, and what fills it up
  guarded_array<float> parameters(n), gradients(n);
  std::fill_n(parameters.get(), n, 0.f);
  float loss = 0;
  void *in[] = {indices.data()}, *out[] = {&loss};
  step<program, emulator::device<>>::run({.workspace = workspace.get(), .parameters = reinterpret_cast<std::byte*>(parameters.get()),
                                          .gradients = reinterpret_cast<std::byte*>(gradients.get()), .inputs = in, .outputs = out, .queue = &how});
  workspace.check("workspace");
  gradients.check("gradients");
  return {gradients.get(), gradients.get() + Rows * Columns};
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
TEST_CASE("scatter: a table that is too large for a map") {
  STATIC_REQUIRE(!mapped<narrow>);
  STATIC_REQUIRE(mapped<table<400, 3, 513>>);
  STATIC_REQUIRE(mapped<table<13, 40, 600>>);
  STATIC_REQUIRE(!mapped<table<13, 40, 256>>);  // one run
  STATIC_REQUIRE(mapped<table<50257, 768, 65536>>);
  STATIC_REQUIRE(!mapped<table<10'000'000, 64, 65536>>);
  check_on_emulator<narrow>(f32_tolerance(700), {.integer_limit = 1500});
  check_on_emulator<narrow>(f32_tolerance(700), {.integer_limit = 9});
  check_on_emulator<narrow>(f32_tolerance(800), all_of(1499, 700));
}
TEST_CASE("scatter: whatever the map holds before") {
  constexpr long rows = 13, updates = 600, columns = 40;
  using source = table<rows, columns, updates>;
  using run = step<compiled<source>, emulator::device<>>;
  // Each in its own way leaves out rows in some runs and has them at other places.
  std::vector<std::vector<std::int32_t>> sets = {in_turn(rows, updates).integers[0], all_of(12, updates).integers[0], in_turn(4, updates).integers[0]};
  sets.push_back(sets[0]);
  std::reverse(sets.back().begin(), sets.back().end());
  sets.push_back(sets[1]);
  sets.back()[300] = 5, sets.back()[599] = 5, sets.back()[256] = 0;
  std::vector<std::vector<float>> expected;
  for (auto const& indices : sets) {
    std::vector<double> times(rows);
    for (std::int32_t i : indices) ++times[static_cast<std::size_t>(i)];
    expected.push_back(gradient_of(source{}, indices, guarded_array<std::byte>(run::workspace_bytes), 1));
    // d mean(sin(3 x)) at x = 0: 3 / (updates * columns) for each time that a row is taken.
    double worst = 0;
    for (std::size_t e = 0; e < expected.back().size(); ++e)
      worst = std::max(worst, std::abs(static_cast<double>(expected.back()[e]) * updates * columns / 3 - times[e / columns]));
    CHECK(worst <= f32_tolerance(updates) * updates);
  }
  const auto is_right = [&](std::size_t s, guarded_array<std::byte> const& used, std::uint64_t seed) { return gradient_of(source{}, sets[s], used, seed) == expected[s]; };
  SECTION("every place is the same") {
    for (int position : {0, 1, 43, 44, 87, 88, 255, 256, 599, 0x7fff, 0x8000, 0xffff})
      for (std::size_t s = 0; s < sets.size(); ++s) {
        CAPTURE(position, s);
        guarded_array<std::byte> used(run::workspace_bytes);
        for (std::size_t k = 0; k < run::workspace_bytes; ++k) used[k] = static_cast<std::byte>(k % 2 ? position >> 8 : position & 0xff);
        CHECK(is_right(s, used, 2));
      }
  }
  SECTION("a place behind the last update, where the map's begin names the row") {
    using layout = decltype(shape_of(source{}));
    static_assert(layout::mapped && run::scratch_bytes == layout::scratch_bytes);
    // Row 5 is in the first run alone, row 0 nowhere. Update 600 does not exist: added[600] would be the map's first two places.
    sets = {all_of(12, updates).integers[0]};
    sets[0][0] = 5;
    expected = {gradient_of(source{}, sets[0], guarded_array<std::byte>(run::workspace_bytes), 1)};
    guarded_array<std::byte> used(run::workspace_bytes);
    auto* const places = reinterpret_cast<layout::position*>(used.get() + run::workspace_bytes - layout::all_places);
    places[0] = 5, places[1] = 0;
    places[5 * layout::runs + 2] = updates - 2 * layout::run;
    CHECK(is_right(0, used, 2));
  }
  SECTION("the places of other updates") {
    guarded_array<std::byte> used(run::workspace_bytes);
    for (std::size_t before = 0; before < sets.size(); ++before)
      for (std::size_t s = 0; s < sets.size(); ++s) {
        CAPTURE(before, s);
        CHECK(is_right(before, used, 3));
        CHECK(is_right(s, used, 4));
      }
  }
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
  const auto each_is_needed = []<class Source>(Source, double tolerance, step_check_options const& o, int in_the_sum) {
    CHECK_FALSE(is_caught<Source>(tolerance, emulator::fault::none, 0, nullptr, o));
    struct { const char* name; int barriers; } kernels[] = {{"scatter parts", 2}, {"scatter", in_the_sum}};
    for (auto [kernel, barriers] : kernels)
      for (int at = 0; at < barriers; ++at) {
        CAPTURE(kernel, at);
        CHECK(is_caught<Source>(tolerance, emulator::fault::drop_barrier, at, kernel, o));
      }
  };
  each_is_needed(table<13, 40, 600>{}, f32_tolerance(600), {.integer_limit = 13}, 2);
  each_is_needed(narrow{}, f32_tolerance(700), {.integer_limit = 9}, 3);
}

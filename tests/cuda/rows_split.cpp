// Few long rows, each by several blocks.
#include "cuda/check.hpp"
#include "emulator/stand_in.hpp"
#include "formwork/formwork.hpp"
#include "support/steep.hpp"

using namespace formwork;
using namespace formwork::testing;
using emulator::fault;

namespace {

template <dtype Type, class X> struct pair_of {
  using x_t = input<Type, X>;
  BOOST_HANA_DEFINE_STRUCT(pair_of, (x_t, x), (x_t, y));
};
// 16-bit numbers in f32, others as they are.
template <class X> constexpr auto wide(X x) {
  if constexpr (X::type == dtype::f64) return x;
  else return cast<dtype::f32>(x);
}
struct dot {
  constexpr auto operator()(auto const&, auto const& in) const { return sum<>(wide(in.x) * wide(in.y)); }
};
struct two_sums {
  constexpr auto operator()(auto const&, auto const& in) const { return sum<>(square(in.x)) + maximum<>(in.x * in.y); }
};
struct log_sum {
  constexpr auto operator()(auto const&, auto const& in) const { return log_sum_exp<-1>(wide(in.x) + wide(in.y)); }
};
struct apart {  // a sum of other exponentials below the maximum needs a walk of its own
  constexpr auto operator()(auto const&, auto const& in) const { return sum<-1>(exp(in.y - maximum<-1>(in.x))) / log_sum_exp<-1>(in.x); }
};
struct soft {
  constexpr auto operator()(auto const&, auto const& in) const { return softmax<-1>(in.x * in.y); }
};
struct logarithms {
  constexpr auto operator()(auto const& m, auto const& in) const { return sum<>(sin(log_sum_exp<-1>(in.x * m.a))); }
};
struct normed {
  constexpr auto operator()(auto const& m, auto const& in) const { return sum<>(sin(standardize<-1>(in.x) * m.a + m.b)); }
};

template <class X, class Y> struct rows_and_shifts {
  using x_t = input<dtype::f32, X>;
  using y_t = input<dtype::f32, Y>;
  BOOST_HANA_DEFINE_STRUCT(rows_and_shifts, (x_t, x), (y_t, shift));
};
template <class First, class Second> struct two_results { BOOST_HANA_DEFINE_STRUCT(two_results, (First, first), (Second, second)); };
// A number for each row that needs another of it, and elements that need both.
struct shifted_logarithms {
  constexpr auto operator()(auto const&, auto const& in) const {
    auto logs = log_sum_exp<-1>(in.x) + in.shift;
    auto rest = in.x - logs;
    return two_results<decltype(logs), decltype(rest)>{logs, rest};
  }
};

template <dtype Type, class F, class X> using of = values_of<F, nothing, pair_of<Type, X>>;
template <class F, class X> using in_f32 = of<dtype::f32, F, X>;

// At most 80 additions in a row: 16 in each of three passes, 5 and 15 across the block, 6 and 5 over the parts. Summands of
// both signs cancel in part: more than twice as many are allowed for.
constexpr double tolerance = f32_tolerance(200);

// 16 passes of 512 threads with 16 elements each; one more, begun.
constexpr long exact = 16 * 8192, more = exact + 4 * 37, odd = exact + 147;

using several_passes = of<dtype::bf16, dot, shape<529 * 8192 - 5 * 8>>;

template <class Source> constexpr long launches = step<compiled<Source>, emulator::device<>>::launches;

// The shape of the first rows kernel of a program.
template <class Kernel> struct shape_of;
template <long R, long C, int S, bool A, bool B, int Kept, dtype T, class Arguments, class Tape> struct shape_of<rows_kernel<R, C, S, A, B, Kept, T, Arguments, Tape>> {
  using type = gpu::detail::rows_shape<R, C, S, A, B, Kept, T, Arguments, Tape>;
};
template <class Source> using first_shape = typename shape_of<kernel_type<compiled<Source>, 0>>::type;

// Options under which a split is done wrong, where the differences are not 0: rows of so many more passes, parts of so many more, so many more parts.
template <long Passes, long Each, long Parts> struct wrong_by : gpu::options<> {};
template <class Shape, long Passes, long Each, long Parts> struct wrong_shape : Shape {
  static constexpr gpu_rows_schedule schedule = [] {
    gpu_rows_schedule s = Shape::schedule;
    s.passes += Passes;
    return s;
  }();
  static constexpr gpu_rows_split split{.parts = Shape::split.parts + Parts, .passes_each = Shape::split.passes_each + Each};
};

}  // namespace

template <long R, long C, int S, bool A, bool B, int Kept, dtype T, class Arguments, class... I, long Passes, long Each, long Parts>
struct gpu::kernel_plan<rows_kernel<R, C, S, A, B, Kept, T, Arguments, tape<I...>>, wrong_by<Passes, Each, Parts>> {
  using shape = wrong_shape<gpu::detail::rows_shape<R, C, S, A, B, Kept, T, Arguments, tape<I...>>, Passes, Each, Parts>;
  static constexpr std::size_t scratch_bytes = shape::scratch_bytes;
  using launches = gpu::detail::split_rows<shape, gpu::detail::columns_launch<shape, Arguments>, I...>;
};

TEST_CASE("rows split: which rows are split, and that their parts are all passes, each once") {
  for (long rows : {1L, 2L, 3L, 31L, 32L, 33L, 64L, 1000L})
    for (long passes : {1L, 15L, 16L, 17L, 263L, 264L, 265L, 1000L, 15137L}) {
      const gpu_rows_split s = gpu_rows_split_for(rows, passes);
      CAPTURE(rows, passes, s.parts, s.passes_each);
      CHECK((s.parts > 1) == (rows <= 32 && passes >= 16));
      CHECK(s.parts * s.passes_each >= passes);
      CHECK((s.parts - 1) * s.passes_each < passes);  // none is empty
      if (s.parts > 1) CHECK(rows * s.parts <= gpu_column_blocks);
    }
  // 100 million elements: a block for every multiprocessor of an H100 at least.
  CHECK(first_shape<in_f32<dot, shape<100000000>>>::split.parts >= 132);
}
TEST_CASE("rows split: a full reduction in two launches, with columns that fill the parts and that do not") {
  static_assert(launches<in_f32<dot, shape<exact>>> == 2 && launches<in_f32<dot, shape<exact - 1>>> == 2 && launches<in_f32<dot, shape<exact - 8192>>> == 1);
  check_on_emulator<in_f32<dot, shape<exact>>>(tolerance);
  check_on_emulator<in_f32<dot, shape<more>>>(tolerance);
  check_on_emulator<in_f32<two_sums, shape<odd>>>(tolerance);
}
TEST_CASE("rows split: parts of several passes, the last of fewer") {
  using shape = first_shape<several_passes>;
  static_assert(shape::split.passes_each == 3 && shape::split.parts == 177 && shape::schedule.passes == 529);
  check_on_emulator<several_passes>(tolerance);
}
TEST_CASE("rows split: a maximum, a sum that depends on it, and elements that depend on both") {
  static_assert(launches<in_f32<soft, shape<3, odd>>> == 2 && launches<of<dtype::f16, log_sum, shape<1, more>>> == 2);  // the sum with the maximum
  check_on_emulator<in_f32<soft, shape<3, odd>>>(tolerance);
  check_on_emulator<of<dtype::f16, log_sum, shape<1, more>>>(tolerance);
  check_on_emulator<of<dtype::bf16, log_sum, shape<3, exact>>>(tolerance);
  check_on_emulator<in_f32<steep<20000, 4096>, shape<3, odd>>>(tolerance);  // whole parts of -infinity
  static_assert(launches<of<dtype::f32, apart, shape<1, more>>> == 3);
  check_on_emulator<of<dtype::f32, apart, shape<1, more>>>(tolerance);
}
TEST_CASE("rows split: a norm of three rows, and its gradients with sums down columns and values that are kept") {
  constexpr long columns = 17 * 4096 - 3 * 4;
  using source = all_gradients_of<normed, two<shape<1, columns>, shape<1, columns>>, numbers<shape<3, columns>>>;
  static_assert(first_shape<source>::kept == 1 && first_shape<source>::column_results == 2 && first_shape<source>::split.parts == 17);
  static_assert(launches<source> == 5 + 1 + 2);  // stages, column sums; the loss
  check_on_emulator<source>(f32_tolerance(400));
}
TEST_CASE("rows split: what is stored once per row, by the launch that stores the row's elements") {
  using source = all_gradients_of<logarithms, one<shape<1, exact>>, numbers<shape<3, exact>>>;
  using kernel = first_shape<source>;
  static_assert(kernel::runner::rows::has_stores && launches<source> == 2 + 1 + 1);
  check_on_emulator<source>(f32_tolerance(400));
}
TEST_CASE("rows split: a result of a row, in the place of an operand of the row that every block reads") {
  using source = values_of<shifted_logarithms, nothing, rows_and_shifts<shape<2, exact>, shape<2, 1>>>;
  using run = step<compiled<source>, emulator::device<>>;
  static_assert(run::kernels == 1 && run::launches == 2 + 1);  // the row's results wait for the last block
  check_on_emulator<source>(tolerance);
  std::vector<float> x(2 * exact), rest(2 * exact), shift(2);
  double total[2]{};
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>(i % 7) * 0.25f;
    total[i / exact] += std::exp(static_cast<double>(x[i]));
  }
  guarded_array<std::byte> workspace(run::workspace_bytes);
  for (std::uint64_t seed = 1; seed <= 16; ++seed) {
    emulator::settings how{.seed = seed};
    shift = {10, 20};
    void *inputs[] = {x.data(), shift.data()}, *outputs[] = {shift.data(), rest.data()};
    run::run({.workspace = workspace.get(), .inputs = inputs, .outputs = outputs, .queue = &how});
    for (std::size_t r = 0; r < 2; ++r) {
      const double logs = std::log(total[r]) + 10.0 * static_cast<double>(r + 1);
      CAPTURE(seed, r);
      CHECK(std::abs(static_cast<double>(shift[r]) - logs) <= tolerance * logs);
      double worst = 0;
      for (std::size_t i = r * exact; i < (r + 1) * exact; ++i) worst = std::max(worst, std::abs(static_cast<double>(rest[i]) - (static_cast<double>(x[i]) - logs)));
      CHECK(worst <= tolerance * logs);
    }
  }
}
TEST_CASE("rows split: f64, and as many rows as are split") {
  check_on_emulator<of<dtype::f64, dot, shape<more>>>(3 * std::sqrt(static_cast<double>(more)) * 0x1p-53);  // the interpreter adds one by one
  static_assert(first_shape<in_f32<soft, shape<32, exact - 1>>>::split.parts == 8);
  check_on_emulator<in_f32<soft, shape<32, exact - 1>>>(tolerance);
}
TEST_CASE("rows split: what is launched is what the compiler counted") {
  using source = in_f32<soft, shape<1, exact>>;
  using run = step<compiled<source>, emulator::stand_in_device<>>;
  guarded_array<float> x(exact), y(exact), z(exact);
  guarded_array<std::byte> workspace(run::workspace_bytes);
  for (std::size_t i = 0; i < exact; ++i) x[i] = static_cast<float>(i % 7), y[i] = static_cast<float>(i % 5);
  void *inputs[] = {x.get(), y.get()}, *outputs[] = {z.get()};
  emulator::stand_in on;
  emulator::stand_in::calls = {};
  on.begin_recording();
  run::run({.workspace = workspace.get(), .inputs = inputs, .outputs = outputs, .queue = on.queue()});
  long nodes = 0;
  const auto graph = on.end_recording(nodes);
  CHECK(nodes == run::launches);
  CHECK(emulator::stand_in::calls.launches == run::launches);
  on.start(graph);
  on.wait();
  on.release_graph(graph);
  double sum = 0;
  for (std::size_t i = 0; i < exact; ++i) sum += static_cast<double>(z[i]);
  CHECK(std::abs(sum - 1) <= f32_tolerance(400));
  workspace.check("workspace");
}
TEST_CASE("rows split: without a barrier, with wrong parts, with a part that nobody adds") {
  using sums = in_f32<dot, shape<more>>;
  using softmax_of = in_f32<soft, shape<3, odd>>;
  CHECK_FALSE(is_caught<sums>(tolerance, fault::none, 0));
  CHECK(is_caught<sums>(tolerance, fault::drop_barrier, 0, "rows part"));
  CHECK(is_caught<softmax_of>(tolerance, fault::drop_barrier, 0, "rows part"));
  CHECK_FALSE(is_caught<sums, wrong_by<0, 0, 0>>(tolerance, fault::none, 0, nullptr, {}, 1));
  CHECK(is_caught<sums, wrong_by<-1, 0, 0>>(tolerance, fault::none, 0, nullptr, {}, 1));
  CHECK(is_caught<several_passes, wrong_by<0, -1, 0>>(tolerance, fault::none, 0, nullptr, {}, 1));
  CHECK(is_caught<sums, wrong_by<0, 0, -2>>(tolerance, fault::none, 0, nullptr, {}, 1));  // the last part takes the 17th pass with its own
}

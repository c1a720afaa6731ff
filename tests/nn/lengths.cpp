// Sequences shorter than their compile-time maximum: attention and losses with run-time lengths, against the sequences
// of exactly that length.
#include "formwork/nn/gpt.hpp"
#include "formwork/nn/language_model.hpp"
#include "formwork/nn/llama.hpp"
#include "support/program_test.hpp"
#include "support/ragged_attention.hpp"
#include "support/step_check.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

struct heads_of_lengths {
  using lengths_t = input<dtype::i32, shape<3>>;
  BOOST_HANA_DEFINE_STRUCT(heads_of_lengths, (lengths_t, lengths));
};

template <int Layers> struct small_gpt : gpt_config {
  static constexpr int vocabulary = 11, context = 7, layers = Layers, heads = 2, width = 8;
};
struct small_llama : llama_config {
  static constexpr int vocabulary = 11, context = 7, layers = 2, heads = 4, kv_heads = 2, width = 8, hidden = 12;
};

// Sequences of 1, 2, ..., Batch times, of 150 at most: more than one block of queries and of keys.
constexpr long longest = 150;
using every_length = ragged_attention<longest, longest>;

}  // namespace

TEST_CASE("lengths: gradients of attention, whatever the lengths") {
  for (unsigned seed = 1; seed < 4; ++seed)
    check_gradients<three<shape<3, 5, 2, 4>, shape<3, 5, 1, 4>, shape<3, 5, 1, 4>>, heads_of_lengths>(
        [](auto const& m, auto const& in) { return weighted_sum(attend(m.a, m.b, m.c, with_mask(within(in.lengths)))); },
        {.integers = 7, .seed = seed});
}

TEST_CASE("lengths: every length from 1 to the longest, kernels against f64") {
  step_check_options o;
  o.spread = 1;
  o.integers.resize(5);
  for (long n = 1; n <= longest; ++n) o.integers[4].push_back(static_cast<std::int32_t>(n * 77 % longest + 1));
  // Chains of sums over 8 dimensions and up to 150 keys and queries in f32: sqrt(150) of them in a row, three times.
  const double tolerance = 3 * 13 * 0x1p-24;
  CHECK(check_step<every_length>(tolerance, o).size() == 5);  // the loss, dq, dk, dv, dw
  // One length wrong by one shows.
  o.oracle_integers = o.integers;
  --o.oracle_integers[4][70];
  CHECK(compare_step<every_length>(o)[1].error > 100 * tolerance);
}

TEST_CASE("lengths: blocks beyond a length are not read") {
  auto broken = [](long from) {
    ragged_run<longest, longest, cpu_device> r;
    r.poison(r.k, from);
    r.poison(r.v, from);
    r.run();
    return r.broken();
  };
  // Keys from 40 to 47 are in a strip that is partly visible.
  CHECK(broken(48) == 0);
  CHECK(broken(39) > 0);
}

// The loss of rows with n times each is that of a program of exactly n times.
template <class Model, long Time> void check_shorter(Model) {
  CAPTURE(Time);
  graph ragged = trace<ragged_loss_of, Model, ragged_language_model_inputs<2, 7>>();
  graph exact = trace<loss_of, Model, language_model_inputs<2, Time>>();
  program_data a(ragged, {.integers = 11}), b(exact, {.integers = 11});
  b.parameters = a.parameters;
  a.inputs[2] = {Time, Time};
  for (std::size_t k = 0; k < 2; ++k)
    for (std::size_t r = 0; r < 2; ++r)
      for (std::size_t t = 0; t < Time; ++t) b.inputs[k][r * Time + t] = a.inputs[k][r * 7 + t];
  const auto whole = run_program(differentiated(ragged), a), part = run_program(differentiated(exact), b);
  for (std::size_t k = 0; k <= a.parameters.size(); ++k) CHECK(same_values(whole.output(k), part.output(k)));
  a.inputs[2] = {Time, Time == 1 ? 2 : Time - 1};
  CHECK_FALSE(same_values(run_program(ragged, a).output(0), part.output(0)));
}

TEMPLATE_TEST_CASE("lengths: a language model's loss is that of the shorter sequences", "[nn]", gpt<small_gpt<2>>, llama<small_llama>) {
  [&]<long... T>(std::integer_sequence<long, T...>) { (check_shorter<TestType, T + 1>(TestType{}), ...); }(std::make_integer_sequence<long, 7>{});
}

TEST_CASE("lengths: gradients of a language model with rows of their own lengths") {
  using model = gpt<small_gpt<1>>;
  using inputs = ragged_language_model_inputs<3, 7>;
  for (unsigned seed = 1; seed < 4; ++seed)
    check_gradients(trace<ragged_loss_of, model, inputs>(), {.integers = 8, .seed = seed});
  // Of no time at all the loss is 0.
  graph g = trace<ragged_loss_of, model, inputs>();
  program_data none(g);
  none.inputs[2] = {0, 0, 0};
  CHECK(run_program(g, none).output(0)[0] == 0);
}

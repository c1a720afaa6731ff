// What fuse decides: which nodes become one kernel, what stays in memory between kernels.
#include "formwork/passes/fuse.hpp"

#include "formwork/nn/loss.hpp"
#include "formwork/nn/mlp.hpp"
#include "formwork/nn/normalization.hpp"
#include "formwork/ops/gelu.hpp"
#include "formwork/ops/tanh.hpp"
#include "formwork/passes/canonicalize.hpp"
#include "formwork/passes/describe_fusion.hpp"
#include "formwork/passes/plan.hpp"
#include "formwork/passes/rematerialize.hpp"
#include "support/program_test.hpp"

using namespace formwork;
using namespace formwork::testing;

namespace {

// A kernel a line: its skeleton, its members in order, "!" behind what it leaves in memory.
std::vector<std::string> kernels_of(fusion const& f) {
  std::vector<std::string> all;
  for (int k : f.order) {
    std::string& text = all.emplace_back(name_of(f.groups[static_cast<std::size_t>(k)].what));
    text += ':';
    for (int m : all_members(f, f.groups[static_cast<std::size_t>(k)])) {
      node const& n = f.g[m];
      text += ' ' + std::string(n.what == kind::map ? n.op->name : name_of(n.what));
      if (f.stored[static_cast<std::size_t>(m)] && f.owner[static_cast<std::size_t>(m)] == k) text += '!';
    }
  }
  return all;
}
using kernels = std::vector<std::string>;

graph forward_of(graph const& g) { return rematerialize(simplified(g)); }
graph backward_of(graph const& g) { return rematerialize(simplified(differentiated(simplified(g, stop_gradients::keep), {.inputs = true}))); }
template <class Module, class Inputs> fusion forward(auto f, fuse_options o = {}) { return fuse(canonicalize(forward_of(trace_of<Module, Inputs>(f))), o); }
template <class Module, class Inputs> fusion backward(auto f, fuse_options o = {}) { return fuse(canonicalize(backward_of(trace_of<Module, Inputs>(f))), o); }

constexpr auto of_input = [](auto const& m, auto const& in) { return m(in.x); };
constexpr auto squares = [](auto const& y) { return reshape<>(sum<>(y * y)); };

struct classified {
  using x_t = input<dtype::f32, shape<12, 16>>;
  using targets_t = input<dtype::i32, shape<12>>;
  BOOST_HANA_DEFINE_STRUCT(classified, (x_t, x), (targets_t, targets));
};
struct normalized {
  using norm_t = rms_norm<16>;
  using up_t = linear<16, 24, without_bias>;
  BOOST_HANA_DEFINE_STRUCT(normalized, (norm_t, norm), (up_t, up));
  constexpr auto operator()(auto const& x) const { return up(norm(x)); }
};
struct layer_then_product {
  using norm_t = layer_norm<16>;
  using up_t = linear<16, 24, without_bias>;
  BOOST_HANA_DEFINE_STRUCT(layer_then_product, (norm_t, norm), (up_t, up));
  constexpr auto operator()(auto const& x) const { return up(norm(x)); }
};
struct several_after_norm {
  using norm_t = rms_norm<16>;
  using up_t = linear<16, 24, without_bias>;
  using to_t = linear<16, 12, without_bias>;
  BOOST_HANA_DEFINE_STRUCT(several_after_norm, (norm_t, norm), (up_t, up), (up_t, gate), (to_t, to));
  constexpr auto operator()(auto const& x) const {
    auto y = norm(x);
    return matmul(matrix_transpose(silu(gate(y)) * up(y)), to(y));
  }
};
using x12x16 = numbers<shape<12, 16>>;

// Values in memory of a shape, apart from what callers own.
int stored_of(fusion const& f, dims shape) {
  int n = 0;
  for (int i = 0; i < f.g.size(); ++i) n += f.stored[static_cast<std::size_t>(i)] && f.owner[static_cast<std::size_t>(i)] >= 0 && f.g[i].shape == shape;
  return n;
}

}  // namespace

TEST_CASE("fuse: a layer norm is one kernel that stores its result alone") {
  CHECK(kernels_of(forward<layer_norm<16>, x12x16>(of_input)) ==
        kernels{"rows: sum multiply subtract square sum multiply add rsqrt multiply multiply add!"});
}

TEST_CASE("fuse: a softmax is one kernel") {
  CHECK(kernels_of(forward<nothing, x12x16>([](auto const&, auto const& in) { return softmax(in.x); })) ==
        kernels{"rows: maximum subtract exp sum reciprocal multiply!"});
}

TEST_CASE("fuse: the backward pass of a layer norm is the same kernel, with both parameters' gradients") {
  fusion f = backward<layer_norm<16>, x12x16>([](auto const& m, auto const& in) { return squares(m(in.x)); });
  REQUIRE(f.order.size() == 2);  // the scalar loss is reduced over other rows
  group const& K = f.groups[static_cast<std::size_t>(f.order[0])];
  CHECK(K.row_reductions);
  CHECK(K.column_reductions);
  CHECK(stored_of(f, dims{12, 16}) == 1);  // the input's gradient
  CHECK(stored_of(f, dims{12, 1}) == 2);   // mean and deviation, for the loss
}

TEST_CASE("fuse: bias, GELU and residual are in the products of an MLP") {
  CHECK(kernels_of(forward<mlp<16, 64, ops::gelu>, x12x16>([](auto const& m, auto const& in) { return in.x + m(in.x); })) ==
        kernels{"contract: contract add gelu!", "contract: contract add add!"});
}

TEST_CASE("fuse: the derivative of GELU is in the product before it, the bias gradient in one kernel of its own") {
  fusion f = backward<mlp<16, 64, ops::gelu>, x12x16>([](auto const& m, auto const& in) { return squares(in.x + m(in.x)); });
  kernels k = kernels_of(f);
  REQUIRE(k.size() == 9);
  CHECK(k[0] == "contract: contract add! gelu!");
  CHECK(k[4].starts_with("contract: contract multiply erf"));
  CHECK(k[4].ends_with("multiply!"));
  CHECK(stored_of(f, dims{12, 64}) == 3);  // before and after GELU, and the gradient between
  int column_sums = 0;
  for (auto const& K : f.groups) column_sums += K.column_reductions && K.domain == dims{12, 64};
  CHECK(column_sums == 1);
}

TEST_CASE("fuse: with no product before it, the derivative of GELU shares a kernel with the bias gradient") {
  fusion f = backward<linear<16, 16>, x12x16>([](auto const& m, auto const& in) { return reshape<>(sum<>(gelu(m(in.x)) * in.x)); });
  kernels k = kernels_of(f);
  REQUIRE(k.size() == 5);
  CHECK(k[0] == "contract: contract add!");
  CHECK(k[1].find(" erf ") != std::string::npos);
  CHECK(k[1].ends_with(" multiply! sum!"));
}

TEST_CASE("fuse: an RMS norm before a product is one kernel, and leaves one value per row for the backward pass") {
  CHECK(kernels_of(forward<normalized, x12x16>(of_input)) == kernels{"rows: square sum multiply add rsqrt multiply multiply!", "contract: contract!"});
  fusion f = backward<normalized, x12x16>([](auto const& m, auto const& in) { return squares(m(in.x)); });
  CHECK(f.order.size() == 6);
  CHECK(stored_of(f, dims{12, 1}) == 1);   // 1 / rms
  CHECK(stored_of(f, dims{12, 16}) == 3);  // the product's operand, its gradient, the input's gradient
}

TEST_CASE("fuse: cross-entropy stores one gradient of the logits, and that over the logits") {
  auto f = backward<one<shape<16, 40>>, classified>([](auto const& m, auto const& in) { return cross_entropy(matmul(in.x, m.a), in.targets); });
  kernels k = kernels_of(f);
  REQUIRE(k.size() == 5);
  CHECK(k[0] == "contract: contract!");
  CHECK(k[1].starts_with("rows: equal select sum maximum subtract exp sum log add subtract!"));
  CHECK(stored_of(f, dims{12, 40}) == 2);
  memory_plan m = plan_memory(f);
  std::vector<long> offsets;
  for (int i = 0; i < f.g.size(); ++i)
    if (f.stored[static_cast<std::size_t>(i)] && f.owner[static_cast<std::size_t>(i)] >= 0 && f.g[i].shape == dims{12, 40}) offsets.push_back(m.at[static_cast<std::size_t>(i)].offset);
  CHECK(offsets[0] == offsets[1]);
}

TEST_CASE("fuse: values that are read in two orders are in memory, even where they are at hand") {
  fusion f = forward<nothing, numbers<shape<5, 5>>>([](auto const&, auto const& in) {
    auto y = in.x * 3 + 1;
    return tanh(y) * transpose<1, 0>(tanh(y));
  });
  CHECK(kernels_of(f) == kernels{"rows: multiply add tanh!", "rows: multiply!"});
}

TEST_CASE("fuse: apart, every node is a kernel of its own") {
  for (bool apart : {false, true}) {
    fusion f = backward<mlp<16, 64, ops::gelu>, x12x16>([](auto const& m, auto const& in) { return squares(in.x + m(in.x)); }, {.apart = apart});
    int most = 0;
    for (auto const& K : f.groups) most = std::max(most, static_cast<int>(K.members.size()));
    CHECK((most == 1) == apart);
    int computed = 0;
    for (int o : f.owner) computed += o >= 0;
    if (apart) CHECK(static_cast<int>(f.order.size()) == computed);
  }
}

TEST_CASE("refine and restride: axes of one run of memory") {
  dims stride;
  CHECK(restride(dims{4, 9}, dims{9, 1}, dims{6, 6}, stride));
  CHECK(stride == dims{6, 1});
  CHECK(restride(dims{2, 4, 9}, dims{100, 9, 1}, dims{2, 6, 6}, stride));
  CHECK(stride == dims{100, 6, 1});
  CHECK_FALSE(restride(dims{4, 9}, dims{10, 1}, dims{6, 6}, stride));
  CHECK_FALSE(restride(dims{4, 9}, dims{1, 4}, dims{6, 6}, stride));
  CHECK(refine(dims{4, 9}, dims{6, 6}).rank == -1);
  CHECK(refine(dims{2, 6}, dims{4, 3}) == dims{2, 2, 3});
}

TEST_CASE("fuse: two products that meet in an elementwise operation are one kernel") {
  using gated_t = gated_mlp<16, 24, ops::silu, without_bias>;
  const fusion f = forward<gated_t, x12x16>(of_input);
  CHECK(kernels_of(f) == kernels{"contract: contract contract silu multiply!", "contract: contract!"});
  CHECK(kernels_of(forward<gated_t, x12x16>(of_input, {.apart = true})).size() == 5);
  // Of other rows, or one from the other: two kernels.
  CHECK(kernels_of(forward<two<shape<16, 24>, shape<16, 24>>, x12x16>([](auto const& m, auto const& in) { return matmul(in.x, m.a) * matmul(in.x * 2, m.b); })).size() == 3);
  CHECK(kernels_of(forward<two<shape<16, 16>, shape<16, 16>>, x12x16>([](auto const& m, auto const& in) {
          auto y = matmul(in.x, m.a);
          return y * matmul(y, m.b);
        })).size() == 2);
}

TEST_CASE("fuse: with prologues, an RMS norm before products leaves one value per row, and the products normalize") {
  using texts = std::vector<std::string>;
  CHECK(kernels_of(forward<normalized, x12x16>(of_input, {.prologues = true})) ==
        texts{"rows: square sum multiply add rsqrt!", "contract: multiply multiply contract!"});
  const fusion f = forward<normalized, x12x16>(of_input, {.prologues = true});
  CHECK(stored_of(f, dims{12, 1}) == 1);
  CHECK(stored_of(f, dims{12, 16}) == 0);
  CHECK(describe(f).starts_with("rows [12, 16] rows 12: square%"));
  CHECK(describe(f).find("\ncontract [12, 24]: multiply%") != std::string::npos);
  CHECK(plan_memory(f).workspace_bytes == 64);  // 12 values

  // Several products normalize for themselves, two that share a kernel once.
  CHECK(kernels_of(forward<several_after_norm, x12x16>([](auto const& m, auto const& in) { return m(in.x); }, {.prologues = true})) ==
        texts{"rows: square sum multiply add rsqrt!", "contract: multiply multiply contract!", "contract: multiply multiply contract contract silu multiply!", "contract: contract!"});
  // A layer norm's mean is a second value per row.
  CHECK(kernels_of(forward<layer_then_product, x12x16>(of_input, {.prologues = true})) ==
        texts{"rows: sum multiply! subtract square sum multiply add rsqrt!", "contract: subtract multiply multiply add contract!"});
}

TEST_CASE("fuse: with prologues, what is not cheap is computed once") {
  using texts = std::vector<std::string>;
  const auto of = [](auto f) { return kernels_of(forward<one<shape<16, 24>>, x12x16>(f, {.prologues = true})); };
  CHECK(of([](auto const& m, auto const& in) { return matmul(gelu(in.x), m.a); }) == texts{"contract: gelu contract!"});
  CHECK(of([](auto const& m, auto const& in) { return matmul(softmax(in.x), m.a); }) == texts{"rows: maximum subtract exp sum reciprocal multiply!", "contract: contract!"});
  CHECK(kernels_of(forward<two<shape<16, 24>, shape<16, 16>>, x12x16>([](auto const& m, auto const& in) {
          auto y = gelu(in.x);
          return tanh(matmul(y, m.a)) + sum<>(matmul(y, m.b));
        }, {.prologues = true}))[0] == "rows: gelu!");
}

namespace {
template <class... Y> struct results_of;
template <class A, class B> struct results_of<A, B> { BOOST_HANA_DEFINE_STRUCT(results_of, (A, first), (B, second)); };
constexpr auto results(auto a, auto b) { return results_of<decltype(a), decltype(b)>{a, b}; }
}  // namespace

TEST_CASE("fuse: with sums, a product's kernel sums its results down the columns") {
  using texts = std::vector<std::string>;
  const auto of = [](auto f, fuse_options o) { return kernels_of(forward<one<shape<16, 24>>, x12x16>(f, o)); };
  const auto both = [](auto const& m, auto const& in) {
    auto y = gelu(matmul(in.x, m.a));
    return results(y, sum<0>(y));
  };
  CHECK(of(both, {}) == texts{"contract: contract gelu!", "rows: sum!"});
  CHECK(of(both, {.sums = true}) == texts{"contract: contract gelu! sum!"});
  // What the sum is read for comes after the kernel.
  CHECK(of([](auto const& m, auto const& in) {
          auto y = matmul(in.x, m.a);
          return results(y, y * sum<0>(y));
        }, {.sums = true}) == texts{"contract: contract! sum!", "rows: multiply!"});
  // Sums over some of the columns, or of something else than the results are kernels as before.
  CHECK(of([](auto const& m, auto const& in) {
          auto y = matmul(in.x, m.a);
          return results(y, results(results(sum<>(y), sum<0, 1>(reshape<12, 4, 6>(y))), sum<0>(transpose<1, 0>(y))));
        }, {.sums = true})[0] == "contract: contract!");
}

TEST_CASE("fuse: with sums, a product's kernel sums its results along the rows, and computes what follows from the sums") {
  using texts = std::vector<std::string>;
  const auto of = [](auto f, fuse_options o) { return kernels_of(forward<one<shape<16, 24>>, x12x16>(f, o)); };
  const auto means = [](auto const& m, auto const& in) {
    auto y = matmul(in.x, m.a);
    return results(y, mean<-1>(square(y)));
  };
  CHECK(of(means, {}) == texts{"contract: contract!", "rows: square sum multiply!"});
  CHECK(of(means, {.sums = true}) == texts{"contract: contract! square sum multiply!"});
  // Along the rows and down the columns; a maximum.
  CHECK(of([](auto const& m, auto const& in) {
          auto y = tanh(matmul(in.x, m.a));
          return results(results(y, maximum<1>(y)), results(sum<0>(y), sum<1>(y)));
        }, {.sums = true}) == texts{"contract: contract tanh! sum! sum! maximum!"});
  // Where the elements are read again with the sum, they are read once, as before.
  const auto normalized_results = [](auto const& m, auto const& in) {
    auto y = matmul(in.x, m.a);
    return y * rsqrt(mean<-1>(square(y)));
  };
  CHECK(of(normalized_results, {.sums = true}) == of(normalized_results, {}));
  CHECK(of([](auto const& m, auto const& in) { return softmax(matmul(in.x, m.a)); }, {.sums = true})[0] == "contract: contract!");
  // An operand per row that is not of the sum, and a sum along the rows of the transposed product.
  CHECK(of([](auto const& m, auto const& in) {
          auto y = matmul(in.x, m.a);
          return results(mean<-1>(y) + tanh(slice<1, 0, 1>(in.x)), sum<-1>(transpose<1, 0>(y)));
        }, {.sums = true})[0] == "contract: contract! tanh sum multiply add!");
}

TEST_CASE("fuse: with sums and prologues, an RMS norm between products has no kernel of its own") {
  using texts = std::vector<std::string>;
  const auto block = [](auto const& m, auto const& in) {
    auto x = in.x + matmul(in.x, m.a);
    return x + matmul(x * rsqrt(mean<-1>(square(x)) + 1e-5), m.b);
  };
  const auto of = [&](fuse_options o) { return kernels_of(forward<two<shape<16, 16>, shape<16, 16>>, x12x16>(block, o)); };
  CHECK(of({}) == texts{"contract: contract add!", "rows: square sum multiply add rsqrt multiply!", "contract: contract add!"});
  CHECK(of({.sums = true}) == of({}));
  CHECK(of({.prologues = true}) == texts{"contract: contract add!", "rows: square sum multiply add rsqrt!", "contract: multiply contract add!"});
  CHECK(of({.prologues = true, .sums = true}) == texts{"contract: contract add! square sum multiply add rsqrt!", "contract: multiply contract add!"});
  const fusion f = forward<two<shape<16, 16>, shape<16, 16>>, x12x16>(block, {.prologues = true, .sums = true});
  CHECK(f.groups[static_cast<std::size_t>(f.order[0])].row_reductions);
  CHECK(f.groups[static_cast<std::size_t>(f.order[0])].rows == 12);
}

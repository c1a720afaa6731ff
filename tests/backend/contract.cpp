// contract against the f64 sum written out, over sizes that do and do not fill tiles, layouts and types.
#include "formwork/backend/cpu/contract.hpp"

#include "formwork/backend/cpu/contract_row.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "support/catch.hpp"

#if defined(_OPENMP)
#include <omp.h>
#endif

using namespace formwork::cpu;

namespace {

template <class T> std::vector<T> numbers(std::size_t count, unsigned seed) {
  std::vector<T> v(count);
  for (T& x : v) {
    seed = seed * 1664525u + 1013904223u;
    x = static_cast<T>(static_cast<int>(seed >> 9) % 2001 - 1000) / T(1000);
  }
  return v;
}

// The largest |got - want| in units of the bound on the rounding error of a sum of K products,
// (K + 2) eps sum |a b|: at most 1 when every product and every sum is rounded once.
template <class T>
double worst(std::vector<T> const& got, std::vector<double> const& want, std::vector<double> const& magnitude, int k) {
  double most = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double bound = (k + 2) * 0.5 * std::numeric_limits<T>::epsilon() * (magnitude[i] + 1e-30);
    const double error = std::abs(static_cast<double>(got[i]) - want[i]) / bound;
    most = std::isfinite(error) ? std::max(most, error) : std::numeric_limits<double>::infinity();
  }
  return most;
}

template <class T> struct problem {
  int batch, m, n, k;
  std::vector<T> a, b;                    // [batch, m, k] and [batch, k, n], before any change of layout
  std::vector<double> want, magnitude;    // [batch, m, n]

  template <class F, class G>
  problem(int batch, int m, int n, int k, F prologue_a, G prologue_b)
      : batch(batch), m(m), n(n), k(k), a(numbers<T>(std::size_t(batch) * m * k, 7)),
        b(numbers<T>(std::size_t(batch) * k * n, 11)), want(std::size_t(batch) * m * n), magnitude(want.size()) {
    for (int s = 0; s < batch; ++s)
      for (int i = 0; i < m; ++i)
        for (int j = 0; j < n; ++j)
          for (int p = 0; p < k; ++p) {
            const double x = prologue_a(double(a[(std::size_t(s) * m + i) * k + p]));
            const double y = prologue_b(double(b[(std::size_t(s) * k + p) * n + j]));
            want[(std::size_t(s) * m + i) * n + j] += x * y;
            magnitude[(std::size_t(s) * m + i) * n + j] += std::abs(x * y);
          }
  }
};

// [batch, rows, columns] -> [batch, columns, rows]
template <class T> std::vector<T> transposed(std::vector<T> const& x, int batch, int rows, int columns) {
  std::vector<T> y(x.size());
  for (int s = 0; s < batch; ++s)
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < columns; ++j)
        y[(std::size_t(s) * columns + j) * rows + i] = x[(std::size_t(s) * rows + i) * columns + j];
  return y;
}

const auto same = [](auto x) { return x; };

template <class T, int Batch, int M, int N, int K> std::vector<T> product(problem<T> const& p, bool a_k, bool b_k) {
  const auto at = transposed(p.a, Batch, M, K), bt = transposed(p.b, Batch, K, N);
  std::vector<T> c(p.want.size(), T(-1));
  const store_result<T> store{.pointer = c.data(), .batch_stride = M * N, .stride = N};
  const strided_operand<T, true> a1{.pointer = p.a.data(), .batch_stride = M * K, .stride = K};
  const strided_operand<T, false> a2{.pointer = at.data(), .batch_stride = M * K, .stride = M};
  const strided_operand<T, false> b1{.pointer = p.b.data(), .batch_stride = K * N, .stride = N};
  const strided_operand<T, true> b2{.pointer = bt.data(), .batch_stride = K * N, .stride = K};
  if (a_k && !b_k) contract<T, Batch, M, N, K>(a1, b1, store);
  if (a_k && b_k) contract<T, Batch, M, N, K>(a1, b2, store);
  if (!a_k && !b_k) contract<T, Batch, M, N, K>(a2, b1, store);
  if (!a_k && b_k) contract<T, Batch, M, N, K>(a2, b2, store);
  return c;
}

// A times a B that was packed beforehand, from either order, or from every third element of something larger.
template <class T, int M, int N, int K> void check_packed() {
  constexpr int panel = formwork::kernels::contract_schedule_for(sizeof(T), 1, 1, 1).tile_columns, panels = (N + panel - 1) / panel;
  const problem<T> p(1, M, N, K, same, same);
  const auto bt = transposed(p.b, 1, K, N);
  std::vector<T> apart(3 * p.b.size());
  for (std::size_t i = 0; i < p.b.size(); ++i) apart[3 * i] = p.b[i];
  std::vector<T> first;
  const auto check = [&](std::vector<T> const& b, std::ptrdiff_t k_stride, std::ptrdiff_t column_stride) {
    INFO(M << " x " << N << " x " << K << ", strides " << k_stride << ", " << column_stride);
    std::vector<T> packed(std::size_t(panels) * panel * K, T(-1)), c(p.want.size(), T(-1));
    pack_panels<T, panel>(packed.data(), b.data(), k_stride, column_stride, K, N);
    const strided_operand<T, true> a{.pointer = p.a.data(), .stride = K};
    const panel_operand<T, panel> right{.pointer = packed.data(), .panel_stride = K * panel};
    const store_result<T> store{.pointer = c.data(), .stride = N};
    if constexpr (M == 1) contract_row<T, 1, N, K>(a, right, store);
    else contract<T, 1, M, N, K>(a, right, store);
    CHECK(worst(c, p.want, p.magnitude, K) <= 1);
    if (first.empty()) first = c;
    CHECK(c == first);
    for (std::size_t i = std::size_t(panels - 1) * panel * K; i < packed.size(); ++i)
      if ((panels - 1) * panel + static_cast<int>(i % panel) >= N && packed[i] != T(0)) FAIL("the last panel is not filled up with zeros");
  };
  check(p.b, N, 1);
  check(bt, 1, K);
  check(apart, 3 * N, 3);
}

template <class T, int Batch, int N, int K> std::vector<T> single_row(problem<T> const& p, bool b_k) {
  const auto bt = transposed(p.b, Batch, K, N);
  std::vector<T> c(p.want.size(), T(-1));
  const store_result<T> store{.pointer = c.data(), .batch_stride = N, .stride = N};
  const strided_operand<T, true> a{.pointer = p.a.data(), .batch_stride = K, .stride = 0};
  if (b_k) contract_row<T, Batch, N, K>(a, strided_operand<T, true>{.pointer = bt.data(), .batch_stride = K * N, .stride = K}, store);
  else contract_row<T, Batch, N, K>(a, strided_operand<T, false>{.pointer = p.b.data(), .batch_stride = K * N, .stride = N}, store);
  return c;
}
template <class T, int Batch, int N, int K> void check_single_row() {
  const problem<T> p(Batch, 1, N, K, same, same);
  for (bool b_k : {true, false}) {
    INFO("batch " << Batch << ", 1 x " << N << " x " << K << ", B " << b_k);
    CHECK(worst(single_row<T, Batch, N, K>(p, b_k), p.want, p.magnitude, K) <= 1);
  }
}

template <class T, int Batch, int M, int N, int K> void check_layouts() {
  const problem<T> p(Batch, M, N, K, same, same);
  for (bool a_k : {true, false})
    for (bool b_k : {true, false}) {
      INFO("batch " << Batch << ", " << M << " x " << N << " x " << K << ", A " << a_k << ", B " << b_k);
      CHECK(worst(product<T, Batch, M, N, K>(p, a_k, b_k), p.want, p.magnitude, K) <= 1);
    }
}

// x -> 1 + x / 2, k beyond the end staying zero
template <class T, bool KContiguous> struct shifted {
  static constexpr bool k_contiguous = KContiguous;
  strided_operand<T, KContiguous> source;
  template <int Width> pack<T, Width> load(std::ptrdiff_t s, std::ptrdiff_t o, std::ptrdiff_t k, int count) const {
    const auto x = source.template load<Width>(s, o, k, count) * pack<T, Width>(T(0.5)) + pack<T, Width>(T(1));
    return select(mask<T, Width>::first(count), x, pack<T, Width>(T(0)));
  }
};

template <class T, int M, int N, int K> void check_prologue() {
  const auto half = [](double x) { return 1 + x / 2; };
  const problem<T> p(2, M, N, K, half, half);
  const auto at = transposed(p.a, 2, M, K), bt = transposed(p.b, 2, K, N);
  std::vector<T> c(p.want.size()), d(p.want.size());
  contract<T, 2, M, N, K>(shifted<T, true>{{p.a.data(), M * K, K}}, shifted<T, false>{{p.b.data(), K * N, N}},
                          store_result<T>{c.data(), M * N, N});
  contract<T, 2, M, N, K>(shifted<T, false>{{at.data(), M * K, M}}, shifted<T, true>{{bt.data(), K * N, K}},
                          store_result<T>{d.data(), M * N, N});
  CHECK(worst(c, p.want, p.magnitude, K + 2) <= 1);  // the prologue rounds once or twice more
  CHECK(c == d);
}

}  // namespace

TEMPLATE_TEST_CASE("contract equals the f64 sum in every layout", "", float, double) {
  check_layouts<TestType, 1, 1, 1, 1>();
  check_layouts<TestType, 2, 7, 17, 5>();
  check_layouts<TestType, 3, 8, 48, 16>();
  check_layouts<TestType, 1, 100, 130, 70>();
  check_layouts<TestType, 1, 16, 96, 450>();
}

TEST_CASE("contract works across blocks of every dimension") {
  check_layouts<float, 1, 530, 49, 33>();
  check_layouts<float, 1, 9, 1601, 21>();
  check_layouts<float, 1, 13, 51, 1201>();
  check_layouts<float, 1, 281, 800, 400>();
  // Wide results have deeper blocks of k than narrow ones.
  static_assert(formwork::kernels::contract_schedule_for(4, 13, 1601, 801).block_depth > formwork::kernels::contract_schedule_for(4, 13, 51, 801).block_depth);
  static_assert(formwork::kernels::contract_schedule_for(4, 13, 1601, 801).block_depth < 801 && formwork::kernels::contract_schedule_for(4, 13, 51, 255).block_depth == 255);
  check_layouts<float, 1, 13, 1601, 801>();
  check_layouts<double, 1, 13, 1101, 801>();
}

TEMPLATE_TEST_CASE("contract with a packed operand equals the f64 sum", "", float, double) {
  check_packed<TestType, 1, 1, 1>();
  check_packed<TestType, 1, 130, 83>();
  check_packed<TestType, 7, 17, 5>();
  check_packed<TestType, 100, 130, 70>();
  check_packed<TestType, 281, 96, 801>();
  check_packed<TestType, 20, 60, 1601>();
  check_packed<TestType, 13, 1201, 450>();
}

TEMPLATE_TEST_CASE("contract applies prologues to both operands", "", float, double) {
  check_prologue<TestType, 19, 37, 150>();
  check_prologue<TestType, 5, 64, 400>();
}

TEMPLATE_TEST_CASE("contract of a single row equals the f64 sum", "", float, double) {
  check_single_row<TestType, 1, 1, 1>();
  check_single_row<TestType, 3, 17, 5>();
  check_single_row<TestType, 2, 48, 16>();
  check_single_row<TestType, 1, 1601, 83>();
  check_single_row<TestType, 1, 130, 1201>();
}

TEST_CASE("contract hands each element to the epilogue once, and the epilogue may write several outputs") {
  constexpr int m = 45, n = 107, k = 401;
  const problem<float> p(2, m, n, k, same, same);
  std::vector<float> bias = numbers<float>(n, 3), residual = numbers<float>(2 * m * n, 5);
  std::vector<float> plain(2 * m * n), positive(2 * m * n);
  std::vector<int> visits(2 * m * n);
  const auto epilogue = [&](std::ptrdiff_t s, std::ptrdiff_t i, std::ptrdiff_t j, auto value, int count) {
    using vector = decltype(value);
    const std::ptrdiff_t at = (s * m + i) * n + j;
    const vector sum = value + vector::load(bias.data() + j, count) + vector::load(residual.data() + at, count);
    sum.store(plain.data() + at, count);
    select(sum > vector(0), sum, vector(0)).store(positive.data() + at, count);
    for (int lane = 0; lane < count; ++lane) ++visits[at + lane];
  };
  contract<float, 2, m, n, k>(strided_operand<float, true>{p.a.data(), m * k, k},
                              strided_operand<float, false>{p.b.data(), k * n, n}, epilogue);
  CHECK(std::all_of(visits.begin(), visits.end(), [](int v) { return v == 1; }));
  std::vector<double> want = p.want, magnitude = p.magnitude;
  for (std::size_t at = 0; at < want.size(); ++at) {
    want[at] += bias[at % n] + residual[at];
    magnitude[at] += std::abs(bias[at % n]) + std::abs(residual[at]);
  }
  CHECK(worst(plain, want, magnitude, k + 2) <= 1);
  for (double& x : want) x = std::max(x, 0.0);
  CHECK(worst(positive, want, magnitude, k + 2) <= 1);
}

TEST_CASE("contract takes fewer rows than it was compiled for") {
  constexpr int m = 40, n = 50, k = 30;
  const problem<float> p(1, m, n, k, same, same);
  const auto whole = product<float, 1, m, n, k>(p, true, false);
  for (int rows : {0, 1, 7, 8, 33, 40}) {
    std::vector<float> c(m * n, -3.f);
    contract<float, 1, m, n, k>(strided_operand<float, true>{p.a.data(), 0, k},
                                strided_operand<float, false>{p.b.data(), 0, n},
                                store_result<float>{c.data(), 0, n}, rows);
    CHECK(std::equal(c.begin(), c.begin() + rows * n, whole.begin()));
    CHECK(std::all_of(c.begin() + rows * n, c.end(), [](float x) { return x == -3.f; }));
  }
}

TEST_CASE("contract's tolerance rejects zeros, one per cent and swapped rows") {
  constexpr int m = 64, n = 64, k = 1000;
  const problem<float> p(1, m, n, k, same, same);
  auto c = product<float, 1, m, n, k>(p, true, false);
  CHECK(worst(c, p.want, p.magnitude, k) <= 1);
  CHECK(worst(std::vector<float>(c.size()), p.want, p.magnitude, k) > 1);
  auto off = c;
  for (float& x : off) x *= 1.01f;
  CHECK(worst(off, p.want, p.magnitude, k) > 1);
  std::swap_ranges(c.begin(), c.begin() + n, c.begin() + 5 * n);
  CHECK(worst(c, p.want, p.magnitude, k) > 1);
}

#if defined(_OPENMP)
TEST_CASE("contract gives the same bits with one, two and three threads") {
  constexpr int m = 150, n = 210, k = 800;
  const problem<float> p(3, m, n, k, same, same), row(1, 1, n, k, same, same);
  std::vector<std::vector<float>> rows[2], packed;
  constexpr int panel = formwork::kernels::contract_schedule_for(sizeof(float), 1, 1, 1).tile_columns;
  std::vector<float> panels((n + panel - 1) / panel * panel * k);
  const int before = omp_get_max_threads();
  std::vector<std::vector<float>> results;
  for (int threads : {1, 2, 3}) {
    omp_set_num_threads(threads);
    results.push_back(product<float, 3, m, n, k>(p, true, true));
    pack_panels<float, panel>(panels.data(), p.b.data(), n, 1, k, n);
    packed.push_back(std::vector<float>(m * n));
    contract<float, 1, m, n, k>(strided_operand<float, true>{.pointer = p.a.data(), .stride = k},
                                panel_operand<float, panel>{.pointer = panels.data(), .panel_stride = k * panel},
                                store_result<float>{.pointer = packed.back().data(), .stride = n});
    for (bool b_k : {true, false}) rows[b_k].push_back(single_row<float, 1, n, k>(row, b_k));
  }
  omp_set_num_threads(before);
  for (auto const& r : rows)
    for (auto const& other : r) CHECK(std::memcmp(r[0].data(), other.data(), r[0].size() * sizeof(float)) == 0);
  for (auto const& other : packed) CHECK(std::memcmp(packed[0].data(), other.data(), packed[0].size() * sizeof(float)) == 0);
  CHECK(std::memcmp(results[0].data(), results[1].data(), results[0].size() * sizeof(float)) == 0);
  CHECK(std::memcmp(results[0].data(), results[2].data(), results[0].size() * sizeof(float)) == 0);
}
#endif

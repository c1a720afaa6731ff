// fused_loop: expressions on memory that somebody else owns. Each assign() is compiled into kernels of its own: the
// first one is a single loop over the elements, the product takes its prologue and epilogue with it.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include <formwork/nn/eager.hpp>
#include <formwork/ops/gelu.hpp>
#include <formwork/ops/tanh.hpp>
#include <formwork/run/assign.hpp>

namespace fw = formwork;

int main() {
  constexpr long rows = 64, columns = 96, inner = 32;
  std::vector<float> a(columns), b(columns), x(rows * columns), y(rows * columns), p(rows * inner), w(inner * columns);
  auto fill = [](std::vector<float>& v, float step) {
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = std::sin(step * static_cast<float>(i));
  };
  fill(a, 0.3f), fill(b, 0.5f), fill(x, 0.7f), fill(p, 0.11f), fill(w, 0.13f);

  // A view is a pointer with a compile-time shape; a std::span must have exactly as many elements.
  using matrix = fw::shape<rows, columns>;
  fw::view<const float, fw::shape<columns>> scale(a.data()), shift(b.data());
  fw::view<const float, matrix> in(x.data());
  fw::view<float, matrix> out(y.data());

  fw::assign(out, fw::gelu(scale * in + shift));  // shapes broadcast as in NumPy
  double worst = 0;
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double z = double(a[i % columns]) * x[i] + b[i % columns];
    worst = std::max(worst, std::abs(y[i] - 0.5 * z * (1 + std::erf(z / std::sqrt(2.0)))));
  }
  std::printf("gelu(a x + b): worst error %.0e\n", worst < 1e-6 ? 1e-6 : worst);

  fw::assign(out, fw::softmax(in));  // along the last axis
  double sum = 0;
  for (long j = 0; j < columns; ++j) sum += out(3, j);
  std::printf("softmax: row 3 sums to %.4f\n", sum);

  // tanh on the way into the product, bias and residual on the way out. A function of typed values names each operand
  // once.
  fw::view<const float, fw::shape<rows, inner>> left(p.data());
  fw::view<const float, fw::shape<inner, columns>> right(w.data());
  fw::assign(out, [](auto l, auto r, auto bias, auto residual) { return fw::matmul(fw::tanh(l), r) + bias + residual; },
             left, right, shift, in);
  double expected = b[5] + x[2 * columns + 5];
  for (long k = 0; k < inner; ++k) expected += std::tanh(double(left(2, k))) * right(k, 5);
  std::printf("tanh(l) r + b + x: error of element (2, 5) below 1e-5: %s\n", std::abs(out(2, 5) - expected) < 1e-5 ? "yes" : "no");
  return worst < 1e-6 && std::abs(sum - 1) < 1e-5 && std::abs(out(2, 5) - expected) < 1e-5 ? 0 : 1;
}

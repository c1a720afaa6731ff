#include <formwork/backend/cpu/simd.hpp>
#include <formwork/core/config.hpp>

float sum_of_squares(const float* x, int count) {
  using pack = formwork::cpu::pack<float, formwork::cpu::native_width<float>>;
  pack sum = 0.f;
  for (int i = 0; i < count; i += pack::width) {
    const auto p = pack::load(x + i, count - i < pack::width ? count - i : pack::width);
    sum += p * p;
  }
  float total = 0;
  for (int i = 0; i < pack::width; ++i) total += sum[i];
  return total;
}

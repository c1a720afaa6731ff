// A training step on a GPU in another project's program, beside a file of its own that g++ compiles. Where there is no GPU the
// step is not begun, and the program is told why.
#include <formwork/formwork.hpp>

#include <iostream>

float sum_of_squares(const float* x, int count);

namespace {
struct tiny : formwork::gpt_config {
  static constexpr int vocabulary = 32, context = 16, layers = 1, heads = 1, width = 32;
};
using run = formwork::training<formwork::gpt<tiny>, formwork::adamw, formwork::batch<1>, formwork::cuda_device>;
}  // namespace

int main() {
  const float x[] = {1, 2, 3, 4, 5, 6, 7};
  try {
    formwork::trainer<run> trainer({.steps = 1});
    (void)trainer;
  } catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
  }
  std::cout << "formwork " << formwork::version_major << '.' << formwork::version_minor << '.' << formwork::version_patch << ": "
            << sum_of_squares(x, 7) << '\n';
}

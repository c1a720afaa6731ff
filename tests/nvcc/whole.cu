// The table of contents of the library in a file that nvcc compiles, warnings being errors: what a program for GPUs may
// include beside its kernels, with a look at the code that nvcc is given in another form.
#include "formwork/formwork.hpp"

#include <cstdio>

using namespace formwork;

namespace {

constexpr int lanes = cpu::native_width<float>;
using vector = cpu::pack<float, lanes>;

// cpu::shuffle: x[i][j] is given as i lanes + j.
int wrong_after_transposing() {
  vector x[lanes];
  for (int i = 0; i < lanes; ++i)
    for (int j = 0; j < lanes; ++j) x[i].v[j] = static_cast<float>(i * lanes + j);
  cpu::attention::transpose(x);
  int wrong = 0;
  for (int i = 0; i < lanes; ++i)
    for (int j = 0; j < lanes; ++j) wrong += x[i][j] != static_cast<float>(j * lanes + i);
  return wrong;
}

// A view of what may be written is one of what is read.
float second(view<const float, shape<2, 3>> x) { return x(1, 0); }

}  // namespace

int main() {
  float numbers[6] = {0, 1, 2, 3, 4, 5};
  const int wrong = wrong_after_transposing();
  const float read = second(view<float, shape<2, 3>>(numbers));
  std::printf("whole: %d lanes in the wrong place, element 3 is %g\n", wrong, read);
  return wrong == 0 && read == 3 ? 0 : 1;
}

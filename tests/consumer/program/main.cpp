// What a user of the library writes first; built in three ways. Two files, so that a function which is not
// inline fails to link.
#include <formwork/backend/cpu/simd.hpp>
#include <formwork/core/config.hpp>

#include <iostream>

float sum_of_squares(const float* x, int count);

int main() {
  const float x[] = {1, 2, 3, 4, 5, 6, 7};
  std::cout << "formwork " << formwork::version_major << '.' << formwork::version_minor << '.'
            << formwork::version_patch << ": " << sum_of_squares(x, 7) << '\n';
}

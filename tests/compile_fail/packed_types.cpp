// A packed matrix holds what the CPU's products compute with.
// expect: a packed_matrix holds float or double
#include <formwork/run/assign.hpp>

using namespace formwork;

#ifdef FORMWORK_TWIN
void run(view<bf16, shape<4, 64>> x, view<bf16, shape<64, 96>> w, view<bf16, shape<4, 96>> y) {
#else
void run(view<double, shape<4, 64>> x, view<double, shape<64, 96>> w, view<double, shape<4, 96>> y) {
#endif
  assign(y, matmul(x, packed_matrix(w)));
}

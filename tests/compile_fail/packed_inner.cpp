// The error of a product with a packed matrix names the shapes as for a tensor.
// expect: shapes_do_not_match<formwork::call::matmul
// expect: shape<4, 60>
// expect: shape<64, 96>
#include <formwork/run/assign.hpp>

using namespace formwork;

#ifdef FORMWORK_TWIN
void run(view<float, shape<4, 60>> x, packed_matrix<float, 64, 96> const& w, view<float, shape<4, 96>> y) { assign(y, matmul(x, w)); }
#else
void run(view<float, shape<4, 64>> x, packed_matrix<float, 64, 96> const& w, view<float, shape<4, 96>> y) { assign(y, matmul(x, w)); }
#endif

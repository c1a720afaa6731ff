// A packed matrix is read only; pack() writes it anew.
// expect: assign: the target must be a tensor or a view
#include <formwork/run/assign.hpp>

using namespace formwork;

#ifdef FORMWORK_TWIN
void run(packed_matrix<float, 64, 96>& to, view<float, shape<64, 96>> x) { assign(to, x + x); }
#else
void run(tensor<float, shape<64, 96>>& to, view<float, shape<64, 96>> x) { assign(to, x + x); }
#endif

// The target of an assignment has exactly the expression's shape.
// expect: shapes_do_not_match<formwork::call::assign
// expect: shape<2, 3>
// expect: shape<3, 2>
#include <formwork/ops/exp.hpp>
#include <formwork/run/assign.hpp>

using namespace formwork;

#ifdef FORMWORK_TWIN
void run(view<float, shape<3, 2>> y, view<float, shape<2, 3>> x) { assign(y, exp(x)); }
#else
void run(view<float, shape<2, 3>> y, view<float, shape<2, 3>> x) { assign(y, exp(x)); }
#endif

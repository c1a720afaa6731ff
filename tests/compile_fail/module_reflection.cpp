// The parameters of a module are found by reflection.
// expect: module_has_no_reflection<module>
#include <formwork/trace/module.hpp>

using namespace formwork;

struct module {
  using weight_type = parameter<shape<3, 5>>;
#ifdef FORMWORK_TWIN
  weight_type weight;
#else
  BOOST_HANA_DEFINE_STRUCT(module, (weight_type, weight));
#endif
};

static_assert(parameter_count<module> == 15);

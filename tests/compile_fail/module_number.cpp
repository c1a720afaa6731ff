// A number of a module belongs in its type.
// expect: member_is_neither_parameter_nor_module<float>
#include <formwork/trace/module.hpp>

using namespace formwork;

struct module {
  using weight_type = parameter<shape<3, 5>>;
#ifdef FORMWORK_TWIN
  BOOST_HANA_DEFINE_STRUCT(module, (weight_type, weight), (float, rate));
#else
  static constexpr float rate = 0.1f;
  BOOST_HANA_DEFINE_STRUCT(module, (weight_type, weight));
#endif
};

static_assert(parameter_count<module> == 15);

// The reflection of a module names all its parameters.
// expect: reflection_misses_a_member<module>
#include <formwork/trace/module.hpp>

using namespace formwork;

struct module {
  using weight_type = parameter<shape<3, 5>>;
  using bias_type = parameter<shape<5>>;
#ifdef FORMWORK_TWIN
  BOOST_HANA_DEFINE_STRUCT(module, (weight_type, weight));
  bias_type bias;
#else
  BOOST_HANA_DEFINE_STRUCT(module, (weight_type, weight), (bias_type, bias));
#endif
};

static_assert(parameter_count<module> == 20);

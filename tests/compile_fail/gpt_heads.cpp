// The heads of a model divide its width.
// expect: heads_do_not_divide_the_width
// expect: heads<5>
// expect: width<32>
#include <formwork/nn/gpt.hpp>

using namespace formwork;

struct config : gpt_config {
#ifdef FORMWORK_TWIN
  static constexpr int heads = 5;
#else
  static constexpr int heads = 4;
#endif
  static constexpr int vocabulary = 64, context = 16, layers = 2, width = 32;
};

static_assert(parameter_count<gpt<config>> > 0);

// A sequence is no longer than the context of its model.
// expect: sequence_is_longer_than_the_context
// expect: shape<3, 20>
// expect: context<16>
#include <formwork/nn/gpt.hpp>

using namespace formwork;

struct config : gpt_config {
  static constexpr int vocabulary = 64, context = 16, layers = 2, heads = 4, width = 32;
};

#ifdef FORMWORK_TWIN
auto y() { return gpt<config>()(value<dtype::i32, shape<3, 20>>()); }
#else
auto y() { return gpt<config>()(value<dtype::i32, shape<3, 12>>()); }
#endif

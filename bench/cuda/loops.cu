// What docs/cuda.md's table of inner loops is made from: products of GPT-2 124M's shapes in bf16, f16 and tf32, with operands
// along either axis, split, with a prologue and with an epilogue, of the logits and their gradients; causal attention with
// heads of 64 and 128. Compiled, not run.
#include "../op_sources.hpp"
#include "formwork/backend/cuda/cuda.hpp"
#include "formwork/nn/attention.hpp"
#include "formwork/nn/loss.hpp"
#include "formwork/ops/gelu.hpp"
#include "formwork/run/step.hpp"
#include "formwork/trace/contract.hpp"

using namespace formwork;

namespace {

template <dtype Type> struct matrices {
  using rows_type = input<Type, shape<4096, 768>>;
  using right_type = input<Type, shape<768, 2304>>;
  using turned_type = input<Type, shape<4608, 768>>;
  using gradient_type = input<Type, shape<4096, 2304>>;
  using square_type = input<Type, shape<768, 768>>;
  using wide_type = input<Type, shape<768, 3072>>;
  using more_type = input<Type, shape<8192, 768>>;
  using bias_type = input<Type, shape<3072>>;
  BOOST_HANA_DEFINE_STRUCT(matrices, (rows_type, x), (right_type, w), (turned_type, v), (gradient_type, dy), (square_type, s), (wide_type, up), (more_type, y), (bias_type, b));
};
struct product { constexpr auto operator()(auto const& in) const { return matmul(in.x, in.w); } };                                   // 4096 x 2304 x 768
struct by_rows { constexpr auto operator()(auto const& in) const { return matmul(in.x, matrix_transpose(in.v)); } };                 // 4096 x 4608 x 768, both along k
struct of_weights { constexpr auto operator()(auto const& in) const { return matmul(matrix_transpose(in.x), in.dy); } };             // 768 x 2304 x 4096, neither
struct short_and_deep { constexpr auto operator()(auto const& in) const { return matmul(matrix_transpose(in.x), in.x); } };                   // 768 x 768 x 4096
struct narrow { constexpr auto operator()(auto const& in) const { return matmul(in.x, in.s); } };                                    // 4096 x 768 x 768
struct with_epilogue { constexpr auto operator()(auto const& in) const { return gelu(matmul(in.x, in.up) + in.b); } };               // 4096 x 3072 x 768
struct with_prologue { constexpr auto operator()(auto const& in) const { return matmul(gelu(in.y), in.w); } };              // 8192 x 2304 x 768

template <class Product, dtype Type = dtype::bf16> struct source : bench::forward_source<Product, matrices<Type>> { static constexpr bool prologues = true; };

struct head_operands {
  using rows_type = input<dtype::bf16, shape<4096, 768>>;
  using table_type = input<dtype::bf16, shape<50257, 768>>;
  using targets_type = input<dtype::i32, shape<4096>>;
  BOOST_HANA_DEFINE_STRUCT(head_operands, (rows_type, x), (table_type, table), (targets_type, targets));
};
struct head { constexpr auto operator()(auto const& in) const { return cross_entropy(matmul(in.x, matrix_transpose(in.table)), in.targets); } };
using head_source = bench::gradient_source<head, head_operands>;

template <long Width> struct operands {
  using tensor_type = input<dtype::bf16, shape<4, 1024, 12, Width>>;
  BOOST_HANA_DEFINE_STRUCT(operands, (tensor_type, q), (tensor_type, k), (tensor_type, v), (tensor_type, dy));
};
struct attention { constexpr auto operator()(auto const& in) const { return attend(in.q, in.k, in.v, with_mask(causal)); } };
template <long Width> using attention_source = bench::gradient_source<attention, operands<Width>>;

template <class... Source> void run_all(step_memory const& memory) { (step<compiled<Source>, cuda_device>::run(memory), ...); }

}  // namespace

void every_loop(step_memory const& memory) {
  run_all<source<product>, source<by_rows>, source<of_weights>, source<short_and_deep>, source<narrow>, source<with_epilogue>, source<with_prologue>, source<product, dtype::f16>,
          source<product, dtype::f32>, source<by_rows, dtype::f32>, source<narrow, dtype::f32>, head_source, attention_source<64>, attention_source<128>>(memory);
}

// Formwork: the table of contents, in the order in which the folders build on each other. Including it brings in
// everything; a program that uses a part of the library compiles faster with that part's headers alone.
#pragma once

// What everything stands on.
#include "core/config.hpp"        // version, the library's macros
#include "core/dtype.hpp"         // element types as types and as data
#include "core/fixed_string.hpp"  // texts in constexpr data
#include "core/trig.hpp"          // sin and cos of a float
#include "core/math.hpp"          // elementary functions of scalars
#include "core/interval.hpp"      // what is known of a condition on whole blocks of positions
#include "core/philox.hpp"        // counter-based random numbers
#include "core/arena.hpp"         // one piece of memory for a run

// Shapes: as data for the program, as types for values and errors.
#include "shape/dims.hpp"
#include "shape/shape.hpp"
#include "shape/axes.hpp"

// Tensors in memory.
#include "tensor/strides.hpp"
#include "tensor/view.hpp"    // somebody's memory
#include "tensor/tensor.hpp"  // memory of its own
#include "tensor/print.hpp"
#include "tensor/dlpack.hpp"  // to and from other libraries, without a copy

// The program: constexpr arrays of nodes, and what is known of an operation.
#include "program/op.hpp"
#include "program/apply.hpp"
#include "program/node.hpp"
#include "program/tables.hpp"
#include "program/graph.hpp"
#include "program/build.hpp"
#include "program/describe.hpp"
#include "program/frozen_graph.hpp"

// Elementwise operations, one file each: formula, derivative, cost, name.
#include "ops/add.hpp"
#include "ops/subtract.hpp"
#include "ops/multiply.hpp"
#include "ops/divide.hpp"
#include "ops/modulo.hpp"
#include "ops/negate.hpp"
#include "ops/reciprocal.hpp"
#include "ops/square.hpp"
#include "ops/abs.hpp"
#include "ops/sign.hpp"
#include "ops/floor.hpp"
#include "ops/minimum.hpp"
#include "ops/maximum.hpp"
#include "ops/clamp.hpp"
#include "ops/exp.hpp"
#include "ops/expm1.hpp"
#include "ops/log.hpp"
#include "ops/log1p.hpp"
#include "ops/sqrt.hpp"
#include "ops/rsqrt.hpp"
#include "ops/pow.hpp"
#include "ops/sin.hpp"
#include "ops/cos.hpp"
#include "ops/tanh.hpp"
#include "ops/erf.hpp"
#include "ops/sigmoid.hpp"
#include "ops/softplus.hpp"
#include "ops/relu.hpp"
#include "ops/gelu.hpp"
#include "ops/gelu_tanh.hpp"
#include "ops/silu.hpp"
#include "ops/equal.hpp"
#include "ops/not_equal.hpp"
#include "ops/less.hpp"
#include "ops/less_equal.hpp"
#include "ops/greater.hpp"
#include "ops/greater_equal.hpp"
#include "ops/logical_and.hpp"
#include "ops/logical_or.hpp"
#include "ops/logical_not.hpp"
#include "ops/select.hpp"
#include "ops/stop_gradient.hpp"  // a constant for the differentiation
#include "ops/keep.hpp"           // pins of the rematerialization: store this value
#include "ops/recompute.hpp"      // compute it again

// Typed values, and running a function on them to get a program.
#include "trace/errors.hpp"  // compile errors as sentences
#include "trace/expr.hpp"    // formulas of derivatives and passes
#include "trace/derivative.hpp"
#include "trace/value.hpp"
#include "trace/views.hpp"       // transpose, reshape, slice, split, concatenate, cast
#include "trace/reductions.hpp"  // sum, mean, maximum, minimum, variance, log_sum_exp
#include "trace/generators.hpp"  // index_along, random_like, gather, one_hot, pick
#include "trace/contract.hpp"    // matmul
#include "trace/attend.hpp"      // attention with any score and mask
#include "trace/loop.hpp"        // repeat<Count, Block>
#include "trace/module.hpp"      // parameters, inputs, modules
#include "trace/state.hpp"       // tensors kept from run to run
#include "trace/trace.hpp"

// Passes: ordinary constexpr functions, program -> program, then -> groups and memory.
#include "passes/rewrite.hpp"
#include "passes/simplify.hpp"
#include "passes/adjoint.hpp"
#include "passes/differentiate_attend.hpp"
#include "passes/differentiate.hpp"
#include "passes/lower_precision.hpp"
#include "passes/rematerialize.hpp"  // recompute or store
#include "passes/budget.hpp"         // the same for a number of bytes
#include "passes/canonicalize.hpp"
#include "passes/domain.hpp"
#include "passes/access.hpp"
#include "passes/uses.hpp"
#include "passes/group.hpp"
#include "passes/order.hpp"
#include "passes/stages.hpp"  // how often a row is walked along
#include "passes/matrix_access.hpp"
#include "passes/prologue.hpp"  // operands computed where they are read
#include "passes/loop_order.hpp"
#include "passes/fuse_operands.hpp"
#include "passes/fuse_siblings.hpp"
#include "passes/fuse_sums.hpp"
#include "passes/fuse.hpp"  // nodes -> kernels
#include "passes/storage.hpp"
#include "passes/row_pitch.hpp"  // rows of odd widths lie apart
#include "passes/liveness.hpp"
#include "passes/plan.hpp"  // one workspace, offsets
#include "passes/cost.hpp"
#include "passes/describe_fusion.hpp"
#include "passes/describe_cost.hpp"

// Kernels: a group as a tape of instructions, first as data, then as a type.
#include "kernels/instruction.hpp"
#include "kernels/placed_layout.hpp"
#include "kernels/lower.hpp"
#include "kernels/lower_contract.hpp"  // products
#include "kernels/lower_attend.hpp"
#include "kernels/frozen.hpp"
#include "kernels/tape.hpp"
#include "kernels/tape_traits.hpp"
#include "kernels/tape_prologue.hpp"
#include "kernels/tape_row.hpp"
#include "kernels/launch.hpp"
#include "kernels/contract_schedule.hpp"  // tile sizes
#include "kernels/attend_schedule.hpp"
#include "kernels/score_tape.hpp"         // what a score's tape says to every backend
#include "kernels/gpu_rows_schedule.hpp"
#include "kernels/gpu_contract_schedule.hpp"
#include "kernels/gpu_attend_schedule.hpp"
#include "kernels/describe_kernels.hpp"

// The CPU: SIMD packs, threads, and one file or a few per skeleton.
#include "backend/host_session.hpp"
#include "backend/cpu/simd.hpp"
#include "backend/cpu/simd_partial.hpp"
#include "backend/cpu/simd_memory.hpp"
#include "backend/cpu/simd_shuffle.hpp"
#include "backend/cpu/simd_reduce.hpp"
#include "backend/cpu/simd_basic.hpp"
#include "backend/cpu/simd_exp.hpp"
#include "backend/cpu/simd_log.hpp"
#include "backend/cpu/simd_pow.hpp"
#include "backend/cpu/simd_tile.hpp"
#include "backend/cpu/simd_trig.hpp"
#include "backend/cpu/simd_erf.hpp"
#include "backend/cpu/simd_math.hpp"
#include "backend/cpu/simd_philox.hpp"
#include "backend/cpu/threads.hpp"
#include "backend/cpu/execute.hpp"
#include "backend/cpu/tape_slots.hpp"
#include "backend/cpu/tape_memory.hpp"
#include "backend/cpu/tape_run.hpp"
#include "backend/cpu/tape_prefetch.hpp"
#include "backend/cpu/column_sums.hpp"
#include "backend/cpu/row_sums.hpp"
#include "backend/cpu/rows.hpp"
#include "backend/cpu/contract.hpp"
#include "backend/cpu/contract_row.hpp"
#include "backend/cpu/contract_pack.hpp"
#include "backend/cpu/contract_panels.hpp"  // packed beforehand
#include "backend/cpu/contract_micro.hpp"
#include "backend/cpu/run_contract.hpp"
#include "backend/cpu/attend.hpp"
#include "backend/cpu/attend_problem.hpp"
#include "backend/cpu/attend_score.hpp"
#include "backend/cpu/attend_block.hpp"
#include "backend/cpu/attend_forward.hpp"
#include "backend/cpu/attend_backward.hpp"
#include "backend/cpu/attend_decode.hpp"
#include "backend/cpu/pair_random.hpp"  // of attention's dropout
#include "backend/cpu/score_tape.hpp"
#include "backend/cpu/run_attend.hpp"
#include "backend/cpu/run_scatter.hpp"
#include "backend/cpu/cpu.hpp"  // cpu_device
#if defined(__CUDACC__)         // kernels for GPUs; any compiler can read them, but only this one needs them
#include "backend/cuda/lane.hpp"
#include "backend/cuda/sm80/lane.hpp"
#include "backend/cuda/execute.hpp"
#include "backend/cuda/entry.hpp"
#include "backend/cuda/tape_elements.hpp"
#include "backend/cuda/contract_operand.hpp"
#include "backend/cuda/contract_prologue.hpp"
#include "backend/cuda/contract_sums.hpp"
#include "backend/cuda/contract_epilogue.hpp"
#include "backend/cuda/contract.hpp"
#include "backend/cuda/column_sums.hpp"
#include "backend/cuda/row_sums.hpp"
#include "backend/cuda/rows_launch.hpp"  // a row by one block
#include "backend/cuda/rows_split.hpp"   // a row by several
#include "backend/cuda/rows.hpp"
#include "backend/cuda/scatter.hpp"
#include "backend/cuda/attend_tile.hpp"   // blocks in shared memory, the two products
#include "backend/cuda/attend_random.hpp"  // random numbers of pairs
#include "backend/cuda/attend_score.hpp"  // a score's tape on accumulators
#include "backend/cuda/attend_forward.hpp"
#include "backend/cuda/attend_backward.hpp"
#include "backend/cuda/attend_tables.hpp"
#include "backend/cuda/attend_query_gradient.hpp"
#include "backend/cuda/attend.hpp"
#include "backend/cuda/cuda_kernels.hpp"
#include "backend/cuda/errors.hpp"           // refusals as sentences
#include "backend/cuda/session_options.hpp"  // the caller's stream and allocator
#include "backend/cuda/session.hpp"
#include "backend/cuda/runtime.hpp"
#include "backend/cuda/cuda.hpp"  // cuda_device
#endif

// Running: a compiled program as a line of launches, and expressions of tensors.
#include "run/compile.hpp"
#include "run/step.hpp"
#include "run/lazy.hpp"
#include "run/lazy_functions.hpp"
#include "run/lazy_trace.hpp"
#include "run/packed.hpp"  // right operands of products, laid out once
#include "run/aliasing.hpp"
#include "run/assign.hpp"   // assign(y, gelu(a * x + b)) is one fused loop
#include "run/machine.hpp"  // the machine's own limit, measured
#include "run/resident.hpp"  // the highest resident memory of a piece of work, measured

// Layers and models.
#include "nn/errors.hpp"
#include "nn/initial.hpp"
#include "nn/linear.hpp"
#include "nn/embedding.hpp"
#include "nn/normalization.hpp"  // softmax, layer norm, RMS norm
#include "nn/dropout.hpp"
#include "nn/rotary.hpp"
#include "nn/attention.hpp"
#include "nn/mlp.hpp"
#include "nn/block.hpp"
#include "nn/loss.hpp"
#include "nn/logits_and_loss.hpp"  // what language models have in common
#include "nn/language_model.hpp"
#include "nn/gpt.hpp"
#include "nn/llama.hpp"
#include "nn/eager.hpp"  // the layers' formulas on tensors

// Optimizers as expressions over the parameter arena.
#include "optim/update.hpp"
#include "optim/loss_scale.hpp"
#include "optim/sgd.hpp"
#include "optim/adamw.hpp"
#include "optim/schedule.hpp"
#include "optim/optimizer_step.hpp"

// Training: text, loop, record, checkpoints, sampling.
#include "train/file.hpp"
#include "train/mapped_pieces.hpp"
#include "train/checksum.hpp"
#include "train/atomic_file.hpp"
#include "train/json_reader.hpp"
#include "train/safetensors_header.hpp"
#include "train/safetensors.hpp"
#include "train/token_data.hpp"
#include "train/token_split.hpp"
#include "train/token_check.hpp"
#include "train/permutation.hpp"
#include "train/loader.hpp"
#include "train/bigram.hpp"
#include "train/parameter_layout.hpp"
#include "train/initialize.hpp"
#include "train/training.hpp"
#include "train/step_exchange.hpp"
#include "train/training_step.hpp"
#include "train/checkpoint.hpp"
#include "train/csv_log.hpp"
#include "train/plot_ticks.hpp"
#include "train/svg_plot.hpp"
#include "train/progress.hpp"
#include "train/trainer_settings.hpp"
#include "train/decoder.hpp"
#include "train/sample.hpp"
#include "train/trainer.hpp"

// A training run as a type, and what follows from it before anything runs:
//
//   using run = formwork::training<model, formwork::adamw, formwork::batch<8>, formwork::cpu_device>;
//   static_assert(formwork::arena_bytes<run> < 600 * formwork::MiB);
#pragma once

#include "../nn/language_model.hpp"
#include "../optim/optimizer_step.hpp"
#include "../passes/lower_precision.hpp"
#include "parameter_layout.hpp"

namespace formwork {

// Sequences in one pass through the model, and their length; 0 stands for the model's context.
template <long Sequences, long Time = 0> struct batch {
  static_assert(Sequences > 0 && Time >= 0, "batch<Sequences, Time>: at least one sequence");
  static constexpr long batch_sequences = Sequences, batch_time = Time;
};

// Passes through the model whose gradients are averaged for one update.
template <long Count> struct accumulate {
  static_assert(Count > 0, "accumulate<Count>: at least one pass");
  static constexpr long accumulated_passes = Count;
};

// Activations, their gradients and the operands of products in 16 bits, bf16 or f16; parameters are updated in f32 and
// read as 16-bit working copies (passes/lower_precision.hpp). With f16 gradients are those of a multiple of the loss
// (optim/loss_scale.hpp).
template <dtype Storage> struct mixed {
  static_assert(Storage == dtype::bf16 || Storage == dtype::f16, "mixed<dtype>: bf16 or f16");
  static constexpr dtype storage = Storage;
};

// At most so many bytes for the values that a pass through the model keeps: some are computed again rather than kept.
// The kernels' scratch comes on top.
template <long Bytes> struct workspace_budget {
  static_assert(Bytes >= 0, "workspace_budget<Bytes>: a number of bytes");
  static constexpr long budget_bytes = Bytes;
};

// What training asks of a model: numbers below `vocabulary`, at most `context` of them in a row, and a loss.
template <class T>
concept language_model = requires {
  { T::vocabulary } -> std::convertible_to<long>;
  { T::context } -> std::convertible_to<long>;
};

// Names a backend: execute<Kernel> runs a kernel.
template <class T>
concept device = requires {
  typename T::template execute<void>;
};

namespace error {
template <class Option>
struct training_has_no_such_option;  // there are batch<B, T>, accumulate<N>, mixed<dtype>, workspace_budget<Bytes> and a device
template <class... Option> struct training_needs_one_batch;  // training<model, adamw, batch<8>, cpu_device>
template <class... Option> struct training_needs_one_device;
template <class Model> struct training_needs_a_model_with_vocabulary_and_context;
}  // namespace error

namespace detail {

template <class T>
concept batch_option = requires {
  T::batch_sequences;
};
template <class T>
concept accumulate_option = requires {
  T::accumulated_passes;
};

template <class T>
concept mixed_option = requires {
  { T::storage } -> std::convertible_to<dtype>;
};

template <class T>
concept budget_option = requires {
  T::budget_bytes;
};

template <class T>
concept training_option = batch_option<T> || accumulate_option<T> || mixed_option<T> || budget_option<T> ||
                          device<T>;

template <class... Option> constexpr dtype storage_of() {
  dtype to = dtype::f32;
  ((to =
    [&] {
      if constexpr (mixed_option<Option>)
        return Option::storage;
      else
        return to;
    }()),
   ...);
  return to;
}

// -1: everything may be kept.
template <class... Option> constexpr long budget_of_run() {
  long bytes = -1;
  (
      [&] {
        if constexpr (budget_option<Option>) bytes = Option::budget_bytes;
      }(),
      ...);
  return bytes;
}

template <class... Option> constexpr long sequences_of() {
  return (0 + ... + [] {
    if constexpr (batch_option<Option>)
      return Option::batch_sequences;
    else
      return 0L;
  }());
}
template <class... Option> constexpr long time_of() {
  return (0 + ... + [] {
    if constexpr (batch_option<Option>)
      return Option::batch_time;
    else
      return 0L;
  }());
}
template <class... Option> constexpr long passes_of() {
  long n = 1;
  ((n *=
    [] {
      if constexpr (accumulate_option<Option>)
        return Option::accumulated_passes;
      else
        return 1L;
    }()),
   ...);
  return n;
}
template <class Option, class... Rest> struct device_of : device_of<Rest...> {};
template <device Option, class... Rest> struct device_of<Option, Rest...> { using type = Option; };

}  // namespace detail

template <class Model, optimizer Optimizer, class... Option> struct training {
  static_assert(
      require<language_model<Model>, error::training_needs_a_model_with_vocabulary_and_context<Model>>);
  static_assert((require<detail::training_option<Option>, error::training_has_no_such_option<Option>> &&
                 ...));
  static_assert(
      require<(0 + ... + detail::batch_option<Option>) == 1, error::training_needs_one_batch<Option...>>);
  static_assert(require<(0 + ... + device<Option>) == 1, error::training_needs_one_device<Option...>>);

  using model_type = Model;
  using optimizer_type = Optimizer;
  using device_type = typename detail::device_of<Option...>::type;

  static constexpr dtype storage = detail::storage_of<Option...>();  // f32 unless mixed

  static constexpr long vocabulary = Model::vocabulary;
  static constexpr long time = detail::time_of<Option...>() > 0 ? detail::time_of<Option...>()
                                                                : static_cast<long>(Model::context);
  static constexpr long pass_sequences =
      detail::sequences_of<Option...>();                          // in one pass: also of an evaluation
  static constexpr long passes = detail::passes_of<Option...>();  // of one step
  static constexpr long sequences = passes * pass_sequences;      // of one step
  static constexpr long budget_bytes = detail::budget_of_run<Option...>();  // of the workspace; below 0: none
  static constexpr long pass_tokens = pass_sequences * time, tokens = sequences * time;
};

// The programs of a run; runs that differ in the optimizer only share them.
template <class Model, long Sequences, long Time, dtype Storage = dtype::f32, long Budget = -1> struct training_source {
  static constexpr long workspace_budget = Budget;
  static constexpr graph make() {
    if constexpr (scales_loss<Storage>) {
      graph g = differentiate(simplify(trace<scaled_loss_of, Model, scaled_language_model_inputs<Sequences, Time>>(), stop_gradients::keep), {.output = 1});
      g.outputs.erase(g.outputs.begin() + 1);  // nobody reads the multiple itself
      return lower_precision(simplify(g), Storage);
    } else {
      graph g = simplify(differentiate(
          simplify(trace<loss_of, Model, language_model_inputs<Sequences, Time>>(), stop_gradients::keep)));
      if constexpr (Storage != dtype::f32) g = lower_precision(g, Storage);
      return g;
    }
  }
};
template <class Model, long Sequences, long Time, dtype Storage = dtype::f32> struct evaluation_source {
  static constexpr graph make() {
    graph g = simplify(trace<evaluation_loss_of, Model, language_model_inputs<Sequences, Time>>());
    if constexpr (Storage != dtype::f32) g = lower_precision(g, Storage);
    return g;
  }
};

// Everything that a run executes.
template <class Run> struct run_programs {
  using model = typename Run::model_type;
  using device = typename Run::device_type;
  using layout = parameter_layout<model>;
  using training_program = compiled<training_source<model, Run::pass_sequences, Run::time, Run::storage, Run::budget_bytes>>;
  using training_step = step<training_program, device>;
  using evaluation_step = step<compiled<evaluation_source<model, Run::pass_sequences, Run::time, Run::storage>>, device>;
  using optimizer = optimizer_step<typename Run::optimizer_type, device, layout::elements, layout::decayed, Run::storage>;
  using accumulate_step = step<compiled<optim::accumulate_source<layout::elements>>, device>;
  static_assert(training_program::value.parameter_elements == layout::elements);
  static_assert(training_program::value.decayed_elements == layout::decayed);
};

// Offsets, in bytes, of the parts of the one arena of a run.
struct arena_map {
  std::size_t parameters = 0, gradients = 0, states = 0;
  std::size_t copies = 0;          // of the parameters as the model reads them: themselves unless mixed
  std::size_t loss_scale = 0;      // one number, where the loss is scaled
  std::size_t pass_gradients = 0;  // of the passes after the first, where passes accumulate
  std::size_t workspace = 0, bytes = 0;
};

template <class Run>
inline constexpr arena_map arena_map_of = [] {
  using programs = run_programs<Run>;
  using floats = typename programs::layout;
  constexpr std::size_t part = static_cast<std::size_t>(floats::elements) * sizeof(float);
  arena_map a;
  a.gradients = a.parameters + part;
  a.states = a.gradients + part;
  a.pass_gradients = a.states + static_cast<std::size_t>(programs::optimizer::state_elements) * sizeof(float);
  a.copies = a.pass_gradients + (Run::passes > 1 ? part : 0);
  a.loss_scale = a.copies + (Run::storage == dtype::f32 ? 0 : static_cast<std::size_t>(floats::elements) * size_of(Run::storage));
  a.workspace = a.loss_scale + (scales_loss<Run::storage> ? 256 : 0);
  if (Run::storage == dtype::f32) a.copies = a.parameters;
  std::size_t most = programs::training_step::workspace_bytes;
  auto take = [&](std::size_t other) { most = other > most ? other : most; };
  take(programs::evaluation_step::workspace_bytes);
  take(programs::optimizer::workspace_bytes);
  if constexpr (Run::storage != dtype::f32) take(programs::optimizer::copy_program::workspace_bytes);
  if constexpr (scales_loss<Run::storage>) take(programs::optimizer::loss_scale_program::workspace_bytes);
  if constexpr (Run::passes > 1) take(programs::accumulate_step::workspace_bytes);
  a.bytes = a.workspace + most;
  return a;
}();

// Bytes of a whole run: parameters, gradients, optimizer states, workspace, scratch of the kernels.
template <class Run> inline constexpr long long arena_bytes = static_cast<long long>(arena_map_of<Run>.bytes);

// Launches of one training step, every iteration of every loop counted.
template <class Run>
inline constexpr long kernels_per_step = [] {
  using programs = run_programs<Run>;
  long n = Run::passes * programs::training_step::launches + programs::optimizer::launches;
  if constexpr (Run::passes > 1) n += (Run::passes - 1) * programs::accumulate_step::launches;
  return n;
}();

namespace detail {
// Floating-point operations of all attentions forward and backward: 12 H D S for each query.
template <class Model, long Sequences, long Time> constexpr double attention_flops() {
  graph g = trace<evaluation_loss_of, Model, language_model_inputs<Sequences, Time>>();
  double flops = 0;
  for (node const& n : g.nodes) {
    if (n.what != kind::attend) continue;
    double copies = 1;
    for (int s = n.scope; s != 0; s = g.scopes[static_cast<std::size_t>(s)].parent)
      copies *= static_cast<double>(g.scopes[static_cast<std::size_t>(s)].count);
    flops += 12 * copies * static_cast<double>(n.shape.elements()) * static_cast<double>(g[n.in[1]].shape[1]);
  }
  return flops;
}
}  // namespace detail

// Floating-point operations of training on one token, forward and backward, by the convention of PaLM
// (Chowdhery et al. 2022, appendix B): 6 N + 12 L H Q T, N parameters, L layers of H heads of size Q, T the
// sequence length. What a causal mask skips and what is computed twice do not change it.
template <class Run>
inline constexpr double flops_per_token =
    6.0 * static_cast<double>(parameter_count<typename Run::model_type>) +
    detail::attention_flops<typename Run::model_type, Run::pass_sequences, Run::time>() /
        static_cast<double>(Run::pass_tokens);

// Tokens that make the best use of the operations spent on a model of this size: 20 per parameter (Hoffmann
// et al. 2022, table 3).
template <class Model> inline constexpr long long compute_optimal_tokens = 20ll * parameter_count<Model>;

}  // namespace formwork

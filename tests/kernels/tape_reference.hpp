// Runs lowered kernels as data, at run time, with the memory plan's bytes but without templates: so thousands of programs
// can be tested without compiling them. The workspace starts as NaN, so that a value read before it is written shows.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/attend_reference.hpp"
#include "kernels/row_reference.hpp"

namespace formwork::testing {

class kernel_machine {
 public:
  using bytes = std::vector<unsigned char>;

  kernel_machine(program_buffer const& program, memory_plan const& plan, graph const& source, walk_order o = {})
      : p(program), m(plan), g(source), order(o), workspace(static_cast<std::size_t>(program.workspace_bytes) + 64, 0xff),
        parameters(static_cast<std::size_t>(plan.parameter_elements) * 4, 0), gradients(parameters.size(), 0xff) {
    for (auto const& i : g.inputs) inputs.emplace_back(static_cast<std::size_t>(i.shape.elements()) * size_of(i.type), 0);
    for (auto const& out : g.outputs)
      if (out.what != role::parameter_gradient) outputs.emplace_back(static_cast<std::size_t>(g[out.node].shape.elements()) * size_of(g[out.node].type), 0xff);
  }

  void set_input(int k, std::vector<double> const& x) {
    for (std::size_t i = 0; i < x.size(); ++i) put_element(inputs[static_cast<std::size_t>(k)].data(), static_cast<long>(i), g.inputs[static_cast<std::size_t>(k)].type, x[i]);
  }
  void set_parameter(int k, std::vector<double> const& x) {
    for (std::size_t i = 0; i < x.size(); ++i) put_element(parameters.data(), m.parameters[static_cast<std::size_t>(k)].offset + static_cast<long>(i), dtype::f32, x[i]);
  }
  std::vector<double> output(std::size_t k) {
    auto const& out = g.outputs[k];
    std::vector<double> y;
    if (out.what == role::parameter_gradient) {
      auto const& info = g.parameters[static_cast<std::size_t>(out.number)];
      for (long i = 0; i < info.elements(); ++i) y.push_back(get_element(gradients.data(), m.parameters[static_cast<std::size_t>(out.number)].offset + i, dtype::f32));
    } else {
      std::size_t number = 0;
      for (std::size_t j = 0; j < k; ++j) number += g.outputs[j].what != role::parameter_gradient;
      for (long i = 0; i < g[out.node].shape.elements(); ++i) y.push_back(get_element(outputs[number].data(), i, g[out.node].type));
    }
    return y;
  }

  void run(std::uint64_t run_seed = 0, std::uint32_t run_step = 0) {
    seed = run_seed;
    step = run_step;
    for (int k = 0; k < p.kernel_count;) {
      int scope = p.kernels[static_cast<std::size_t>(k)].scope, end = k + 1;
      if (scope == 0) {
        launch(k, 0, 0);
      } else {
        while (end < p.kernel_count && p.kernels[static_cast<std::size_t>(end)].scope == scope) ++end;
        auto const& loop = p.scopes[static_cast<std::size_t>(scope)];
        for (long n = 0; n < loop.count; ++n)
          for (int j = k; j < end; ++j) launch(j, loop.reversed ? loop.count - 1 - n : n, n);
      }
      k = end;
    }
  }

 private:
  program_buffer const& p;
  memory_plan const& m;
  graph const& g;
  walk_order order;
  bytes workspace, parameters, gradients;
  std::vector<bytes> inputs, outputs;
  std::uint64_t seed = 0;
  std::uint32_t step = 0;

  void launch(int number, long i, long n) {
    launched_kernel kernel{.p = p, .k = &p.kernels[static_cast<std::size_t>(number)], .base = {}, .limit = {}, .iteration = i, .seed = seed, .step = step};
    for (int a = 0; a < kernel.k->arguments; ++a) {
      binding const& b = p.bindings[static_cast<std::size_t>(kernel.k->first_argument + a)];
      bytes* where = nullptr;
      if (!b.absent) {
        where = b.where == region::workspace ? &workspace : b.where == region::parameters ? &parameters : b.where == region::gradients ? &gradients
                : b.where == region::input ? &inputs.at(static_cast<std::size_t>(b.number)) : &outputs.at(static_cast<std::size_t>(b.number));
        long at = b.offset;
        if (b.moves == motion::stacked) at += b.step * (i + b.shift);
        else if (b.moves == motion::alternating) at += b.step * ((n + b.shift) % 2);
        if (at < 0 || at > static_cast<long>(where->size())) throw std::runtime_error("kernel " + std::to_string(number) + " is bound outside its memory");
        if (b.where == region::parameters && kernel.argument(a).write) throw std::runtime_error("a kernel writes into the parameters");
        kernel.base.push_back(where->data() + at);
        kernel.limit.push_back(where->data() + where->size());
      } else {
        kernel.base.push_back(nullptr);
        kernel.limit.push_back(nullptr);
      }
    }
    switch (kernel.k->what) {
      case skeleton::rows: row_reference(kernel, order).rows(); break;
      case skeleton::contract: row_reference(kernel, order).contract(); break;
      case skeleton::scatter: row_reference(kernel, order).scatter(); break;
      case skeleton::attend: attend_reference(kernel).forward(); break;
      case skeleton::attend_backward: attend_reference(kernel).backward(); break;
    }
  }
};

}  // namespace formwork::testing

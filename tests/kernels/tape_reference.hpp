// Runs lowered kernels as data, at run time: one plain loop per skeleton over the frozen program, with the memory plan's
// bytes but without templates. So thousands of programs can be tested without compiling them. Sums are f64, values f32; the workspace starts as NaN, so that a value read before it is written shows.
#pragma once

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "formwork/kernels/frozen.hpp"
#include "formwork/kernels/launch.hpp"
#include "support/random_counter.hpp"

namespace formwork::testing {

// The order in which a row kernel goes through its work: every order that threads and vectors may take gives the
// same values.
struct walk_order {
  bool rows_backwards = false;
  bool columns_backwards = false;
  int lanes = 8;
};

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
    for (std::size_t i = 0; i < x.size(); ++i) put(inputs[static_cast<std::size_t>(k)].data(), static_cast<long>(i), g.inputs[static_cast<std::size_t>(k)].type, x[i]);
  }
  void set_parameter(int k, std::vector<double> const& x) {
    for (std::size_t i = 0; i < x.size(); ++i) put(parameters.data(), m.parameters[static_cast<std::size_t>(k)].offset + static_cast<long>(i), dtype::f32, x[i]);
  }
  std::vector<double> output(std::size_t k) {
    auto const& out = g.outputs[k];
    std::vector<double> y;
    if (out.what == role::parameter_gradient) {
      auto const& info = g.parameters[static_cast<std::size_t>(out.number)];
      for (long i = 0; i < info.elements(); ++i) y.push_back(get(gradients.data(), m.parameters[static_cast<std::size_t>(out.number)].offset + i, dtype::f32));
    } else {
      std::size_t number = 0;
      for (std::size_t j = 0; j < k; ++j) number += g.outputs[j].what != role::parameter_gradient;
      for (long i = 0; i < g[out.node].shape.elements(); ++i) y.push_back(get(outputs[number].data(), i, g[out.node].type));
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
  // The launch at hand.
  frozen_kernel const* k = nullptr;
  std::vector<unsigned char*> base;
  std::vector<unsigned char*> limit;  // one past the memory that the argument points into
  long iteration = 0;

  static double get(unsigned char const* at, long i, dtype t) {
    switch (t) {
      case dtype::f32: { float x; std::memcpy(&x, at + 4 * i, 4); return x; }
      case dtype::i32: { std::int32_t x; std::memcpy(&x, at + 4 * i, 4); return x; }
      case dtype::boolean: return at[i];
      default: throw std::runtime_error("an element type that the reference does not know");
    }
  }
  static void put(unsigned char* at, long i, dtype t, double v) {
    switch (t) {
      case dtype::f32: { float x = static_cast<float>(v); std::memcpy(at + 4 * i, &x, 4); return; }
      case dtype::i32: { std::int32_t x = std::isfinite(v) ? static_cast<std::int32_t>(v) : 0; std::memcpy(at + 4 * i, &x, 4); return; }
      case dtype::boolean: at[i] = v != 0; return;
      default: throw std::runtime_error("an element type that the reference does not know");
    }
  }

  instruction const& at(int i) const { return p.tape[static_cast<std::size_t>(k->first_instruction + i)]; }
  frozen_argument const& argument(int a) const { return p.arguments[static_cast<std::size_t>(k->first_argument + a)]; }

  static long offset(address const& a, long number) {
    long o = 0;
    for (int i = a.rank - 1; i >= 0; --i) {
      o += (i > 0 ? number % a.extent[i] : number) * a.stride[i];
      if (i > 0) number /= a.extent[i];
    }
    return o;
  }
  void within(int a, long element) const {
    long size = static_cast<long>(size_of(argument(a).type));
    unsigned char* where = base[static_cast<std::size_t>(a)] + element * size;
    if (element < 0 || where + size > limit[static_cast<std::size_t>(a)])
      throw std::runtime_error("kernel " + std::to_string(k - p.kernels.data()) + " leaves the memory of argument " + std::to_string(a));
  }
  double read(int a, long element) const {
    within(a, element);
    return get(base[static_cast<std::size_t>(a)], element, argument(a).type);
  }
  void write(int a, long element, double v) const {
    within(a, element);
    put(base[static_cast<std::size_t>(a)], element, argument(a).type, v);
  }

  void launch(int number, long i, long n) {
    k = &p.kernels[static_cast<std::size_t>(number)];
    iteration = i;
    base.clear();
    limit.clear();
    for (int a = 0; a < k->arguments; ++a) {
      binding const& b = p.bindings[static_cast<std::size_t>(k->first_argument + a)];
      bytes* where = nullptr;
      if (!b.absent) {
        where = b.where == region::workspace ? &workspace : b.where == region::parameters ? &parameters : b.where == region::gradients ? &gradients
                : b.where == region::input ? &inputs.at(static_cast<std::size_t>(b.number)) : &outputs.at(static_cast<std::size_t>(b.number));
        long at = b.offset;
        if (b.moves == motion::stacked) at += b.step * (i + b.shift);
        else if (b.moves == motion::alternating) at += b.step * ((n + b.shift) % 2);
        if (at < 0 || at > static_cast<long>(where->size())) throw std::runtime_error("kernel " + std::to_string(number) + " is bound outside its memory");
        if (b.where == region::parameters && argument(a).write) throw std::runtime_error("a kernel writes into the parameters");
        base.push_back(where->data() + at);
        limit.push_back(where->data() + where->size());
      } else {
        base.push_back(nullptr);
        limit.push_back(nullptr);
      }
    }
    switch (k->what) {
      case skeleton::rows: rows(); break;
      case skeleton::contract: contract(); break;
      case skeleton::scatter: scatter(); break;
      case skeleton::attend: attend(); break;
      case skeleton::attend_backward: attend_backward(); break;
    }
  }

  // ---- tapes over a domain of rows and columns ----

  std::vector<double> row_value, sums;
  std::vector<std::vector<double>> lane_value, kept, column_sums;
  std::vector<long> row_offset;
  long current_row = 0;

  bool is_row(int slot) const { return at(slot).at == level::row || at(slot).what == opcode::constant; }
  double value_of(int slot, int lane) const { return is_row(slot) ? row_value[static_cast<std::size_t>(slot)] : lane_value[static_cast<std::size_t>(slot)][static_cast<std::size_t>(lane)]; }

  static double converted(double x, dtype t) { return t == dtype::i32 ? std::trunc(x) : t == dtype::boolean ? x != 0 : x; }
  double computed(instruction const& i, int lane) const {
    double x[max_operands]{};
    for (int j = 0; j < max_operands && i.in[j] >= 0; ++j) x[j] = value_of(i.in[j], lane);
    // Rounded, so that what is computed twice has the same bits twice.
    double y = i.what == opcode::cast ? converted(x[0], i.type) : i.op->evaluate(x);
    return i.type == dtype::f32 ? static_cast<double>(static_cast<float>(y)) : y;
  }
  double generated(instruction const& i, long where) const {
    if (i.what == opcode::index) return static_cast<double>(where / i.inner % i.extent);
    return random_counter({seed, step, static_cast<std::uint32_t>(i.inner), static_cast<std::uint32_t>(iteration), static_cast<std::uint64_t>(where)});
  }

  void start_row(long r) {
    current_row = r;
    row_offset.assign(static_cast<std::size_t>(k->arguments), 0);
    for (int a = 0; a < k->arguments; ++a) row_offset[static_cast<std::size_t>(a)] = offset(argument(a).row, r);
    row_value.assign(static_cast<std::size_t>(k->instructions), std::numeric_limits<double>::quiet_NaN());
    lane_value.assign(static_cast<std::size_t>(k->instructions), std::vector<double>(static_cast<std::size_t>(order.lanes), std::numeric_limits<double>::quiet_NaN()));
    kept.assign(static_cast<std::size_t>(k->kept), std::vector<double>(static_cast<std::size_t>(k->columns), std::numeric_limits<double>::quiet_NaN()));
  }

  void row_level(int stage) {
    for (int s = 0; s < k->instructions; ++s) {
      instruction const& i = at(s);
      if (i.what == opcode::gather && stage == 0) {
        auto const& table = argument(i.argument);
        row_offset[static_cast<std::size_t>(i.argument)] = static_cast<long>(row_value[static_cast<std::size_t>(i.in[0])]) * table.row.stride[0];
      }
      if (i.at != level::row || i.stage != stage) continue;
      double& v = row_value[static_cast<std::size_t>(s)];
      switch (i.what) {
        case opcode::constant: v = i.number; break;
        case opcode::load: v = read(i.argument, row_offset[static_cast<std::size_t>(i.argument)]); break;
        case opcode::index: case opcode::random: v = generated(i, row_offset[static_cast<std::size_t>(i.argument)]); break;
        case opcode::map: case opcode::cast: v = computed(i, 0); break;
        case opcode::store: write(i.argument, row_offset[static_cast<std::size_t>(i.argument)], row_value[static_cast<std::size_t>(i.in[0])]); break;
        default: break;
      }
    }
  }

  // Element-level instructions of a stage at columns [c, c + count).
  void elements(int stage, long c, int count, std::vector<std::vector<double>> const& accumulated = {}) {
    std::size_t product = 0;
    for (int s = 0; s < k->instructions; ++s) {
      instruction const& i = at(s);
      bool reduces = i.what == opcode::reduce_sum || i.what == opcode::reduce_maximum || i.what == opcode::column_sum || i.what == opcode::column_maximum;
      if ((i.at == level::row && !reduces) || !(i.evaluated >> stage & 1u)) continue;
      if (i.what == opcode::accumulator) ++product;
      for (int l = 0; l < count; ++l) {
        double& v = lane_value[static_cast<std::size_t>(s)][static_cast<std::size_t>(l)];
        auto element = [&] { return row_offset[static_cast<std::size_t>(i.argument)] + offset(argument(i.argument).column, c + l); };
        switch (i.what) {
          case opcode::load: case opcode::gather: v = read(i.argument, element()); break;
          case opcode::index: case opcode::random: v = generated(i, element()); break;
          case opcode::map: case opcode::cast: v = computed(i, l); break;
          case opcode::accumulator: v = static_cast<float>(accumulated.at(product - 1).at(static_cast<std::size_t>(l))); break;
          case opcode::store: write(i.argument, element(), value_of(i.in[0], l)); break;
          case opcode::operand: computed_operand = value_of(i.in[0], l); break;
          case opcode::keep: kept[static_cast<std::size_t>(i.argument)][static_cast<std::size_t>(c + l)] = value_of(i.in[0], l); break;
          case opcode::recall: lane_value[static_cast<std::size_t>(i.in[0])][static_cast<std::size_t>(l)] = kept[static_cast<std::size_t>(i.argument)][static_cast<std::size_t>(c + l)]; break;
          case opcode::reduce_sum: sums[static_cast<std::size_t>(s)] += value_of(i.in[0], l); break;
          case opcode::reduce_maximum: sums[static_cast<std::size_t>(s)] = std::max(sums[static_cast<std::size_t>(s)], value_of(i.in[0], l)); break;
          case opcode::column_sum: column_sums[static_cast<std::size_t>(s)][static_cast<std::size_t>(c + l)] += value_of(i.in[0], l); break;
          case opcode::column_maximum: {
            double& t = column_sums[static_cast<std::size_t>(s)][static_cast<std::size_t>(c + l)];
            t = std::max(t, value_of(i.in[0], l));
            break;
          }
          default: throw std::runtime_error("an element-level instruction that no row kernel has");
        }
      }
    }
  }

  void each_block(auto const& f) {
    long blocks = (k->columns + order.lanes - 1) / order.lanes;
    for (long b = 0; b < blocks; ++b) {
      long c = (order.columns_backwards ? blocks - 1 - b : b) * order.lanes;
      f(c, static_cast<int>(std::min<long>(order.lanes, k->columns - c)));
    }
  }
  double neutral(int s) const {
    return at(s).what == opcode::reduce_maximum || at(s).what == opcode::column_maximum ? -std::numeric_limits<double>::infinity() : 0.0;
  }

  void rows() {
    column_sums.assign(static_cast<std::size_t>(k->instructions), std::vector<double>(static_cast<std::size_t>(k->columns)));
    for (int s = 0; s < k->instructions; ++s) std::fill(column_sums[static_cast<std::size_t>(s)].begin(), column_sums[static_cast<std::size_t>(s)].end(), neutral(s));
    auto visit = [&](auto const& f) {
      for (long r = 0; r < k->rows; ++r) f(order.rows_backwards ? k->rows - 1 - r : r);
    };
    auto finish = [&](long c, int count) {
      for (int s = 0; s < k->instructions; ++s)
        if (at(s).what == opcode::column_sum || at(s).what == opcode::column_maximum)
          for (int l = 0; l < count; ++l)
            write(at(s).argument, offset(argument(at(s).argument).column, c + l), column_sums[static_cast<std::size_t>(s)][static_cast<std::size_t>(c + l)]);
    };
    if (k->column_reductions && !k->row_reductions) {
      if (k->stages != 1) throw std::runtime_error("a kernel of column reductions has more than one stage");
      each_block([&](long c, int count) {
        visit([&](long r) {
          start_row(r);
          row_level(0);
          elements(0, c, count);
          if (c == 0) row_level(1);
        });
        finish(c, count);
      });
      return;
    }
    visit([&](long r) {
      start_row(r);
      for (int s = 0; s < k->stages; ++s) {
        row_level(s);
        sums.assign(static_cast<std::size_t>(k->instructions), 0.0);
        for (int j = 0; j < k->instructions; ++j) sums[static_cast<std::size_t>(j)] = neutral(j);
        each_block([&](long c, int count) { elements(s, c, count); });
        for (int j = 0; j < k->instructions; ++j)
          if ((at(j).what == opcode::reduce_sum || at(j).what == opcode::reduce_maximum) && at(j).stage == s) row_value[static_cast<std::size_t>(j)] = static_cast<float>(sums[static_cast<std::size_t>(j)]);
      }
      row_level(k->stages);
    });
    each_block(finish);
  }

  // The elements [batch, outer, inner] of an operand that the kernel computes; none where it lies in memory.
  double computed_operand = 0;
  std::vector<double> prologue(int which) {
    std::vector<double> x;
    for (int s = 0; s < k->instructions; ++s) {
      instruction const& end = at(s);
      if (end.what != opcode::operand || end.extent != which) continue;
      const matrix_strides m = k->matrix[which];
      for (long n = 0; n < k->batch; ++n)
        for (long o = 0; o < (which == 0 ? k->rows : k->columns); ++o)
          for (long d = 0; d < k->depth; ++d) {
            const long where = n * m.batch + o * m.outer + d * m.inner;
            start_row(where / end.inner);
            row_level(which + 1);
            elements(which + 1, where % end.inner, 1);
            x.push_back(computed_operand);
          }
    }
    return x;
  }

  void contract() {
    auto const &a = k->matrix[0], &b = k->matrix[1];
    const std::vector<double> left = prologue(0), right = prologue(1);
    auto of_a = [&](long n, long row, long d) {
      return left.empty() ? read(0, n * a.batch + row * a.outer + d * a.inner) : left[static_cast<std::size_t>((n * k->rows + row) * k->depth + d)];
    };
    auto of_b = [&](int number, long n, long column, long d) {
      return right.empty() ? read(number, n * b.batch + column * b.outer + d * b.inner) : right[static_cast<std::size_t>((n * k->columns + column) * k->depth + d)];
    };
    for (long n = 0; n < k->batch; ++n)
      for (long row = 0; row < k->rows; ++row)
        each_block([&](long c, int count) {
          std::vector<std::vector<double>> sum;
          for (int s = 0; s < k->instructions; ++s) {
            if (at(s).what != opcode::accumulator) continue;
            auto& x = sum.emplace_back(static_cast<std::size_t>(order.lanes), 0.0);
            for (int l = 0; l < count; ++l)
              for (long d = 0; d < k->depth; ++d) x[static_cast<std::size_t>(l)] += of_a(n, row, d) * of_b(static_cast<int>(sum.size()), n, c + l, d);
          }
          start_row(n * k->rows + row);
          row_level(0);
          elements(0, c, count, sum);
        });
  }

  void scatter() {
    long n = k->table_rows * k->columns;
    for (long i = 0; i < n && k->stages != 1; ++i) write(3, i, k->stages == 0 ? 0.0 : read(0, i));
    for (long r = 0; r < k->rows; ++r)
      for (long c = 0; c < k->columns; ++c) {
        long to = static_cast<long>(read(1, r)) * k->columns + c;
        write(3, to, read(3, to) + read(2, r * k->columns + c));
      }
  }

  // ---- attention ----

  std::vector<double> body;
  double score(long b, long h, long t, long s, double raw, double gradient) {
    body.assign(static_cast<std::size_t>(k->instructions), 0.0);
    long position[] = {b, h, t, s};
    for (int j = 0; j < k->instructions; ++j) {
      instruction const& i = at(j);
      double& v = body[static_cast<std::size_t>(j)];
      switch (i.what) {
        case opcode::constant: v = i.number; break;
        case opcode::index: v = static_cast<double>(position[i.inner]); break;
        case opcode::random: {
          long where = 0;
          for (int d = 0; d < 4; ++d) where += position[d] * argument(i.argument).row.stride[d];
          v = generated(i, where);
          break;
        }
        case opcode::score: v = raw; break;
        case opcode::score_gradient: v = gradient; break;
        case opcode::lookup: v = read(i.argument, looked_up(i, 0)); break;
        case opcode::map: case opcode::cast: {
          double x[max_operands]{};
          for (int q = 0; q < max_operands && i.in[q] >= 0; ++q) x[q] = body[static_cast<std::size_t>(i.in[q])];
          v = i.what == opcode::cast ? converted(x[0], i.type) : i.op->evaluate(x);
          break;
        }
        default: break;
      }
    }
    return k->results[0] >= 0 ? body[static_cast<std::size_t>(k->results[0])] : raw;
  }
  // The factor of the pair's probability.
  double weight() const {
    for (int j = 0; j < k->instructions; ++j)
      if (at(j).what == opcode::weigh) return body[static_cast<std::size_t>(at(j).in[0])];
    return 1;
  }
  // Indices outside the table read its nearest element.
  long looked_up(instruction const& i, int first) const {
    address const& table = argument(i.argument).row;
    long where = 0;
    for (int d = 0; d < table.rank; ++d) {
      long x = static_cast<long>(body[static_cast<std::size_t>(i.in[first + d])]);
      where += std::min(std::max(x, 0l), table.extent[d] - 1) * table.stride[d];
    }
    return where;
  }
  bool visible() const { return k->results[2] < 0 || body[static_cast<std::size_t>(k->results[2])] != 0; }
  long head(int a, long b, long t, long h) const {
    address const& r = argument(a).row;
    return b * r.stride[0] + t * r.stride[1] + h * r.stride[2];
  }
  double dot(int a, long i, int b, long j) const {
    double x = 0;
    for (long d = 0; d < k->shape[0].size[3]; ++d) x += read(a, i + d) * read(b, j + d);
    return x;
  }
  void each_query(auto const& f) {
    dims const &q = k->shape[0], &s = k->shape[1];
    for (long b = 0; b < q[0]; ++b)
      for (long h = 0; h < q[2]; ++h)
        for (long t = 0; t < q[1]; ++t) f(b, h, t, h / (q[2] / s[2]), (b * q[2] + h) * q[1] + t);
  }

  void attend() {
    long depth = k->shape[0].size[3], keys = k->shape[1].size[1];
    each_query([&](long b, long h, long t, long group, long n) {
      std::vector<double> z(static_cast<std::size_t>(keys), -std::numeric_limits<double>::infinity()), factor(z.size(), 1.0), sum(static_cast<std::size_t>(depth), 0.0);
      double top = -std::numeric_limits<double>::infinity(), total = 0;
      for (long s = 0; s < keys; ++s) {
        double x = score(b, h, t, s, dot(0, head(0, b, t, h), 1, head(1, b, s, group)), 0);
        if (visible()) z[static_cast<std::size_t>(s)] = x, factor[static_cast<std::size_t>(s)] = weight();
        top = std::max(top, z[static_cast<std::size_t>(s)]);
      }
      for (long s = 0; s < keys && top > -std::numeric_limits<double>::infinity(); ++s) {
        double e = std::exp(z[static_cast<std::size_t>(s)] - top);
        total += e;
        for (long d = 0; d < depth; ++d) sum[static_cast<std::size_t>(d)] += e == 0 ? 0 : e * factor[static_cast<std::size_t>(s)] * read(2, head(2, b, s, group) + d);
      }
      for (long d = 0; d < depth; ++d) write(3, head(3, b, t, h) + d, total > 0 ? sum[static_cast<std::size_t>(d)] / total : 0);
      if (base[4]) write(4, n, total > 0 ? top + std::log(total) : -std::numeric_limits<double>::infinity());
    });
  }

  void attend_backward() {
    long depth = k->shape[0].size[3], keys = k->shape[1].size[1];
    dims const &q = k->shape[0], &kv = k->shape[1];
    auto clear = [&](int a, dims const& d) {
      if (!base[static_cast<std::size_t>(a)]) return;
      for (long b = 0; b < d[0]; ++b)
        for (long t = 0; t < d[1]; ++t)
          for (long h = 0; h < d[2]; ++h)
            for (long i = 0; i < depth; ++i) write(a, head(a, b, t, h) + i, 0);
    };
    clear(6, q);
    clear(7, kv);
    clear(8, kv);
    for (int j = 0; j < k->instructions; ++j)
      if (at(j).what == opcode::lookup_gradient) {
        address const& table = argument(at(j).argument).row;
        long n = 1;
        for (int d = 0; d < table.rank; ++d) n *= table.extent[d];
        for (long i = 0; i < n; ++i) write(at(j).argument, offset(table, i), 0);
      }
    auto add = [&](int a, long i, double x) {
      if (base[static_cast<std::size_t>(a)]) write(a, i, read(a, i) + x);
    };
    each_query([&](long b, long h, long t, long group, long n) {
      double delta = dot(3, head(3, b, t, h), 5, head(5, b, t, h)), lse = read(4, n);
      for (long s = 0; s < keys; ++s) {
        double raw = dot(0, head(0, b, t, h), 1, head(1, b, s, group));
        double z = score(b, h, t, s, raw, 0);
        if (!visible()) continue;
        double e = std::exp(z - lse), factor = weight(), dz = e * (factor * dot(5, head(5, b, t, h), 2, head(2, b, s, group)) - delta);
        score(b, h, t, s, raw, dz);
        double ds = k->results[1] >= 0 ? body[static_cast<std::size_t>(k->results[1])] : dz;
        for (long d = 0; d < depth; ++d) {
          add(6, head(6, b, t, h) + d, ds * read(1, head(1, b, s, group) + d));
          add(7, head(7, b, s, group) + d, ds * read(0, head(0, b, t, h) + d));
          add(8, head(8, b, s, group) + d, e * factor * read(5, head(5, b, t, h) + d));
        }
        for (int j = 0; j < k->instructions; ++j)
          if (at(j).what == opcode::lookup_gradient) add(at(j).argument, looked_up(at(j), 1), body[static_cast<std::size_t>(at(j).in[0])]);
      }
    });
  }
};

}  // namespace formwork::testing

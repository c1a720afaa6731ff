// Tapes over a domain of rows and columns, and the products and sums around them, one plain loop for each skeleton. Sums are
// f64, values f32.
#pragma once

#include <algorithm>
#include <limits>

#include "kernels/launched_kernel.hpp"

namespace formwork::testing {

// The order in which a row kernel goes through its work: every order that threads and vectors may take gives the
// same values.
struct walk_order {
  bool rows_backwards = false;
  bool columns_backwards = false;
  int lanes = 8;
};

class row_reference : launched_kernel {
 public:
  row_reference(launched_kernel const& launched, walk_order o) : launched_kernel(launched), order(o) {}

  void rows() {
    start_columns();
    auto visit = [&](auto const& f) {
      for (long r = 0; r < k->rows; ++r) f(order.rows_backwards ? k->rows - 1 - r : r);
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
        finish_columns(c, count);
      });
      return;
    }
    visit([&](long r) {
      start_row(r);
      for (int s = 0; s < k->stages; ++s) {
        row_level(s);
        start_sums();
        each_block([&](long c, int count) { elements(s, c, count); });
        finish_sums(s);
      }
      row_level(k->stages);
    });
    each_block([&](long c, int count) { finish_columns(c, count); });
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
    start_columns();
    for (long n = 0; n < k->batch; ++n)
      for (long row = 0; row < k->rows; ++row) {
        start_row(n * k->rows + row);
        row_level(0);
        start_sums();
        each_block([&](long c, int count) {
          std::vector<std::vector<double>> sum;
          for (int s = 0; s < k->instructions; ++s) {
            if (at(s).what != opcode::accumulator) continue;
            auto& x = sum.emplace_back(static_cast<std::size_t>(order.lanes), 0.0);
            for (int l = 0; l < count; ++l)
              for (long d = 0; d < k->depth; ++d) x[static_cast<std::size_t>(l)] += of_a(n, row, d) * of_b(static_cast<int>(sum.size()), n, c + l, d);
          }
          elements(0, c, count, sum);
        });
        finish_sums(0);
        row_level(1);
      }
    each_block([&](long c, int count) { finish_columns(c, count); });
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

 private:
  // Along a row.
  void start_sums() {
    sums.assign(static_cast<std::size_t>(k->instructions), 0.0);
    for (int j = 0; j < k->instructions; ++j) sums[static_cast<std::size_t>(j)] = neutral(j);
  }
  void finish_sums(int stage) {
    for (int j = 0; j < k->instructions; ++j)
      if ((at(j).what == opcode::reduce_sum || at(j).what == opcode::reduce_maximum) && at(j).stage == stage) row_value[static_cast<std::size_t>(j)] = static_cast<float>(sums[static_cast<std::size_t>(j)]);
  }
  void start_columns() {
    column_sums.assign(static_cast<std::size_t>(k->instructions), std::vector<double>(static_cast<std::size_t>(k->columns)));
    for (int s = 0; s < k->instructions; ++s) std::fill(column_sums[static_cast<std::size_t>(s)].begin(), column_sums[static_cast<std::size_t>(s)].end(), neutral(s));
  }
  void finish_columns(long c, int count) {
    for (int s = 0; s < k->instructions; ++s)
      if (at(s).what == opcode::column_sum || at(s).what == opcode::column_maximum)
        for (int l = 0; l < count; ++l)
          write(at(s).argument, offset(argument(at(s).argument).column, c + l), column_sums[static_cast<std::size_t>(s)][static_cast<std::size_t>(c + l)]);
  }

  walk_order order;
  std::vector<double> row_value, sums;
  std::vector<std::vector<double>> lane_value, kept, column_sums;
  std::vector<long> row_offset;

  bool is_row(int slot) const { return at(slot).at == level::row || at(slot).what == opcode::constant; }
  double value_of(int slot, int lane) const { return is_row(slot) ? row_value[static_cast<std::size_t>(slot)] : lane_value[static_cast<std::size_t>(slot)][static_cast<std::size_t>(lane)]; }

  double computed(instruction const& i, int lane) const {
    double x[max_operands]{};
    for (int j = 0; j < max_operands && i.in[j] >= 0; ++j) x[j] = value_of(i.in[j], lane);
    // Rounded, so that what is computed twice has the same bits twice.
    double y = i.what == opcode::cast ? converted(x[0], i.type) : i.op->evaluate(x);
    return i.type == dtype::f32 ? static_cast<double>(static_cast<float>(y)) : y;
  }

  void start_row(long r) {
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
            row_level(which + 2);
            elements(which + 2, where % end.inner, 1);
            x.push_back(computed_operand);
          }
    }
    return x;
  }
};

}  // namespace formwork::testing

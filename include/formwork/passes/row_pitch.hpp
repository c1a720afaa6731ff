// How far apart the rows of a value lie in the workspace. Rows of a number of bytes that is no multiple of 16, as of 50257
// logits, begin at odd places, and every kernel would read and write them element by element. Where all who read and write
// such a value can address it by strides, its rows lie a little further apart.
#pragma once

#include "prologue.hpp"

namespace formwork {

struct plan_options {
  long shortest_row = 128;  // bytes: shorter ones follow each other without a gap
};

// Bytes from row to row: the row, and at most an eighth of it more, so that rows begin at multiples of 16, which is what one
// thread of a GPU loads at once; long ones at multiples of 64, a line of a CPU's cache and two sectors of a GPU's.
constexpr long row_pitch(long bytes, plan_options o = {}) {
  if (bytes % 16 == 0 || bytes < o.shortest_row) return bytes;
  const long unit = bytes < 8 * 32 ? 16 : bytes < 8 * 64 ? 32 : 64;
  return (bytes + unit - 1) / unit * unit;
}

namespace detail {

class row_placement {
 public:
  constexpr explicit row_placement(fusion const& fused, plan_options o) : f(fused), g(fused.g), options(o), bound(fused.g.nodes.size(), 0) {
    // What leaves the program, or moves from iteration to iteration, or is a part of something, lies as others expect it.
    for (auto const& output : g.outputs) bound[static_cast<std::size_t>(storage_behind(g, output.node))] = 1;
    for (int i = 0; i < g.size(); ++i)
      if (is_loop_view(g[i].what) || g[i].what == kind::carry || g[i].what == kind::final || g[i].what == kind::concatenate) {
        bound[static_cast<std::size_t>(i)] = 1;
        for (int j = 0; j < g[i].inputs; ++j) bound[static_cast<std::size_t>(storage_behind(g, g[i].in[static_cast<std::size_t>(j)]))] = 1;
      }
  }

  // The strides of value x, elements.
  constexpr dims strides_of(int x) const {
    const dims packed = contiguous_strides(g[x].shape);
    dims apart = packed;
    const int rank = g[x].shape.rank;
    if (rank < 2 || bound[static_cast<std::size_t>(x)]) return packed;
    const long width = g[x].shape.size[rank - 1], size = static_cast<long>(size_of(g[x].type)), pitch = row_pitch(width * size, options);
    if (pitch == width * size || g[x].shape.elements() == width) return packed;
    for (int i = 0; i < rank - 1; ++i) apart.size[i] = packed.size[i] / width * (pitch / size);
    return serves(x, apart) ? apart : packed;
  }

 private:
  struct layout {  // of the one value in question
    dims stride;
    constexpr access operator()(int) const {
      access a;
      a.stride = stride;
      return a;
    }
  };
  fusion const& f;
  graph const& g;
  plan_options options;
  std::vector<char> bound;

  // Everyone can address x like this, and a product or a sum along rows gains by it: elementwise work takes what is packed
  // as one run of memory.
  constexpr bool serves(int x, dims const& stride) const {
    const int made = f.owner[static_cast<std::size_t>(x)];
    if (made < 0) return false;
    group const& maker = f.groups[static_cast<std::size_t>(made)];
    if (!fits(maker, g[x].shape, stride)) return false;
    bool gains = works_on_rows(maker);
    for (std::size_t k = 0; k < f.groups.size(); ++k) {
      bool reads = false;
      for (int r : f.reads[k]) reads = reads || r == x;
      if (!reads) continue;
      if (!reads_with(f.groups[k], x, stride)) return false;
      gains = gains || works_on_rows(f.groups[k]);
    }
    return gains;
  }
  static constexpr bool works_on_rows(group const& k) { return k.what == skeleton::contract || k.absorbed || k.rows >= 0; }

  // All elements of a group's domain, in its axes.
  constexpr bool fits(group const& k, dims const& shape, dims const& stride) const {
    if ((k.what != skeleton::rows && k.what != skeleton::contract) || shape.elements() != k.domain.elements()) return false;
    if (k.absorbed) return fits_prologue(k, shape, stride);
    return fits(k.what == skeleton::contract ? refine(k.domain, g[k.anchor].shape) : k.domain, shape, stride);
  }
  static constexpr bool fits(dims const& domain, dims const& shape, dims const& stride) {
    dims in_domain;
    return domain.rank >= 0 && restride(shape, stride, domain, in_domain);
  }
  // A prologue has other axes in each product.
  constexpr bool fits_prologue(group const& k, dims const& shape, dims const& stride) const {
    const int number = static_cast<int>(&k - f.groups.data());
    for (group const& product : f.groups)
      for (int which = 0; which < 2; ++which) {
        if (product.prologue[which] != number) continue;
        const computed_operand c = read_computed(g, g[product.anchor].in[static_cast<std::size_t>(which)], which);
        if (!fits(prologue_domain(g, k, c.at.source, c.columns), shape, stride)) return false;
      }
    return true;
  }

  constexpr bool reads_with(group const& k, int x, dims const& stride) const {
    if (k.what != skeleton::rows && k.what != skeleton::contract) return false;
    for (int m : k.members) {
      node const& n = g[m];
      for (int j = 0; j < n.inputs; ++j) {
        const int y = n.in[static_cast<std::size_t>(j)];
        if (y < 0 || storage_behind(g, y) != x || member_operand(g, k, n, j) >= 0) continue;
        const access a = resolve(g, y, layout{stride});
        if (n.what == kind::contract) {
          if (!as_matrix(a, j).ok) return false;
        } else if (!a.ok || !(is_elementwise(n.what) || is_reduction(n.what)) || !fits(k, a.shape, a.stride)) {
          return false;
        }
      }
    }
    return true;
  }
};

}  // namespace detail
}  // namespace formwork

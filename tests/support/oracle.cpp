#include "oracle.hpp"

#include <cmath>
#include <random>

#include "guarded.hpp"
#include "rounding_bound.hpp"

namespace formwork::testing {
namespace {

// Elements of a type that a test knows as numbers.
class stored_values {
 public:
  stored_values(dtype type, std::size_t n) : type_(type), bytes_(n * size_of(type)) {}
  void* data() { return bytes_.get(); }
  dtype type() const { return type_; }
  guarded_array<std::byte> const& bytes() const { return bytes_; }
  void set(std::size_t i, double x) {
    switch (type_) {
      case dtype::f64: at<double>(i) = x; break;
      case dtype::f32: at<float>(i) = static_cast<float>(x); break;
      case dtype::bf16: at<bf16>(i) = bf16(static_cast<float>(x)); break;
      case dtype::f16: at<f16>(i) = f16(static_cast<float>(x)); break;
      case dtype::i32: at<std::int32_t>(i) = static_cast<std::int32_t>(x); break;
      case dtype::i64: at<std::int64_t>(i) = static_cast<std::int64_t>(x); break;
      case dtype::u8: at<std::uint8_t>(i) = static_cast<std::uint8_t>(x); break;
      case dtype::boolean: at<bool>(i) = x != 0; break;
    }
  }
  double get(std::size_t i) {
    switch (type_) {
      case dtype::f64: return at<double>(i);
      case dtype::f32: return static_cast<double>(at<float>(i));
      case dtype::bf16: return static_cast<double>(at<bf16>(i));
      case dtype::f16: return static_cast<double>(at<f16>(i));
      case dtype::i32: return at<std::int32_t>(i);
      case dtype::i64: return static_cast<double>(at<std::int64_t>(i));
      case dtype::u8: return at<std::uint8_t>(i);
      case dtype::boolean: return at<bool>(i);
    }
    return 0;
  }

 private:
  dtype type_;
  guarded_array<std::byte> bytes_;
  template <class T> T& at(std::size_t i) { return reinterpret_cast<T*>(bytes_.get())[i]; }
};

// The buffers that a program runs on, with their zones, in the memory of its device.
class placed_buffers {
 public:
  explicit placed_buffers(device_memory const* memory) : memory_(memory) {}
  placed_buffers(placed_buffers const&) = delete;
  ~placed_buffers() {
    for (auto const& b : all_) memory_->give(b.on_device);
  }
  template <class T> std::byte* place(guarded_array<T> const& a) {
    auto* const p = reinterpret_cast<std::byte*>(a.get());
    return memory_ ? place(a.whole()) + (p - a.whole().data()) : p;
  }
  const random_state* place(random_state& r) {
    return memory_ ? reinterpret_cast<random_state*>(place(std::span(reinterpret_cast<std::byte*>(&r), sizeof(r)))) : nullptr;
  }
  void bring_back() const {
    for (auto const& b : all_) memory_->down(b.here.data(), b.on_device, b.here.size());
  }

 private:
  struct buffer { std::span<std::byte> here; void* on_device; };
  device_memory const* memory_;
  std::vector<buffer> all_;

  std::byte* place(std::span<std::byte> here) {
    all_.push_back({here, memory_->take(here.size())});
    memory_->up(all_.back().on_device, here.data(), here.size());
    return static_cast<std::byte*>(all_.back().on_device);
  }
};

}  // namespace

std::uint64_t hash_of(const void* data, std::size_t bytes) {
  std::uint64_t h = 0xcbf29ce484222325u;
  for (std::size_t i = 0; i < bytes; ++i) h = (h ^ static_cast<const unsigned char*>(data)[i]) * 0x100000001b3u;
  return h;
}

std::vector<comparison> compare_with_oracle(compiled_program const& compiled, step_check_options const& o) {
  graph const& g = compiled.program;
  // Where the parameters lie in the arenas.
  memory_plan plan = plan_memory(fuse(canonicalize(rematerialize(g))));
  const auto arena_elements = static_cast<std::size_t>(plan.parameter_elements);
  guarded_array<float> parameters(arena_elements), gradients(arena_elements);
  guarded_array<std::byte> workspace(compiled.workspace_bytes);
  struct { std::vector<std::vector<double>> parameters, inputs; } data;
  // A program of lower precision reads its parameters as 16-bit copies.
  guarded_array<std::uint16_t> copies(arena_elements);
  bool reads_copies = false;
  std::mt19937 random(o.seed);
  std::normal_distribution<float> normal(0, static_cast<float>(o.spread));
  for (std::size_t p = 0; p < g.parameters.size(); ++p) {
    std::vector<double> v(static_cast<std::size_t>(g.parameters[p].elements()));
    const dtype type = g[g.parameters[p].node].type;
    reads_copies = type != dtype::f32;
    for (std::size_t i = 0; i < v.size(); ++i) {
      const std::size_t at = static_cast<std::size_t>(plan.parameters[p].offset) + i;
      float x = normal(random) + (g.parameters[p].start == initial::ones ? 1.f : 0.f);
      if (type == dtype::bf16) copies[at] = bf16(x).bits, x = bf16(x);
      if (type == dtype::f16) copies[at] = f16(x).bits, x = f16(x);
      v[i] = parameters[at] = x;
    }
    data.parameters.push_back(v);
  }
  std::vector<stored_values> values;
  for (auto const& in : g.inputs) {
    std::size_t n = static_cast<std::size_t>(in.shape.elements());
    std::vector<double> v(n);
    stored_values& x = values.emplace_back(in.type, n);
    const std::size_t k = values.size() - 1;
    auto given = [&](auto const& list) { return k < list.size() && !list[k].empty(); };
    for (std::size_t i = 0; i < n; ++i) {
      x.set(i, is_floating(in.type) ? static_cast<double>(normal(random)) : static_cast<double>(random() % static_cast<unsigned long>(o.integer_limit)));
      if (given(o.integers)) x.set(i, o.integers[k].at(i));
      v[i] = given(o.oracle_integers) ? o.oracle_integers[k].at(i) : x.get(i);
    }
    data.inputs.push_back(v);
  }
  std::vector<stored_values> results;
  for (auto const& out : g.outputs)
    if (out.what != role::parameter_gradient) {
      const std::size_t n = static_cast<std::size_t>(g[out.node].shape.elements());
      stored_values& r = results.emplace_back(g[out.node].type, n);
      for (std::size_t i = 0; i < n; ++i) r.set(i, -7);
    }
  random_state random_numbers{5, 3};
  placed_buffers placed(compiled.memory);
  std::vector<void*> inputs, outputs;
  for (auto const& x : values) inputs.push_back(placed.place(x.bytes()));
  for (auto const& r : results) outputs.push_back(placed.place(r.bytes()));
  compiled.run({.workspace = placed.place(workspace),
                .parameters = reads_copies ? placed.place(copies) : placed.place(parameters),
                .gradients = placed.place(gradients),
                .inputs = inputs.data(),
                .outputs = outputs.data(),
                .random = random_numbers,
                .random_at = placed.place(random_numbers),
                .queue = o.queue});
  placed.bring_back();
  parameters.check("parameters");
  copies.check("parameters' 16-bit copies");
  gradients.check("gradients");
  workspace.check("workspace");
  for (std::size_t k = 0; k < values.size(); ++k) values[k].bytes().check("input " + std::to_string(k));
  for (std::size_t k = 0; k < results.size(); ++k) results[k].bytes().check("output " + std::to_string(k));
  auto prepare = [&](interpreter& with) {
    for (std::size_t p = 0; p < data.parameters.size(); ++p) with.set_parameter(static_cast<int>(p), data.parameters[p]);
    for (std::size_t k = 0; k < data.inputs.size(); ++k) with.set_input(static_cast<int>(k), data.inputs[k]);
    with.set_random(5, 3);
  };
  interpreter oracle(g);
  prepare(oracle);
  oracle.run();
  std::vector<bounded_output> bounds;
  if (o.bound > 0) bounds = rounding_bounds(g, prepare, {.factor = o.bound});
  std::vector<comparison> all;
  std::size_t value = 0;
  for (std::size_t k = 0; k < g.outputs.size(); ++k) {
    auto const& expected = oracle.output(k);
    const bool gradient = g.outputs[k].what == role::parameter_gradient;
    const float* in_arena = gradient ? gradients.get() + plan.parameters[static_cast<std::size_t>(g.outputs[k].number)].offset : nullptr;
    const std::size_t number = gradient ? 0 : value++;
    std::vector<double> got(expected.size());
    comparison c{std::string(g.outputs[k].name.view()), 0, 0};
    c.bits = gradient ? hash_of(in_arena, expected.size() * sizeof(float)) : hash_of(results[number].data(), expected.size() * size_of(results[number].type()));
    double error = 0, norm = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      got[i] = gradient ? static_cast<double>(in_arena[i]) : results[number].get(i);
      double d = got[i] - expected[i];
      error += d * d;
      norm += expected[i] * expected[i];
    }
    c.norm = std::sqrt(norm);
    if (o.bound > 0) {
      c.distance = bounds[k].distance(got);
      c.teeth = bounds[k].size() == 0 || bounds[k].has_teeth();
    }
    c.error = std::isfinite(error) ? std::sqrt(error) / (c.norm > 0 ? c.norm : 1) : 1e30;
    all.push_back(c);
  }
  return all;
}

}  // namespace formwork::testing

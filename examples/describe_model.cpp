// describe_model [stage...]: every stage of a small program as text, or only the stages that are named: traced,
// differentiated, rematerialized, canonical, fused, memory, kernels, cost. The model here is two blocks of a multi-layer
// perceptron; put your own in its place to see what becomes of it.
#include <algorithm>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include <formwork/formwork.hpp>

using namespace formwork;

// x + down(gelu(up(norm(x)))); a member may not have the name of a type that it uses, so it is not called mlp
struct block {
  using norm_type = layer_norm<64>;
  using mlp_type = mlp<64, 256, ops::gelu>;
  BOOST_HANA_DEFINE_STRUCT(block, (norm_type, norm), (mlp_type, feed_forward));
  constexpr auto operator()(auto const& x) const { return x + feed_forward(norm(x)); }
};

struct model {
  using blocks_type = repeat<2, block>;
  BOOST_HANA_DEFINE_STRUCT(model, (blocks_type, blocks));
};

struct inputs {
  using rows = input<dtype::f32, shape<256, 64>>;
  BOOST_HANA_DEFINE_STRUCT(inputs, (rows, x), (rows, target));
};

// The mean squared error, a scalar.
struct loss {
  constexpr auto operator()(auto const& m, auto const& in) const {
    return reshape<>(mean<>(square(m.blocks(in.x) - in.target)));
  }
};

int main(int count, char** arguments) {
  const std::vector<std::string_view> known{"traced", "differentiated", "rematerialized", "canonical",
                                            "fused",  "memory",         "kernels",        "cost"};
  std::vector<std::string_view> wanted(arguments + 1, arguments + count);
  for (auto name : wanted)
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      std::cerr << "There is no stage \"" << name << "\"; name one of:";
      for (auto k : known) std::cerr << ' ' << k;
      std::cerr << '\n';
      return 2;
    }
  if (wanted.empty()) wanted = known;
  auto show = [&](std::string_view name, std::string const& text) {
    if (std::find(wanted.begin(), wanted.end(), name) != wanted.end())
      std::cout << "== " << name << '\n' << text << '\n';
  };

  // Each stage is an ordinary function of the one before. Here they run with the program; a compiled<Source> has the
  // compiler run the same functions.
  const graph traced = simplify(trace<loss, model, inputs>(), stop_gradients::keep);
  show("traced", describe(traced));
  const graph differentiated = simplify(differentiate(traced));
  show("differentiated", describe(differentiated));
  const graph stored = rematerialize(differentiated);
  show("rematerialized", describe(stored));
  const graph canonical = canonicalize(stored);
  show("canonical", describe(canonical));
  const fusion fused = fuse(canonical);
  show("fused", describe(fused));
  const memory_plan memory = plan_memory(fused);
  show("memory", describe(memory));
  std::string tapes;
  for (auto const& kernel : lower(fused, memory)) tapes += describe(kernel);
  show("kernels", tapes);
  show("cost", describe(cost(fused, memory)));
}

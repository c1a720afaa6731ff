// A training run holds its arena, whose size is a constant of the program, and little else.
#include "formwork/run/resident.hpp"

#include <memory>
#include <random>
#include <vector>

#include "formwork/backend/cpu/cpu.hpp"
#include "formwork/nn/gpt.hpp"
#include "formwork/optim/adamw.hpp"
#include "formwork/train/bigram.hpp"
#include "formwork/train/trainer.hpp"
#include "support/catch.hpp"
#include "train/temporary_folder.hpp"

using namespace formwork;

namespace {

struct narrow : gpt_config { static constexpr int vocabulary = 256, context = 128, layers = 2, heads = 2, width = 64; };
using run = training<gpt<narrow>, adamw, batch<16>, cpu_device>;

// What everything but the arena may take: packing buffers, kept rows, tokens, the allocator's own.
constexpr long long others = 64 * MiB;
static_assert(arena_bytes<run> > 16 * MiB);

void train_steps() {
  training_step<run> step(1);
  std::mt19937 random(3);
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(run::tokens)), targets(tokens.size());
  for (auto& t : tokens) t = static_cast<std::int32_t>(random() % 256);
  for (auto& t : targets) t = static_cast<std::int32_t>(random() % 256);
  for (int i = 0; i < 3; ++i) step.step(tokens, targets, 1e-3f);
}

// `bytes` more than the plan, all touched.
void train_and_hold(long long bytes) {
  const auto size = static_cast<std::size_t>(bytes);
  std::unique_ptr<volatile char[]> more(new volatile char[size]);
  for (std::size_t i = 0; i < size; i += 1024) more[i] = 1;
  train_steps();
}

}  // namespace

TEST_CASE("training takes the planned arena and at most 64 MiB") {
  const long long taken = resident_bytes(train_steps), limit = arena_bytes<run> + others;
  CAPTURE(taken, arena_bytes<run>);
  CHECK(taken <= limit);
  CHECK(taken >= arena_bytes<run> / 2);  // it is the arena that was measured
  CHECK(resident_bytes([] { train_and_hold(others + arena_bytes<run> / 2); }) > limit);
}

TEST_CASE("training on a large file takes no more: its text is not held") {
  formwork_test::temporary_folder folder;
  const auto path = folder / "text";
  formwork_test::write_text(path, "a line of text\n");
  std::filesystem::resize_file(path, 256 * MiB);
  const long long taken = resident_bytes([&] {
    const train::token_split text(train::token_data(path), {.context = run::time});
    const double bigram = train::bigram_cross_entropy(text.training(), text.validation(), [&] { text.release(); }).nats_per_byte;
    trainer<run> t({.steps = 3});
    for (auto const& p : t.train(text))
      if (!(p.loss > bigram)) throw std::runtime_error("three steps do not beat a bigram model of zeros");
  });
  CAPTURE(taken);
  CHECK(taken <= arena_bytes<run> + others);
  CHECK(taken >= arena_bytes<run> / 2);
}

TEST_CASE("what a child process takes is measured to a few pages and its failure is reported") {
  constexpr long long bytes = 48 * MiB, few = 4 * MiB;
  const long long taken = resident_bytes([] {
    std::unique_ptr<volatile char[]> p(new volatile char[bytes]);
    for (long long i = 0; i < bytes; i += 1024) p[static_cast<std::size_t>(i)] = 1;
  });
  CHECK(taken >= bytes - few);
  CHECK(taken <= bytes + few);
  CHECK_THROWS_AS(resident_bytes([] { throw std::runtime_error("no"); }), std::runtime_error);
}

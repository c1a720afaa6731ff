#include "formwork/train/trainer.hpp"

#include <limits>
#include <random>

#include "formwork/backend/cpu/cpu.hpp"
#include "formwork/nn/gpt.hpp"
#include "formwork/optim/adamw.hpp"
#include "support/catch.hpp"
#include "temporary_folder.hpp"

using namespace formwork;
using formwork_test::read_text;
using formwork_test::temporary_folder;

namespace {

struct tiny : gpt_config {
  static constexpr int vocabulary = 256, context = 16, layers = 2, heads = 2, width = 32;
  static constexpr double dropout = 0.1;
};
using model = gpt<tiny>;
using run = training<model, adamw, batch<4>, cpu_device>;

// Repetitive enough to learn something in a few steps; 40 windows an epoch, 10 steps.
std::vector<std::uint8_t> text_of(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  const std::string_view words[] = {"formwork ", "concrete ", "is poured ", "into ", "templates "};
  std::string text;
  while (text.size() < size) text += words[random() % 5];
  return {text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size)};
}
const std::vector<std::uint8_t> training_text = text_of(640, 1), validation_text = text_of(300, 2);

std::vector<float> values_of(std::span<const float> x) { return {x.begin(), x.end()}; }

struct outcome {
  std::vector<double> losses, validation_losses;
  std::vector<float> parameters, first_state, second_state;
};
void walk(trainer<run>& t, outcome& o) {
  for (const auto& p : t.train(training_text, validation_text)) {
    o.losses.push_back(p.loss);
    if (p.evaluated()) o.validation_losses.push_back(p.validation_loss);
  }
  o.parameters = values_of(t.step().parameters());
  o.first_state = values_of(t.step().state(0));
  o.second_state = values_of(t.step().state(1));
}
trainer_settings settings_in(const std::filesystem::path& folder) {
  return {.learning_rate = 3e-3f, .warmup = 3, .steps = 26, .seed = 7, .evaluate_every = 13, .evaluation_windows = 0, .checkpoint_every = 13, .folder = folder};
}

}  // namespace

TEST_CASE("trainer: resuming is bitwise the same as never having stopped, in the middle of an epoch") {
  temporary_folder folder;
  outcome whole, parts;
  trainer<run> straight(settings_in(folder / "straight"));
  walk(straight, whole);
  REQUIRE(whole.losses.size() == 26);
  CHECK(whole.losses.back() < whole.losses.front() - 1);
  {
    trainer<run> first(settings_in(folder / "parts"));
    auto session = first.train(training_text, validation_text);
    auto at = session.begin();
    for (int i = 0; i < 14; ++i, ++at) parts.losses.push_back(at->loss);  // one step further than the checkpoint
    parts.losses.pop_back();
  }
  auto settings = settings_in(folder / "parts");
  settings.learning_rate = 1;
  settings.steps = 1;
  restore_settings(settings, folder / "parts/checkpoint.safetensors");
  CHECK((settings.learning_rate == 3e-3f && settings.steps == 26 && settings.seed == 7));
  settings.seed = 0;  // the file's counts
  trainer<run> second(settings);
  second.resume(folder / "parts/checkpoint.safetensors");
  CHECK(second.step().steps() == 13);
  walk(second, parts);
  CHECK(parts.losses == whole.losses);
  CHECK(parts.validation_losses.back() == whole.validation_losses.back());
  CHECK(parts.parameters == whole.parameters);
  CHECK(parts.first_state == whole.first_state);
  CHECK(parts.second_state == whole.second_state);
  CHECK(read_text(folder / "parts/checkpoint.safetensors") == read_text(folder / "straight/checkpoint.safetensors"));
  const auto rows = train::read_csv_log(folder / "parts/log.csv");
  REQUIRE(rows.size() == 26);
  for (std::size_t i = 0; i < 26; ++i) CHECK((rows[i].step == i + 1 && rows[i].loss == whole.losses[i] && rows[i].tokens == 64 * (i + 1)));
  CHECK(read_text(folder / "parts/loss.svg").ends_with("</svg>\n"));

  // Another text, fewer steps than are done, and a folder that holds a run already.
  settings.steps = 30;
  trainer<run> third(settings);
  third.resume(folder / "parts/checkpoint.safetensors");
  CHECK_THROWS_WITH(third.train(validation_text, training_text), Catch::Contains("another text"));
  settings.steps = 20;
  trainer<run> fourth(settings);
  CHECK_THROWS_WITH(fourth.resume(folder / "parts/checkpoint.safetensors"), Catch::Contains("26 steps already"));
  CHECK(fourth.step().steps() == 0);
  CHECK_THROWS_WITH(fourth.train(training_text, validation_text), Catch::Contains("holds another run"));
}

TEST_CASE("trainer: a loss that is no number stops with a sentence and checkpoint and record stay") {
  temporary_folder folder;
  trainer<run> t(settings_in(folder / "run"));
  auto session = t.train(training_text, validation_text);
  auto at = session.begin();
  for (int i = 0; i < 14; ++i) ++at;
  const std::string before = read_text(folder / "run/checkpoint.safetensors");
  t.step().parameters()[5] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH(++at, Catch::Contains("The loss became NaN at step 16; resume from") && Catch::Contains("checkpoint.safetensors"));
  CHECK(read_text(folder / "run/checkpoint.safetensors") == before);
  const auto rows = train::read_csv_log(folder / "run/log.csv");
  REQUIRE(rows.size() == 16);
  CHECK(std::isnan(rows.back().loss));
  CHECK(rows[14].loss > 0);
  trainer<run> again(settings_in(folder / "run"));
  again.resume(folder / "run/checkpoint.safetensors");
  auto rest = again.train(training_text, validation_text);
  CHECK(rest.begin()->step == 14);
}

TEST_CASE("trainer: settings and texts out of range") {
  CHECK_THROWS_WITH(trainer<run>({.learning_rate = 0}), Catch::Contains("learning rate is 0; choose"));
  CHECK_THROWS_WITH(trainer<run>({.learning_rate = std::nanf("")}), Catch::Contains("learning rate is nan"));
  CHECK_THROWS_WITH(trainer<run>({.last_learning_rate = 1}), Catch::Contains("last learning rate is 1"));
  CHECK_THROWS_WITH(trainer<run>({.steps = 0}), Catch::Contains("number of steps is 0"));
  CHECK_THROWS_WITH(trainer<run>({.warmup = -1}), Catch::Contains("warm-up steps is -1"));
  CHECK_THROWS_WITH(trainer<run>({.evaluate_every = 0}), Catch::Contains("between evaluations is 0"));
  trainer<run> t({.steps = 1});
  const std::vector<std::uint8_t> tiny_text(16);
  CHECK_THROWS_WITH(t.train(tiny_text, validation_text), Catch::Contains("16 tokens"));
  CHECK_THROWS_WITH(t.train(training_text, tiny_text), Catch::Contains("16 tokens"));
}

namespace {
struct full_source {
  static constexpr graph make() { return simplify(trace<logits_of, model, language_model_prompt<1, 16>>()); }
};
}  // namespace

TEST_CASE("decoder: the logits of every time are those of the whole sequence") {
  training_step<run> s(3);
  std::mt19937 random(4);
  std::normal_distribution<float> normal(0, 0.2f);
  for (const auto& e : s.entries)
    for (float& x : s.parameters().subspan(static_cast<std::size_t>(e.offset), static_cast<std::size_t>(e.elements))) x = normal(random);
  std::vector<std::int32_t> tokens(16);
  for (auto& t : tokens) t = static_cast<std::int32_t>(random() % 256);
  using whole = step<compiled<full_source>, cpu_device>;
  const arena workspace(whole::workspace_bytes);
  std::vector<float> expected(16 * 256);
  void* inputs[] = {tokens.data()};
  void* outputs[] = {expected.data()};
  whole::run({.workspace = workspace.data(), .parameters = reinterpret_cast<std::byte*>(s.parameters().data()), .inputs = inputs, .outputs = outputs});

  decoder<model, cpu_device> d(s.parameters());
  // Both round sums of up to 128 products in f32, in different orders, through 2 layers: relative error of a row
  // of logits below sqrt(128) 2^-24 times a small number of such sums in a chain (10).
  const double tolerance = 10 * std::sqrt(128.0) * 0x1p-24;
  double worst = 0, swapped = 1e9;
  for (int round = 0; round < 2; ++round) {
    d.reset();
    for (std::size_t t = 0; t < 16; ++t) {
      const auto row = d(tokens[t]);
      const auto distance = [&](std::size_t to) {
        double error = 0, norm = 0;
        for (std::size_t i = 0; i < 256; ++i) {
          const double e = expected[to * 256 + i];
          error += (row[i] - e) * (row[i] - e);
          norm += e * e;
        }
        return std::sqrt(error / norm);
      };
      worst = std::max(worst, distance(t));
      swapped = std::min(swapped, distance((t + 1) % 16));
    }
  }
  // A prompt of every length at once, and what follows it token by token.
  for (std::size_t prompt = 1; prompt <= 16; ++prompt) {
    d.reset();
    const std::span all(tokens);
    auto row = d.read(all.first(prompt));
    for (std::size_t t = prompt; t < 16; ++t) row = d(tokens[t]);
    double error = 0, norm = 0;
    for (std::size_t i = 0; i < 256; ++i) {
      const double e = expected[15 * 256 + i];
      error += (row[i] - e) * (row[i] - e);
      norm += e * e;
    }
    worst = std::max(worst, std::sqrt(error / norm));
  }
  CHECK(worst < tolerance);
  CHECK(swapped > 1000 * tolerance);
  CHECK(d.position() == 16);
  CHECK_THROWS_AS(d.read(std::span(tokens).first(1)), std::logic_error);
  CHECK_THROWS_AS(d(1), std::logic_error);
  d.reset();
  CHECK_THROWS_AS(d(256), std::invalid_argument);
  CHECK_THROWS_AS(d.read({}), std::invalid_argument);
  // Chunks: a prompt that does not fit is refused before anything is read.
  tokens.push_back(1);
  CHECK_THROWS_AS(d.read(tokens), std::logic_error);
  CHECK(d.position() == 0);
}

TEST_CASE("decoder: text longer than the context, the same for the same seed") {
  trainer<run> t({.seed = 2});
  auto d = t.make_decoder();
  const auto text = [&](const sampling& s) {
    std::vector<std::int32_t> all;
    generate(d, std::vector<std::int32_t>{'f', 'o', 'r'}, 50, s, [&](std::int32_t token) { all.push_back(token); });
    return all;
  };
  const auto first = text({.seed = 1});
  CHECK(first.size() == 50);
  CHECK(text({.seed = 1}) == first);
  CHECK(text({.seed = 2}) != first);
  CHECK(text({.temperature = 0, .seed = 1}) == text({.temperature = 0, .seed = 2}));
  CHECK_THROWS_WITH(generate(d, std::span<const std::int32_t>(), 1, {}, [](std::int32_t) {}), Catch::Contains("no prompt"));
}

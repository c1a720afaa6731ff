// Trains a byte-level GPT on real text, and resumes, evaluates and samples what it trained: see --help.
#include <charconv>
#include <csignal>
#include <cstdio>
#include <filesystem>

#include <CLI/CLI.hpp>

#if defined(__CUDACC__)
#include "formwork/backend/cuda/cuda.hpp"
#else
#include "formwork/backend/cpu/cpu.hpp"
#include "formwork/run/machine.hpp"
#endif
#include "formwork/nn/gpt.hpp"
#include "formwork/optim/adamw.hpp"
#include "formwork/train/bigram.hpp"
#include "formwork/train/trainer.hpp"

namespace fs = std::filesystem;
using namespace formwork;

// The whole configuration. Change a number and everything below follows while it compiles.
struct small : gpt_config {
  static constexpr int vocabulary = 256, context = 128, layers = 4, heads = 4, width = 128;
};
using model = gpt<small>;
#if defined(__CUDACC__)  // on a GPU: the same program, products and what is stored in bf16, parameters updated in f32
using run = training<model, adamw, batch<8>, cuda_device, mixed<dtype::bf16>>;
#else
using run = training<model, adamw, batch<8>, cpu_device>;
#endif

static_assert(parameter_count<model> < 1'000'000);  // known before anything runs
static_assert(arena_bytes<run> < 64 * MiB);

struct options {
  trainer_settings train{.learning_rate = 3e-3f, .last_learning_rate = 1e-4f, .steps = 2500, .ahead = true};
  sampling sample{.temperature = 0.8, .top_k = 40};
  std::vector<fs::path> text;
  fs::path resume_file, sample_file, evaluate_file;
  std::string prompt = "\n";
  long length = 500;
};

train::token_split read_text(options const& o) {
  const std::vector<fs::path> paths = o.text.empty() ? std::vector{train::standard_headers()} : o.text;
  train::token_data data(paths);
  std::printf("text            %s\n", data.describe().c_str());
  return train::token_split(std::move(data), {.context = run::time});
}

double bigram_of(train::token_split const& text) {
  return train::bigram_cross_entropy(text.training(), text.validation(), [&] { text.release(); }).nats_per_byte;
}

void print_sample(trainer<run>& t, options const& o) {
  auto decoder = t.make_decoder();
  std::vector<std::int32_t> prompt;
  for (unsigned char byte : o.prompt) std::putchar(prompt.emplace_back(byte));
  generate(decoder, prompt, o.length, o.sample, [](std::int32_t byte) { std::putchar(byte); });
  std::putchar('\n');
}

// The machine's limit in flop/s, and its name.
std::pair<double, std::string> machine() {
#if defined(__CUDACC__)
  return {gpu::tensor_core_peak(), gpu::device_name() + ", products in bf16"};
#else
  return {multiply_add_peak(), std::to_string(cpu::thread_count()) + " threads, multiply-adds"};
#endif
}

// What the compiler knows.
void print_plan(options const& o) {
  std::printf("model           %ld layers, %ld wide, context %ld: %ld parameters\n", model::layers, model::width, model::context, parameter_count<model>);
  std::printf("work            %.2f MFLOP per token, %ld kernels per step of %ld tokens\n", flops_per_token<run> / 1e6, kernels_per_step<run>, run::tokens);
  std::printf("memory          one arena of %.1f MiB\n", static_cast<double>(arena_bytes<run>) / static_cast<double>(MiB));
  std::printf("compute-optimal %.1f million tokens for this size (Chinchilla), this run sees %.1f million\n",
              static_cast<double>(compute_optimal_tokens<model>) / 1e6, static_cast<double>(o.train.steps * run::tokens) / 1e6);
}

fs::path free_folder(int i = 1) {
  const fs::path folder = "runs/train_gpt-" + std::to_string(i);
  return fs::exists(folder) ? free_folder(i + 1) : folder;
}

void train_model(options o) {
  print_plan(o);
  const train::token_split text = read_text(o);
  const double bigram = bigram_of(text);
  if (o.train.folder.empty()) o.train.folder = o.resume_file.empty() ? free_folder() : fs::absolute(o.resume_file).parent_path();
  const auto [peak, name] = machine();
  o.train.peak = peak;
  o.train.title = "GPT of " + std::to_string(parameter_count<model>) + " parameters";
  o.train.yardsticks = {{"bigram", bigram}};
  trainer<run> t(o.train);
  if (!o.resume_file.empty()) t.resume(o.resume_file);
  std::printf("bigram          %.3f nats/byte on the validation part\n", bigram);
  std::printf("machine         %s: %.0f GFLOP/s\n", name.c_str(), peak / 1e9);
  std::printf("record          %s\n\n", o.train.folder.c_str());
  progress last;
  {
    progress_line line;
    for (auto const& p : t.train(text)) line.show(last = p);
  }
  std::printf("\nText sampled from the model:\n");
  print_sample(t, o);
  std::printf("\nfinal validation loss %.3f nats/byte, bigram %.3f, %.0f tokens/s, %.0f%% of peak\n", last.validation_loss, bigram,
              last.tokens_per_second, 100 * last.fraction_of_peak);
}

void evaluate_model(options const& o) {
  trainer<run> t(o.train);
  t.load(o.evaluate_file);
  const train::token_split text = read_text(o);
  std::printf("validation loss %.3f nats/byte, bigram %.3f\n", t.evaluate(text.validation()), bigram_of(text));
}

// A number that its type cannot hold would be cut to the nearest that it can.
template <class Number> std::string in_range(std::string const& text) {
  if (std::is_unsigned_v<Number> && text.starts_with('-')) return text + " is below 0; choose a number from 0 on";
  Number number;
  const bool fits = std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc::result_out_of_range;
  return fits ? "" : text + " is too large; choose a smaller number";
}

int main(int count, char** arguments) try {
  std::signal(SIGXFSZ, SIG_IGN);  // a file above the limit is an error like a full disk
  options o;
  CLI::App app("Trains a byte-level GPT on text, resumes a run, or evaluates and samples its checkpoint.");
  app.failure_message([](auto*, CLI::Error const& e) { return std::string("train_gpt: ") + e.what() + "; --help says what there is.\n"; });
  app.add_option("--text", o.text, "files and folders to train on; default: the C++ library's headers");
  auto* steps = app.add_option("--steps", o.train.steps, "training steps of the whole run")->capture_default_str()->check(in_range<long>);
  auto* rate = app.add_option("--learning-rate", o.train.learning_rate, "the highest one")->capture_default_str();
  auto* seed = app.add_option("--seed", o.train.seed, "of parameters, order of the data and samples")->capture_default_str()->check(in_range<std::uint64_t>);
  app.add_option("--evaluate-every", o.train.evaluate_every, "steps between evaluations")->capture_default_str()->check(in_range<long>);
  app.add_option("--checkpoint-every", o.train.checkpoint_every, "steps between checkpoints")->capture_default_str()->check(in_range<long>);
  app.add_option("--out", o.train.folder, "folder for log.csv, loss.svg and checkpoint.safetensors; default: a new one in runs/");
  auto* resume = app.add_option("--resume", o.resume_file, "goes on from this checkpoint, with its settings");
  auto* sample = app.add_option("--sample", o.sample_file, "prints text sampled from this checkpoint");
  auto* evaluate = app.add_option("--evaluate", o.evaluate_file, "prints this checkpoint's loss on the validation part");
  app.add_option("--prompt", o.prompt, "the text that a sample goes on from");
  app.add_option("--length", o.length, "bytes to sample")->capture_default_str()->check(in_range<long>);
  app.add_option("--temperature", o.sample.temperature, "0 takes the likeliest byte")->capture_default_str();
  app.add_option("--top-k", o.sample.top_k, "samples from the k likeliest bytes; 0: from all")->capture_default_str()->check(in_range<long>);
  resume->excludes(sample)->excludes(evaluate)->excludes(seed);
  sample->excludes(evaluate);
  CLI11_PARSE(app, count, arguments);

  if (!o.resume_file.empty()) {  // its settings, unless they are named
    const trainer_settings named = o.train;
    restore_settings(o.train, o.resume_file);
    if (steps->count() > 0) o.train.steps = named.steps;
    if (rate->count() > 0) o.train.learning_rate = named.learning_rate;
  }
  o.train.last_learning_rate = std::min(o.train.last_learning_rate, o.train.learning_rate);
  o.sample.seed = o.train.seed;
  check_settings(o.train);  // everything out of range is refused before training
  sampler(o.sample, model::vocabulary);
  if (o.length < 0 || o.prompt.empty()) throw std::invalid_argument("A sample needs a prompt of a byte and a length from 0 on; choose others.");
  if (!o.sample_file.empty()) {
    trainer<run> t(o.train);
    t.load(o.sample_file);
    print_sample(t, o);
  } else if (!o.evaluate_file.empty()) {
    evaluate_model(o);
  } else {
    train_model(o);
  }
  if (std::fflush(stdout) != 0 || std::ferror(stdout)) throw std::runtime_error("The output cannot be written; free some space or name another place for it.");
} catch (std::exception const& e) {
  std::fflush(stdout);
  std::fprintf(stderr, "train_gpt: %s\n", e.what());
  return 1;
}

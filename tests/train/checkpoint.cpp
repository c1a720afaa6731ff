#include "formwork/train/checkpoint.hpp"

#include <array>
#include <csignal>
#include <sys/resource.h>
#include <sys/wait.h>

#include "support/catch.hpp"
#include "temporary_folder.hpp"

using namespace formwork;
using namespace formwork::train;
using formwork_test::read_text;
using formwork_test::temporary_folder;
using formwork_test::write_text;

namespace {

// A "model" of one matrix and a stack of three vectors, with one optimizer state.
struct tiny_run {
  std::array<float, 32> parameters{}, states{};
  std::vector<checkpoint_tensor> tensors;

  explicit tiny_run(float first, dims matrix = {3, 4}, std::string_view name = "table", dtype type = dtype::f32) {
    for (std::size_t i = 0; i < 32; ++i) {
      parameters[i] = first + static_cast<float>(i);
      states[i] = -parameters[i];
    }
    std::vector<parameter_entry> entries(4);
    entries[0].name = name_text(name);
    entries[0].shape = matrix;
    for (long layer = 0; layer < 3; ++layer) {
      auto& e = entries[static_cast<std::size_t>(1 + layer)];
      e.name = name_text("blocks." + std::to_string(layer) + ".gain");
      e.shape = dims{5};
      e.offset = 16 + 5 * layer;
    }
    for (auto& e : entries) e.elements = e.shape.elements();
    append_tensors(tensors, entries, parameters);
    append_tensors(tensors, entries, states, "optimizer.0.");
    tensors[0].type = type;
  }
};

const checkpoint_state state{.step = 120, .updates = 119, .data = {2, 77}, .seed = 11, .text = 0xfedcba9876543210u, .model = 42, .extra = {{"run.note", "a \"note\"\n"}}};

std::string message_of(auto&& f) {
  try {
    f();
  } catch (const file_error& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("checkpoint: every value comes back, one tensor per layer") {
  temporary_folder folder;
  const auto path = folder / "a.safetensors";
  tiny_run from(1), to(1000);
  save_checkpoint(path, from.tensors, state);
  const safetensors_file file(path);
  CHECK(file.tensors().size() == 8);
  REQUIRE(file.find("optimizer.0.blocks.2.gain"));
  CHECK(file.find("blocks.1.gain")->shape == std::vector<std::uint64_t>{5});
  const auto back = load_checkpoint(path, to.tensors, 42);
  CHECK((back.step == 120 && back.updates == 119 && back.data == data_position{2, 77} && back.seed == 11 && back.text == state.text && back.model == 42));
  CHECK(back.extra == state.extra);
  for (std::size_t i : {0u, 11u, 16u, 30u}) {
    CHECK(to.parameters[i] == from.parameters[i]);
    CHECK(to.states[i] == from.states[i]);
  }
  for (std::size_t i : {12u, 15u, 31u}) CHECK(to.parameters[i] == 1000 + static_cast<float>(i));  // padding is not the file's
}

TEST_CASE("checkpoint: another model or precision is refused by its first difference, and nothing is read") {
  temporary_folder folder;
  const auto path = folder / "a.safetensors";
  save_checkpoint(path, tiny_run(1).tensors, state);
  const auto refusal = [&](tiny_run to, std::uint64_t model = 42) {
    const auto before = to.parameters;
    const std::string message = message_of([&] { load_checkpoint(path, to.tensors, model); });
    CHECK(to.parameters == before);
    const std::string alone = message_of([&] { load_parameters(path, std::span(to.tensors).first(4), model); });
    CHECK(to.parameters == before);
    CHECK(alone == message);
    return message;
  };
  using Catch::Contains;
  CHECK_THAT(refusal(tiny_run(9, {4, 3})), Contains("'table' has the shape [3, 4], this model's has [4, 3]"));
  CHECK_THAT(refusal(tiny_run(9, {3, 4}, "other")), Contains("it has no tensor 'other'"));
  CHECK_THAT(refusal(tiny_run(9, {3, 4}, "table", dtype::i32)), Contains("another precision") && Contains("holds F32, this model's I32"));
  CHECK_THAT(refusal(tiny_run(9), 43), Contains("what it computes from them differs"));
  tiny_run smaller(9);
  smaller.tensors.erase(smaller.tensors.begin() + 3);
  CHECK_THAT(message_of([&] { load_checkpoint(path, smaller.tensors, 42); }), Contains("this one has no tensor 'blocks.2.gain'"));
}

TEST_CASE("checkpoint: damage anywhere in the file is found before anything is read") {
  temporary_folder folder;
  const auto path = folder / "a.safetensors", damaged = folder / "b.safetensors";
  save_checkpoint(path, tiny_run(1).tensors, state);
  const std::string whole = read_text(path);
  tiny_run to(9);
  const auto before = to.parameters;
  for (std::size_t size = 0; size < whole.size(); size += 13) {
    write_text(damaged, whole.substr(0, size));
    CHECK(message_of([&] { load_checkpoint(damaged, to.tensors, 42); }) != "no error");
  }
  for (std::size_t at = 0; at < whole.size(); at += 3) {
    std::string text = whole;
    text[at] = static_cast<char>(text[at] ^ 0x10);
    write_text(damaged, text);
    INFO("byte " << at);
    CHECK(message_of([&] { load_checkpoint(damaged, to.tensors, 42); }) != "no error");
  }
  CHECK(to.parameters == before);
}

TEST_CASE("checkpoint: parameters alone can be loaded, but not resumed from") {
  temporary_folder folder;
  const auto path = folder / "a.safetensors";
  tiny_run from(1), to(9);
  std::vector<safetensors_source> sources;
  for (std::size_t i = 0; i < 4; ++i) sources.push_back({from.tensors[i].name, dtype::f32, from.tensors[i].shape, from.tensors[i].bytes});
  write_safetensors(path, sources);
  CHECK_THAT(message_of([&] { load_checkpoint(path, to.tensors, 42); }), Catch::Contains("no checkpoint of a training run"));
  load_parameters(path, std::span(to.tensors).first(4), 42);
  CHECK(to.parameters[11] == from.parameters[11]);
  CHECK(to.states[11] == -20);
}

TEST_CASE("checkpoint: a full disk leaves the old one") {
  temporary_folder folder;
  const auto path = folder / "a.safetensors";
  save_checkpoint(path, tiny_run(1).tensors, state);
  const std::string whole = read_text(path);
  rlimit old{};
  ::getrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{whole.size() / 2, old.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  const std::string message = message_of([&] { save_checkpoint(path, tiny_run(5).tensors, state); });
  ::setrlimit(RLIMIT_FSIZE, &old);
  CHECK_THAT(message, Catch::Contains("what stood there before is unchanged"));
  CHECK(read_text(path) == whole);
}

TEST_CASE("checkpoint: a writer killed at any moment leaves the old one or the new one") {
  temporary_folder folder;
  const auto path = folder / "a.safetensors";
  tiny_run big(1);
  std::vector<float> payload(1 << 19);  // 2 MiB, so that a kill hits the writing
  big.tensors.push_back({"payload", dtype::f32, {payload.size()}, std::as_writable_bytes(std::span(payload))});
  save_checkpoint(path, big.tensors, state);
  for (int round = 0; round < 20; ++round) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      checkpoint_state s = state;
      for (;; ++s.step) {
        std::fill(payload.begin(), payload.end(), static_cast<float>(s.step));
        save_checkpoint(path, big.tensors, s);
      }
    }
    ::usleep(static_cast<useconds_t>(1000 + 1700 * round));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    REQUIRE(WIFSIGNALED(status));
    std::vector<float> read(payload.size());
    tiny_run to(9);
    to.tensors.push_back({"payload", dtype::f32, {read.size()}, std::as_writable_bytes(std::span(read))});
    const auto s = load_checkpoint(path, to.tensors, 42);
    const float expected = round == 0 && s.step == 120 ? read[0] : static_cast<float>(s.step);
    CHECK((read.front() == expected && read.back() == read.front()));
    std::fill(payload.begin(), payload.end(), static_cast<float>(state.step));
    save_checkpoint(path, big.tensors, state);
  }
}

// The built example as a user meets it: what it prints and leaves behind, and one sentence for everything bad.
#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>
#include <cstring>
#include <regex>

#include "formwork/train/checkpoint.hpp"
#include "formwork/train/csv_log.hpp"
#include "support/catch.hpp"
#include "temporary_folder.hpp"

using namespace formwork::train;
using formwork_test::read_text;
using formwork_test::temporary_folder;
using formwork_test::write_text;
namespace fs = std::filesystem;

namespace {

struct outcome {
  int status = 0;
  std::string out, err;
};

std::string shell_quoted(const fs::path& p) { return "'" + p.string() + "'"; }

// The example with these arguments; `before` is shell text in front of it.
outcome train_gpt(const fs::path& folder, const std::string& arguments, const std::string& before = "", const std::string& out = "") {
  const fs::path to = out.empty() ? folder / "stdout" : fs::path(out), errors = folder / "stderr";
  const std::string command = before + " exec timeout 100 " + shell_quoted(FORMWORK_TRAIN_GPT) + " " + arguments + " > " + shell_quoted(to) + " 2> " + shell_quoted(errors);
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status), out.empty() ? read_text(to) : "", read_text(errors)};
}

// Exit status 1 (or the parser's), one line on stderr that begins with the program's name or names the option.
void check_refused(const outcome& o, const std::string& what) {
  CAPTURE(o.err, what);
  CHECK((o.status == 1 || o.status > 100));  // of the program, or of the parser of its arguments
  CHECK(o.status != 124);                    // it ran on
  CHECK(o.status < 1000);
  CHECK(std::count(o.err.begin(), o.err.end(), '\n') == 1);
  CHECK_THAT(o.err, Catch::Contains(what));
}

std::string last_line(const std::string& text) {
  const std::size_t end = text.find_last_not_of('\n') + 1, begin = text.rfind('\n', end - 1) + 1;
  return text.substr(begin, end - begin);
}

// Real text: some of this library's own headers.
fs::path text_in(const fs::path& folder) {
  std::string text;
  for (const char* name : {"checkpoint.hpp", "trainer.hpp", "loader.hpp"}) text += read_text(fs::path(FORMWORK_SOURCE_DIR) / "include/formwork/train" / name);
  write_text(folder / "text", text);
  return folder / "text";
}

// A finished run of a few steps.
struct finished_run {
  temporary_folder folder;
  std::string text = "--text " + shell_quoted(text_in(folder));
  fs::path checkpoint = folder / "run/checkpoint.safetensors";
  outcome made = train_gpt(folder, text + " --steps 3 --length 20 --out " + shell_quoted(folder / "run"));
};
finished_run& shared_run() {
  static finished_run run;
  REQUIRE(run.made.status == 0);
  return run;
}

// The checkpoint with other tensors or metadata, as a whole file with right checksums of its data.
void rewrite(const fs::path& from, const fs::path& to, auto&& change) {
  const safetensors_file file(from);
  std::vector<std::vector<std::byte>> data;
  std::vector<safetensors_source> tensors;
  for (const auto& e : file.tensors()) {
    const auto bytes = file.bytes(e);
    data.emplace_back(bytes.begin(), bytes.end());
    tensors.push_back({e.name, *safetensors_dtype(e.type), e.shape, {}});
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    change(tensors[i], data[i]);
    tensors[i].data = data[i];
  }
  write_safetensors(to, tensors, file.metadata());
}

}  // namespace

TEST_CASE("main job: trains, leaves its record, resumes, evaluates and samples") {
  finished_run& r = shared_run();
  CHECK(r.made.err.empty());
  CAPTURE(r.made.out);
  CHECK(std::regex_match(last_line(r.made.out), std::regex(R"(final validation loss \d+\.\d+ nats/byte, bigram \d+\.\d+, \d+ tokens/s, \d+% of peak)")));
  for (const char* known : {"parameters", "MFLOP per token", "kernels per step", "MiB", "Chinchilla"}) CHECK_THAT(r.made.out, Catch::Contains(known));
  CHECK(r.made.out.find('\r') == std::string::npos);  // a pipe gets whole lines
  CHECK(read_csv_log(r.folder / "run/log.csv").size() == 3);
  CHECK(read_text(r.folder / "run/loss.svg").ends_with("</svg>\n"));

  fs::copy(r.folder / "run", r.folder / "more");
  const auto more = train_gpt(r.folder, r.text + " --steps 5 --length 5 --resume " + shell_quoted(r.folder / "more/checkpoint.safetensors"));
  CHECK(more.err.empty());
  CHECK(read_csv_log(r.folder / "more/log.csv").size() == 5);
  check_refused(train_gpt(r.folder, r.text + " --resume " + shell_quoted(r.folder / "more/checkpoint.safetensors")), "5 steps already");

  const auto evaluated = train_gpt(r.folder, r.text + " --evaluate " + shell_quoted(r.checkpoint));
  CHECK(std::regex_match(last_line(evaluated.out), std::regex(R"(validation loss \d+\.\d+ nats/byte, bigram \d+\.\d+)")));
  const std::string sample = " --prompt 'class ' --length 30 --temperature 0 --sample " + shell_quoted(r.checkpoint);
  const auto first = train_gpt(r.folder, sample);
  CHECK(first.out.starts_with("class "));
  CHECK(first.out.size() == 6 + 30 + 1);
  CHECK(train_gpt(r.folder, sample + " --seed 4").out == first.out);
  CHECK(train_gpt(r.folder, "--help").status == 0);
}

TEST_CASE("main job: text that is missing, empty, unreadable or too short") {
  temporary_folder folder;
  const auto refused = [&](const fs::path& text, const std::string& what) {
    check_refused(train_gpt(folder, "--steps 1 --text " + shell_quoted(text) + " --out " + shell_quoted(folder / "run")), what);
    CHECK(!fs::exists(folder / "run"));
  };
  refused(folder / "missing", "missing' cannot be read");
  write_text(folder / "empty", "");
  refused(folder / "empty", "is empty");
  write_text(folder / "short", "A text of a few words.");
  refused(folder / "short", "has 22 bytes");
  fs::create_symlink(folder / "nowhere", folder / "link");
  refused(folder / "link", "cannot be read");
  fs::create_directory(folder / "hollow");
  refused(folder / "hollow", "holds no text");
  refused("/dev/null", "not a regular file");
}

TEST_CASE("main job: values out of range") {
  temporary_folder folder;
  const std::string text = "--text " + shell_quoted(text_in(folder)) + " --out " + shell_quoted(folder / "run") + " ";
  const std::pair<const char*, const char*> wrong[] = {
      {"--steps 0", "number of steps is 0"}, {"--steps -4", "number of steps is -4"}, {"--steps many", "many"},
      {"--steps 99999999999999999999", "99999999999999999999 is too large"}, {"--learning-rate 0", "learning rate is 0"},
      {"--learning-rate -1", "learning rate is -1"}, {"--learning-rate nan", "learning rate is nan"}, {"--learning-rate 1e9", "learning rate is 1e+09"},
      {"--temperature -0.5", "temperature is -0.5"}, {"--temperature inf", "temperature is inf"}, {"--top-k 257", "top-k is 257"},
      {"--top-k -1", "top-k is -1"}, {"--length -1", "length from 0 on"}, {"--evaluate-every 0", "between evaluations is 0"},
      {"--checkpoint-every 0", "between checkpoints is 0"}, {"--seed -1", "-1 is below 0; choose a number from 0 on"}, {"--no-such-option", "no-such-option"}, {"--steps", "--steps"},
      {"--seed 18446744073709551616", "18446744073709551616 is too large"}, {"--length 9223372036854775808", "is too large"},
      {"--sample a --evaluate b", "excludes"}};
  for (const auto& [arguments, what] : wrong) check_refused(train_gpt(folder, text + arguments), what);
  CHECK(!fs::exists(folder / "run"));
}

TEST_CASE("main job: a checkpoint that is damaged, of another model or of another precision") {
  finished_run& r = shared_run();
  const fs::path bad = r.folder / "bad.safetensors";
  const auto refused = [&](const std::string& what) {
    for (const char* use : {"--resume", "--evaluate", "--sample"})
      check_refused(train_gpt(r.folder, r.text + " --steps 9 --out " + shell_quoted(r.folder / "unused") + " " + use + " " + shell_quoted(bad)), what);
    CHECK(!fs::exists(r.folder / "unused"));
  };
  const std::string whole = read_text(r.checkpoint);
  refused("cannot be read: No such file");
  write_text(bad, whole.substr(0, whole.size() / 2));
  refused("not a whole safetensors file");
  std::string corrupt = whole;
  corrupt[whole.size() / 2] ^= 1;
  write_text(bad, corrupt);
  refused("is damaged");
  write_text(bad, "not a checkpoint at all");
  refused("not a whole safetensors file");
  rewrite(r.checkpoint, bad, [](auto& t, auto& data) {
    if (!t.name.ends_with("norm.gain")) return;
    t.shape[0] /= 2;
    data.resize(data.size() / 2);
  });
  refused("of another model");
  rewrite(r.checkpoint, bad, [](auto& t, auto& data) {
    t.type = formwork::dtype::bf16;
    data.resize(data.size() / 2);
  });
  refused("of another precision");
}

TEST_CASE("main job: a loss that is no number, a full disk: the last checkpoint and the record stay") {
  finished_run& r = shared_run();
  const fs::path run = r.folder / "stays", checkpoint = run / "checkpoint.safetensors";
  fs::create_directory(run);
  fs::copy(r.folder / "run/log.csv", run / "log.csv");
  rewrite(r.checkpoint, checkpoint, [](auto& t, auto& data) {
    const float nan = std::nanf("");
    if (t.name == "norm.gain") std::memcpy(data.data(), &nan, sizeof nan);
  });
  const std::string poisoned = read_text(checkpoint);
  check_refused(train_gpt(r.folder, r.text + " --steps 9 --resume " + shell_quoted(checkpoint)), "The loss became NaN at step 4");
  CHECK(read_text(checkpoint) == poisoned);
  CHECK(read_csv_log(run / "log.csv").size() == 4);

  fs::copy(r.checkpoint, checkpoint, fs::copy_options::overwrite_existing);
  const std::string whole = read_text(checkpoint);
  // ulimit counts 512 bytes: enough for the record, too little for a checkpoint.
  check_refused(train_gpt(r.folder, r.text + " --steps 5 --resume " + shell_quoted(checkpoint), "ulimit -f 2000;"), "cannot be written");
  CHECK(read_text(checkpoint) == whole);
  CHECK(read_csv_log(run / "log.csv").size() == 5);
  if (fs::exists("/dev/full"))
    check_refused(train_gpt(r.folder, "--length 3 --sample " + shell_quoted(checkpoint), "", "/dev/full"), "output cannot be written");
  check_refused(train_gpt(r.folder, r.text + " --steps 1 --out /dev/null/run"), "cannot be made");
  check_refused(train_gpt(r.folder, r.text + " --steps 1 --out " + shell_quoted(r.folder / "run")), "holds another run");
}

TEST_CASE("main job: killed while it writes a checkpoint after every step, it can be resumed") {
  finished_run& r = shared_run();
  const fs::path run = r.folder / "killed", checkpoint = run / "checkpoint.safetensors";
  fs::copy(r.folder / "run", run);
  const std::string arguments = r.text + " --steps 1000 --checkpoint-every 1 --resume " + shell_quoted(checkpoint);
  std::uint64_t before = 3;
  for (int round = 0; round < 3; ++round) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      const std::string command = "exec " + shell_quoted(FORMWORK_TRAIN_GPT) + " " + arguments + " > /dev/null 2>&1";
      ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      ::_exit(127);
    }
    // Killed after its first checkpoint, at another moment each time.
    for (int wait = 0; wait < 20000 && read_checkpoint_state(safetensors_file(checkpoint)).step <= before; ++wait) ::usleep(1000 + 2700 * static_cast<unsigned>(round));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(WIFSIGNALED(status));
    const safetensors_file file(checkpoint);
    file.verify();
    const auto now = read_checkpoint_state(file).step;
    CHECK(now > before);
    const auto rows = read_csv_log(run / "log.csv");
    REQUIRE(rows.size() >= now);
    CHECK(rows[now - 1].step == now);
    before = now;
  }
  const auto last = train_gpt(r.folder, r.text + " --length 3 --steps " + std::to_string(before + 1) + " --resume " + shell_quoted(checkpoint));
  CHECK(last.err.empty());
  CHECK(last_line(last.out).starts_with("final validation loss"));
}

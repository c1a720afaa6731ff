// csv_log: rows come back bit for bit, survive kill -9, and a resumed run continues the file.
#include <formwork/train/csv_log.hpp>

#include <sys/resource.h>
#include <sys/wait.h>

#include <bit>
#include <csignal>
#include <limits>
#include <random>

#include "support/catch.hpp"
#include "temporary_folder.hpp"

using namespace formwork::train;
using formwork_test::read_text;
using formwork_test::temporary_folder;
using formwork_test::write_text;
using Catch::Contains;

namespace {
log_row row_of(std::uint64_t step) {
  return {.step = step, .tokens = step * 2048, .loss = 5.5 / static_cast<double>(step + 1), .learning_rate = 1e-3,
          .gradient_norm = 0.1 * static_cast<double>(step), .tokens_per_second = 35'000.125, .seconds = static_cast<double>(step) / 3};
}
bool same(const log_row& a, const log_row& b) {
  bool equal = a.step == b.step && a.tokens == b.tokens;
  for (const auto field : {&log_row::loss, &log_row::validation_loss, &log_row::learning_rate, &log_row::gradient_norm,
                           &log_row::tokens_per_second, &log_row::seconds})
    equal = equal && ((std::isnan(a.*field) && std::isnan(b.*field)) ||
                      std::bit_cast<std::uint64_t>(a.*field) == std::bit_cast<std::uint64_t>(b.*field));
  return equal;
}
const std::string head = "step,tokens,loss,validation_loss,learning_rate,gradient_norm,tokens_per_second,seconds\n";
}  // namespace

TEST_CASE("csv_log: the text, and every number back bit for bit") {
  temporary_folder folder;
  const auto path = folder / "log.csv";
  auto log = csv_log::create(path);
  CHECK(read_text(path) == head);
  log.append({.step = 10, .tokens = 20480, .loss = 2.5, .validation_loss = 2.75, .learning_rate = 1e-3, .gradient_norm = 1,
              .tokens_per_second = 1234.5, .seconds = 7});
  log.append({.step = 20});
  CHECK(read_text(path) == head + "10,20480,2.5,2.75,0.001,1,1234.5,7\n20,0,,,,,,\n");
  std::vector<log_row> rows = log.rows();
  std::mt19937_64 random(1);
  for (int i = 0; i < 300; ++i) {
    auto row = row_of(UINT64_MAX - static_cast<std::uint64_t>(i));
    row.loss = std::bit_cast<double>(random());  // any bits: infinities and denormals too
    row.validation_loss = i % 2 ? log_row::none : -std::bit_cast<double>(random());
    log.append(row);
    rows.push_back(row);
  }
  log.append({.step = 1, .loss = std::numeric_limits<double>::infinity()});
  rows.push_back({.step = 1, .loss = std::numeric_limits<double>::infinity()});
  log.sync();
  const auto back = read_csv_log(path);
  REQUIRE(back.size() == rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) REQUIRE(same(back[i], rows[i]));
  REQUIRE(!same(row_of(3), row_of(4)));
}

TEST_CASE("csv_log: resume drops the rows behind the step and continues the file") {
  temporary_folder folder;
  const auto path = folder / "log.csv";
  {
    auto log = csv_log::create(path);
    for (std::uint64_t step = 10; step <= 100; step += 10) log.append(row_of(step));
  }
  write_text(path, read_text(path) + "110,22");  // torn by a crash
  CHECK(read_csv_log(path).size() == 10);
  {
    auto log = csv_log::resume(path, 70);
    CHECK(log.rows().size() == 7);
    for (std::uint64_t step = 80; step <= 120; step += 10) log.append(row_of(step));
    CHECK(log.rows().size() == 12);
  }
  auto never_stopped = csv_log::create(folder / "other.csv");
  for (std::uint64_t step = 10; step <= 120; step += 10) never_stopped.append(row_of(step));
  CHECK(read_text(path) == read_text(folder / "other.csv"));
  CHECK(csv_log::resume(path, 0).rows().empty());
  CHECK(read_text(path) == head);
  CHECK(csv_log::resume(folder / "new.csv", 5).rows().empty());
  CHECK(read_text(folder / "new.csv") == head);
  for (std::size_t torn = 0; torn < head.size(); ++torn) {  // a crash while the head was written by other means
    write_text(path, head.substr(0, torn));
    REQUIRE(csv_log::resume(path, 5).rows().empty());
  }
}

TEST_CASE("csv_log: two runs do not write one file") {
  temporary_folder folder;
  const auto path = folder / "log.csv";
  {
    auto log = csv_log::create(path);
    log.append({.step = 1});
    CHECK_THROWS_WITH(csv_log::resume(path, 1), Contains("is being written by another run; stop that one or name another folder."));
    CHECK_THROWS_WITH(csv_log::create(path), Contains("by another run"));
    auto moved = std::move(log);
    CHECK_THROWS_WITH(csv_log::resume(path, 1), Contains("by another run"));
    moved.append({.step = 2});
    CHECK(read_csv_log(path).size() == 2);
  }
  auto log = csv_log::resume(path, 1);  // whose file is another one on the disk
  CHECK_THROWS_WITH(csv_log::resume(path, 1), Contains("by another run"));
  log.append({.step = 2});
  CHECK(read_csv_log(path).size() == 2);
}

TEST_CASE("csv_log: what is no log is left alone, with a sentence") {
  temporary_folder folder;
  const auto path = folder / "log.csv";
  const std::pair<std::string, std::string> cases[] = {
      {"my,own,numbers\n1,2,3\n", "is not the log of a training run; move it away"},
      {"precious", "is not the log of a training run"},
      {head + "1,2,3,4,5,6,7,8\nx\n2,2,3,4,5,6,7,8\n", "is damaged at line 3"},
      {head + "1,2,3,4,5,6,7\n", "is damaged at line 2"},
      {head + "1,2,3,4,5,6,7,8,9\n", "is damaged at line 2"},
      {head + "1,2,3,4,5,6,7,8x\n", "is damaged at line 2"},
      {head + "-1,2,3,4,5,6,7,8\n", "is damaged at line 2"}};
  for (const auto& [text, sentence] : cases) {
    write_text(path, text);
    CHECK_THROWS_WITH(csv_log::resume(path, 100), Contains(sentence));
    CHECK(read_text(path) == text);
  }
  CHECK_THROWS_WITH(csv_log::create(folder / "none" / "log.csv"), Contains("check the path"));
}

TEST_CASE("csv_log: a full disk keeps the rows so far") {
  temporary_folder folder;
  const auto path = folder / "log.csv";
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    int appended = 0;
    try {
      auto log = csv_log::create(path);
      const rlimit limit{1000, 1000};
      ::setrlimit(RLIMIT_FSIZE, &limit);
      for (;; ++appended) log.append(row_of(static_cast<std::uint64_t>(appended)));
    } catch (const file_error& error) {
      if (std::string_view(error.what()).find("cannot be extended (the rows so far are kept): File too large; ") == std::string_view::npos) appended = 0;
    }
    ::_exit(appended);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  const auto text = read_text(path);
  CHECK(text.ends_with('\n'));
  CHECK(WEXITSTATUS(status) > 5);
  CHECK(static_cast<int>(read_csv_log(path).size()) == WEXITSTATUS(status));
}

TEST_CASE("csv_log: kill -9 loses at most the row that is being written") {
  temporary_folder folder;
  const auto path = folder / "log.csv";
  int channel[2];
  for (int kill = 0; kill < 20; ++kill) {
    REQUIRE(::pipe(channel) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      try {
        auto log = csv_log::create(path);
        for (std::uint64_t step = 1;; ++step) {
          log.append(row_of(step));
          write_fully(channel[1], std::as_bytes(std::span(&step, 1)));  // said to be logged
        }
      } catch (...) { ::_exit(1); }
    }
    ::close(channel[1]);
    // The pipe holds 8,192 such numbers, so reading paces the child.
    std::uint64_t said = 0, last = 0;
    for (int i = 0; i < 20 + 37 * kill && ::read(channel[0], &said, 8) == 8; ++i) last = said;
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    while (::read(channel[0], &said, 8) == 8) last = said;
    ::close(channel[0]);
    const auto rows = read_csv_log(path);
    REQUIRE(rows.size() >= last);
    REQUIRE(rows.size() <= last + 1);
    for (std::size_t i = 0; i < rows.size(); ++i) REQUIRE(same(rows[i], row_of(i + 1)));
  }
}

// progress: the text, the time left, the width of a terminal, and what a pipe gets.
#include <formwork/train/progress.hpp>

#include <fcntl.h>
#include <stdlib.h>

#include <sstream>

#include "support/catch.hpp"
#include "temporary_folder.hpp"

using formwork::progress;
using formwork::progress_line;
using formwork::detail::clock_text;

namespace {
progress sample(std::uint64_t step, bool evaluated) {
  return {.step = step, .steps = 2000, .tokens = step * 2048, .loss = 2.3144, .validation_loss = evaluated ? 2.29 : progress::none,
          .last_validation_loss = 2.29, .learning_rate = 9.8e-4, .gradient_norm = 0.812, .tokens_per_second = 41250.4,
          .fraction_of_peak = 0.523, .seconds_left = 75};
}
// What a screen of endless width shows in each line: \r goes back, ESC[K clears to the end.
std::vector<std::string> screen(const std::string& output) {
  std::vector<std::string> lines{""};
  std::size_t column = 0;
  for (std::size_t i = 0; i < output.size(); ++i) {
    if (output[i] == '\r') column = 0;
    else if (output[i] == '\n') { lines.push_back(""); column = 0; }
    else if (output.compare(i, 3, "\x1b[K") == 0) { lines.back().resize(column); i += 2; }
    else { lines.back().resize(std::max(lines.back().size(), column + 1)); lines.back()[column++] = output[i]; }
  }
  return lines;
}
}  // namespace

TEST_CASE("progress: durations") {
  CHECK(clock_text(0) == "0:00");
  CHECK(clock_text(75) == "1:15");
  CHECK(clock_text(59.6) == "1:00");
  CHECK(clock_text(3599.4) == "59:59");
  CHECK(clock_text(3599.6) == "1:00:00");
  CHECK(clock_text(3675) == "1:01:15");
  CHECK(clock_text(360'000) == "100:00:00");
  CHECK(clock_text(progress::none) == "-:--");
  CHECK(clock_text(1e300) == "-:--");
}

TEST_CASE("progress: the text, whole and in fewer columns") {
  std::ostringstream stream;
  stream << sample(250, true);
  const std::string whole = "step 250/2000  loss 2.314  validation 2.290  rate 9.8e-04  norm 0.81  41250 tokens/s  52% of peak  1:15 left";
  CHECK(stream.str() == whole);
  CHECK(to_string(sample(250, true), whole.size()) == whole);
  CHECK(to_string(sample(250, true), 79) == "step 250/2000  loss 2.314  validation 2.290  41250 tokens/s  1:15 left");
  CHECK(to_string(sample(250, true), 54) == "step 250/2000  loss 2.314  validation 2.290  1:15 left");
  CHECK(to_string(sample(250, true), 25) == "step 250/2000  loss 2.314");
  CHECK(to_string(sample(250, true), 10) == "step 250/2");
  for (std::size_t columns = 0; columns < 130; ++columns) CHECK(to_string(sample(250, true), columns).size() <= columns);
  CHECK(to_string(progress{.step = 1, .steps = 2, .loss = 5.5}) == "step 1/2  loss 5.500");
}

TEST_CASE("progress: a file gets whole lines for evaluations and the last step, no escapes") {
  formwork_test::temporary_folder folder;
  std::FILE* file = std::fopen((folder / "out").c_str(), "w");
  REQUIRE(file);
  {
    progress_line line(file);
    for (std::uint64_t step = 1; step <= 2000; ++step) line.show(sample(step, step % 500 == 0));
  }
  std::fclose(file);
  std::string expected;
  for (const int step : {500, 1000, 1500, 2000}) expected += to_string(sample(static_cast<std::uint64_t>(step), true)) + "\n";
  CHECK(formwork_test::read_text(folder / "out") == expected);
}

TEST_CASE("progress: a terminal gets one rewritten line that fits, and keeps evaluations") {
  const int master = ::posix_openpt(O_RDWR | O_NOCTTY);
  REQUIRE(master >= 0);
  REQUIRE(::grantpt(master) == 0);
  REQUIRE(::unlockpt(master) == 0);
  winsize size{};
  size.ws_row = 24;
  size.ws_col = 60;
  REQUIRE(::ioctl(master, TIOCSWINSZ, &size) == 0);
  std::FILE* terminal = std::fopen(::ptsname(master), "w");
  REQUIRE(terminal);
  std::string output;
  {
    progress_line line(terminal);
    line.show(sample(1, true));
    ::usleep(120'000);
    line.show(sample(2, false));
    for (int i = 0; i < 1000; ++i) line.show(sample(3, false));  // too soon after the one before, nearly all of them
    ::usleep(120'000);
    size.ws_col = 30;
    ::ioctl(master, TIOCSWINSZ, &size);
    line.show(sample(4, false));
  }
  std::fclose(terminal);
  char buffer[4096];
  for (ssize_t n; (n = ::read(master, buffer, sizeof buffer)) > 0;) output.append(buffer, static_cast<std::size_t>(n));
  ::close(master);
  const auto lines = screen(output);
  REQUIRE(lines.size() == 3);
  CHECK(lines[0] == "step 1/2000  loss 2.314  validation 2.290  1:15 left");
  CHECK(lines[1] == "step 4/2000  loss 2.314");
  CHECK(lines[2].empty());
  CHECK(output.find("step 2/2000") != std::string::npos);
  std::size_t rewritten = 0;
  for (const char c : output) rewritten += c == '\r' ? 1 : 0;
  CHECK(rewritten < 500);
}

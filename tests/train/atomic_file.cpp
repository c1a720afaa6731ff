// atomic_file: a reader sees the old bytes or the new ones, whatever happens to the writer.
#include <formwork/train/atomic_file.hpp>

#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>

#include "support/catch.hpp"
#include "temporary_folder.hpp"

using namespace formwork::train;
namespace fs = std::filesystem;
using formwork_test::read_text;
using formwork_test::temporary_folder;
using Catch::Contains;

namespace {
std::size_t files_in(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}
}  // namespace

TEST_CASE("atomic_file: commit replaces, no commit leaves the old file and no temporary") {
  temporary_folder folder;
  const auto path = folder / "a.txt";
  write_atomically(path, "old");
  fs::permissions(path, fs::perms(0640));
  {
    atomic_file file(path);
    file.write("half of the new");
    CHECK(read_text(path) == "old");
  }
  CHECK(read_text(path) == "old");
  CHECK(files_in(folder) == 1);
  {
    atomic_file file(path);
    file.write("new ");
    file.write("bytes");
    file.commit();
    CHECK_THROWS_AS(file.write("more"), file_error);
    CHECK_THROWS_AS(file.commit(), file_error);
  }
  CHECK(read_text(path) == "new bytes");
  CHECK(fs::status(path).permissions() == fs::perms(0640));
  CHECK(files_in(folder) == 1);
}

TEST_CASE("atomic_file: a link stays a link, a stale temporary is taken over, relative names work") {
  temporary_folder folder;
  write_atomically(folder / "real", "old");
  fs::create_symlink("real", folder / "link");
  std::ofstream(folder / "real.partial") << "left by a killed writer, longer than what comes now";
  write_atomically(folder / "link", "new");
  CHECK(fs::is_symlink(folder / "link"));
  CHECK(read_text(folder / "real") == "new");
  CHECK(files_in(folder) == 2);

  const auto before = fs::current_path();
  fs::current_path(fs::path(folder));
  write_atomically("relative.txt", "here");
  fs::current_path(before);
  CHECK(read_text(folder / "relative.txt") == "here");
}

TEST_CASE("atomic_file: impossible targets are sentences") {
  temporary_folder folder;
  write_atomically(folder / "file", "x");
  CHECK_THROWS_WITH(atomic_file(folder / "none" / "f"), Contains("No such file or directory; check the path."));
  CHECK_THROWS_WITH(atomic_file(folder / "file" / "f"), Contains("Not a directory"));
  CHECK_THROWS_WITH(atomic_file(fs::path(folder)), Contains("name a file, not a folder"));
  CHECK_THROWS_WITH(atomic_file("/dev/null"), Contains("is not a regular file"));
  atomic_file first(folder / "file");
  CHECK_THROWS_WITH(atomic_file(folder / "file"), Contains("is being written by another process"));
  first.write("y");
  first.commit();
  CHECK(read_text(folder / "file") == "y");
}

TEST_CASE("atomic_file: short and interrupted writes go on, a full disk is an error") {
  std::string written;
  int call = 0;
  const auto stingy = [&](const std::byte* data, std::size_t size) -> ssize_t {
    if (++call % 3 == 0) { errno = EINTR; return -1; }
    const auto some = std::min<std::size_t>(size, static_cast<std::size_t>(call % 5 + 1));
    written.append(reinterpret_cast<const char*>(data), some);
    return static_cast<ssize_t>(some);
  };
  const std::string text = "a sentence that takes many short writes before it is wholly there";
  CHECK(write_fully(stingy, as_bytes(text)) == 0);
  CHECK(written == text);
  CHECK(write_fully([](auto...) -> ssize_t { return 0; }, as_bytes(text)) == ENOSPC);
  if (const descriptor full = open_descriptor("/dev/full", O_WRONLY)) CHECK(write_fully(full.get(), as_bytes(text)) == ENOSPC);
}

TEST_CASE("atomic_file: a write that fails half way leaves the old file, no temporary, and a sentence") {
  temporary_folder folder;
  const auto path = folder / "a.bin";
  write_atomically(path, "old");
  int channel[2];
  REQUIRE(::pipe(channel) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);  // so that the limit is an error of write(2), as a full disk is
    const rlimit limit{100'000, 100'000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    std::string said = "nothing";
    try {
      atomic_file file(path);
      for (int i = 0; i < 100; ++i) file.write(std::string(10'000, 'n'));
      file.commit();
    } catch (const file_error& error) { said = error.what(); }
    write_fully(channel[1], as_bytes(said));
    ::_exit(0);
  }
  ::close(channel[1]);
  std::string said(4096, '\0');
  said.resize(static_cast<std::size_t>(std::max<ssize_t>(0, ::read(channel[0], said.data(), said.size()))));
  ::close(channel[0]);
  ::waitpid(child, nullptr, 0);
  CHECK_THAT(said, Contains("cannot be written (what stood there before is unchanged): File too large; "));
  CHECK(read_text(path) == "old");
  CHECK(files_in(folder) == 1);
}

TEST_CASE("atomic_file: kill -9 at any moment leaves one whole file") {
  temporary_folder folder;
  const auto path = folder / "checkpoint";
  // A file is one character repeated; its length is fixed by the character, so a mixture is seen.
  const auto text = [](int generation) {
    return std::string(static_cast<std::size_t>(200'000 + 1000 * (generation % 26)), static_cast<char>('a' + generation % 26));
  };
  write_atomically(path, text(0));
  std::mt19937 random(7);
  int changed = 0;
  std::string before = read_text(path);
  for (int kill = 0; kill < 60; ++kill) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      try {
        for (int generation = kill;; ++generation) {
          atomic_file file(path);
          const auto whole = text(generation);
          for (std::size_t i = 0; i < whole.size(); i += 50'000) file.write(std::string_view(whole).substr(i, 50'000));
          file.commit();
        }
      } catch (...) { ::_exit(1); }
    }
    ::usleep(static_cast<useconds_t>(random() % 12'000));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    REQUIRE(WIFSIGNALED(status));  // killed, not ended by an error of its own
    const auto now = read_text(path);
    REQUIRE(!now.empty());
    REQUIRE(now == text(now.front() - 'a'));
    changed += now != before;
    before = now;
  }
  CHECK(changed > 0);  // the writers did get far enough to replace it
  write_atomically(path, "the end");
  CHECK(read_text(path) == "the end");
  CHECK(files_in(folder) == 1);
}

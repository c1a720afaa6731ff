// token_data: which bytes are the text, in which order, and how it is split.
#include <formwork/train/token_data.hpp>
#include <formwork/train/token_split.hpp>

#include <sys/stat.h>
#include <sys/wait.h>

#include <random>

#include "support/catch.hpp"
#include "temporary_folder.hpp"

using namespace formwork::train;
namespace fs = std::filesystem;
using formwork_test::temporary_folder;
using formwork_test::write_text;
using Catch::Contains;
using Catch::Matchers::EndsWith;

namespace {
std::string text_of(std::span<const std::uint8_t> tokens) { return {tokens.begin(), tokens.end()}; }

// Every position is known from 3 bytes: a text in which each window is unique.
std::string numbered(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i % 3 == 0 ? i / 3 % 251 : i % 3 == 1 ? i / 753 % 251 : 255);
  return text;
}
}  // namespace

TEST_CASE("token_data: a folder is its text files, recursive and sorted, the rest is counted") {
  temporary_folder folder;
  write_text(folder / "b.txt", "BB");
  write_text(folder / "a/z.txt", "az");
  write_text(folder / "a/deep/er.txt", "deep");
  write_text(folder / "binary", std::string_view("x\0y", 3));
  write_text(folder / "empty", "");
  write_text(folder / ".git/object", "hidden");
  write_text(folder / ".hidden", "hidden");
  ::mkfifo((folder / "pipe").c_str(), 0600);
  fs::create_directory_symlink(".", folder / "loop");
  fs::create_symlink("nowhere", folder / "dangling");
  fs::create_symlink("b.txt", folder / "again");  // comes before b.txt, is the same file
  const token_data data{fs::path(folder)};
  CHECK(text_of(data.tokens()) == "deep\naz\nBB");
  CHECK(data.files() == 3);
  CHECK(data.skipped() == token_data::skipped_files{.binary = 1, .empty = 1, .unreadable = 0});
  CHECK(data.describe() == "10 bytes of text from 3 files (1 binary file, 1 empty file skipped)");

  const fs::path several[] = {folder / "b.txt", folder / "a", folder / "binary", folder / "b.txt"};
  CHECK(text_of(token_data(several).tokens()) == std::string("BB\ndeep\naz\nx\0y", 14));

  token_data moved = token_data(folder / "b.txt");
  const auto print = moved.fingerprint();
  const token_data kept = std::move(moved);
  CHECK(text_of(kept.tokens()) == "BB");
  CHECK(kept.fingerprint() == print);
  write_text(folder / "c.txt", "BC");
  CHECK(token_data(folder / "c.txt").fingerprint() != print);
}

TEST_CASE("token_data: missing, empty, unreadable, no text: one sentence each") {
  temporary_folder folder;
  write_text(folder / "empty", "");
  write_text(folder / "f/binary", std::string_view("\0", 1));
  ::mkfifo((folder / "pipe").c_str(), 0600);
  CHECK_THROWS_WITH(token_data(folder / "none"), EndsWith("none' cannot be read: No such file or directory; check the path."));
  CHECK_THROWS_WITH(token_data(folder / "empty"), EndsWith("is empty; name a file with text."));
  CHECK_THROWS_WITH(token_data(folder / "f"), Contains("holds no text that can be read (1 binary file skipped); name"));
  CHECK_THROWS_WITH(token_data(folder / "pipe"), Contains("is not a regular file"));
  CHECK_THROWS_WITH(token_data(std::span<const fs::path>()), Contains("No text is named"));

  // Permissions do not stop root, so a child without that right looks.
  write_text(folder / "f/secret", "text");
  write_text(folder / "g/open", "open");
  write_text(folder / "g/secret", "secret");
  write_text(folder / "g/closed/x", "x");
  fs::permissions(fs::path(folder), fs::perms(0755));
  for (const auto* secret : {"f/secret", "g/secret", "g/closed"}) fs::permissions(folder / secret, fs::perms::none);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (::geteuid() == 0 && ::seteuid(65534) != 0) ::_exit(9);
    int passed = 0;
    try { token_data data(folder / "f/secret"); } catch (const file_error& error) {
      passed += std::string_view(error.what()).ends_with("secret' cannot be read: Permission denied; change its permissions or name another path.");
    }
    try { token_data data(folder / "f"); } catch (const file_error& error) {
      passed += std::string_view(error.what()).find("(1 binary file, 1 unreadable file skipped)") != std::string_view::npos;
    }
    try {
      token_data data(folder / "g");
      passed += text_of(data.tokens()) == "open" && data.skipped().unreadable == 2;
    } catch (const file_error&) {}
    ::_exit(passed);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  fs::permissions(folder / "g/closed", fs::perms::owner_all);
  CHECK(WEXITSTATUS(status) == 3);
}

TEST_CASE("token_split: both ways are deterministic, disjoint, complete, and as large as asked") {
  temporary_folder folder;
  const std::string text = numbered(100'000);
  write_text(folder / "t", text);
  const auto split = [&](split_options options) { return token_split(token_data(folder / "t"), options); };

  const auto tail = split({.context = 64, .validation = 0.2, .by = split_by::tail});
  CHECK(text_of(tail.training()) == text.substr(0, 80'000));
  CHECK(text_of(tail.validation()) == text.substr(80'000));

  const auto chunks = split({.context = 64, .validation = 0.2, .chunk = 1000});
  const std::string training = text_of(chunks.training()), validation = text_of(chunks.validation());
  CHECK(validation.size() == 20'000);
  CHECK(training.size() == 80'000);
  // Walk the text: every chunk is the next one of one part; both parts come from everywhere.
  std::size_t t = 0, v = 0, first_half = 0;
  for (std::size_t i = 0; i < text.size(); i += 1000) {
    const auto piece = std::string_view(text).substr(i, 1000);
    if (v < validation.size() && std::string_view(validation).substr(v, 1000) == piece) { v += 1000; first_half += i < 50'000; }
    else { REQUIRE(std::string_view(training).substr(t, 1000) == piece); t += 1000; }
  }
  CHECK(v == 20'000);
  CHECK(first_half > 3);
  CHECK(first_half < 17);
  CHECK(text_of(split({.context = 64, .validation = 0.2, .chunk = 1000}).validation()) == validation);
  CHECK(text_of(split({.context = 64, .validation = 0.2, .chunk = 1000, .seed = 1}).validation()) != validation);
  CHECK(split({.context = 64}).validation().size() == 10'000 / 1562 * 1562);  // 6 of 64 chunks of 1562 bytes
}

TEST_CASE("token_split: a large file is mapped, and its parts are those of a copy") {
  temporary_folder folder;
  const std::uint64_t page = mapped_pieces::page();
  for (const std::size_t extra : {std::size_t(0), std::size_t(123)}) {
    write_text(folder / "t", numbered(200 * page + extra));
    for (const double fraction : {0.1, 0.6, 0.99}) {
      const auto split = [&](std::uint64_t copied) {
        return token_split(token_data(folder / "t"), {.context = 64, .validation = fraction, .chunk = page, .copied = copied});
      };
      const token_split copy = split(1u << 30);
      const token_split mapped = split(0);
      REQUIRE(text_of(mapped.training()) == text_of(copy.training()));
      REQUIRE(text_of(mapped.validation()) == text_of(copy.validation()));
      CHECK(reinterpret_cast<std::uintptr_t>(mapped.training().data()) % page == 0);
      CHECK(reinterpret_cast<std::uintptr_t>(mapped.validation().data()) % page == 0);
      mapped.release();  // and read again
      copy.release();
      REQUIRE(text_of(mapped.training()) == text_of(copy.training()));
    }
  }
}

TEST_CASE("token_split: any length either splits with enough on both sides or is a sentence") {
  temporary_folder folder;
  for (const std::size_t size : {1u, 21u, 22u, 23u, 40u, 65u, 1000u, 1407u, 5000u}) {
    write_text(folder / "t", numbered(size));
    for (const auto by : {split_by::chunks, split_by::tail})
      for (const double fraction : {0.001, 0.5, 0.999}) {
        INFO(size << " " << fraction);
        const split_options options{.context = 10, .validation = fraction, .by = by};
        if (size < 22) {
          REQUIRE_THROWS_WITH(token_split(token_data(folder / "t"), options),
                              EndsWith("a context of 10 needs 22 (training and validation 11 each); name more text or choose a smaller context."));
          continue;
        }
        const token_split split(token_data(folder / "t"), options);
        REQUIRE(split.training().size() >= 11);
        REQUIRE(split.validation().size() >= 11);
        REQUIRE(split.training().size() + split.validation().size() == size);
      }
  }
  CHECK_THROWS_WITH(token_split(token_data(folder / "t"), {.context = 10, .validation = 1.0}), Contains("between 0 and 1"));
}

TEST_CASE("token_data: the standard library's headers are text") {
  const auto folder = standard_headers();
  CHECK(fs::exists(folder / "vector"));
  CHECK(standard_headers("/nowhere") == folder);
  CHECK(standard_headers(folder) == folder);
  const token_data once(folder), again(folder);
  CHECK(once.fingerprint() == again.fingerprint());
  CHECK(once.tokens().size() > 1'000'000);
  CHECK(text_of(once.tokens()).find("namespace std") != std::string::npos);
}

// matches <text> <program> <argument>...: runs the program; every line of the text must be a line of what it prints, in
// that order. A word "..." stands for any words of its line, a line "..." for any lines.
#include <sys/wait.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

std::string without_end_blanks(std::string line) {
  line.erase(line.find_last_not_of(" \t\r\n") + 1);
  return line;
}

// Figures with a fraction may differ by a tenth: rounding differs between instruction sets.
bool same_word(const std::string& a, const std::string& b) {
  if (a == b) return true;
  if (b.find('.') == std::string::npos) return false;
  char *a_end = nullptr, *b_end = nullptr;
  const double x = std::strtod(a.c_str(), &a_end), y = std::strtod(b.c_str(), &b_end);
  return b_end != b.c_str() && std::string(a_end) == b_end && std::abs(x - y) <= 0.1 * std::abs(y);
}

// Words, each with the blanks before it.
std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words;
  bool in_word = true;
  for (char c : line) {
    if (words.empty() || (c == ' ' && in_word)) words.emplace_back();
    in_word = c != ' ';
    words.back() += c;
  }
  return words;
}

// A word "..." of the pattern stands for any words.
bool fits(const std::vector<std::string>& line, const std::vector<std::string>& pattern, std::size_t at = 0, std::size_t in = 0) {
  if (in == pattern.size()) return at == line.size();
  const bool any = pattern[in].find_first_not_of(' ') != std::string::npos && pattern[in].substr(pattern[in].find_first_not_of(' ')) == "...";
  if (any) return fits(line, pattern, at, in + 1) || (at < line.size() && fits(line, pattern, at + 1, in));
  return at < line.size() && same_word(line[at], pattern[in]) && fits(line, pattern, at + 1, in + 1);
}

std::string quoted(const std::string& word) {
  std::string out = "'";
  for (char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

int main(int count, char** arguments) {
  if (count < 3) {
    std::cout << "usage: matches <text> <program> <argument>...\n";
    return 2;
  }
  std::ifstream in(arguments[1]);
  std::vector<std::string> wanted;
  for (std::string line; std::getline(in, line);) wanted.push_back(without_end_blanks(line));
  std::string command;
  for (int i = 2; i < count; ++i) command += quoted(arguments[i]) + " ";

  std::FILE* out = popen(command.c_str(), "r");
  if (out == nullptr) return 2;
  std::vector<std::string> printed(1);
  for (int c; (c = std::fgetc(out)) != EOF;) {
    if (c == '\n') printed.emplace_back();
    else printed.back() += static_cast<char>(c);
  }
  const int status = pclose(out);
  for (const auto& line : printed) std::cout << line << '\n';
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    std::cout << "matches: the program failed\n";
    return 1;
  }

  std::size_t at = 0;
  bool skips = true;  // the text may begin within what is printed
  int checked = 0;
  for (const auto& line : wanted) {
    if (line == "...") {
      skips = true;
      continue;
    }
    const auto begin = at;
    while (at < printed.size() && !fits(words_of(without_end_blanks(printed[at])), words_of(line))) ++at;
    if (at == printed.size() || (!skips && at != begin)) {
      std::cout << "matches: the program no longer prints \"" << line << "\" there, which " << arguments[1] << " says\n";
      return 1;
    }
    ++at;
    ++checked;
    skips = false;
  }
  if (checked == 0) std::cout << "matches: the text is empty\n";
  return checked == 0 ? 1 : 0;
}

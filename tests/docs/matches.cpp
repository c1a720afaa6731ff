// matches <text> <program> <argument>...: runs the program; every line of the text must be a line of what it prints, in
// that order. "..." in a line stands for anything, a line "..." for any lines.
#include <sys/wait.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

std::string without_end_blanks(std::string line) {
  line.erase(line.find_last_not_of(" \t\r\n") + 1);
  return line;
}

bool fits(const std::string& line, const std::string& pattern) {
  std::size_t at = 0, from = 0;
  for (bool first = true;; first = false) {
    const auto dots = pattern.find("...", from);
    const bool last = dots == std::string::npos;
    const auto part = pattern.substr(from, last ? dots : dots - from);
    auto found = last && !first && line.size() >= at + part.size() ? line.size() - part.size() : line.find(part, at);
    if (found == std::string::npos || line.compare(found, part.size(), part) != 0 || (first && found != 0)) return false;
    at = found + part.size();
    if (last) return at == line.size();
    from = dots + 3;
  }
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
    while (at < printed.size() && !fits(without_end_blanks(printed[at]), line)) ++at;
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

// layering <include/formwork>: reads every header below the folder and prints one line for each that breaks
// a rule of the layout; the exit status says whether there was one.
//
//   1. A folder includes only itself and the folders before it.
//   2. `detail` never crosses a folder.
//   3. A header has at most 400 lines.
//   4. formwork.hpp, once it exists, names every header, in the order of the folders.
//   5. No `= {.member`: nvcc 13.4 and 13.5 forget the names where such a list is assigned in a template, and then the values
//      go to the first members. `type{.member` keeps them.
#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace fs = std::filesystem;

constexpr std::array order{"core",    "shape",   "tensor", "program", "ops",   "trace", "passes",
                           "kernels", "backend", "run",    "nn",      "optim", "train", "dist"};
constexpr int longest_header = 400;
constexpr std::string_view contents = "formwork.hpp";

struct token {
  std::string text;
  int line;
  bool is_name() const { return std::isalpha(static_cast<unsigned char>(text[0])) || text[0] == '_'; }
};

struct header {
  std::string path, folder;  // relative to include/formwork
  int lines = 0;
  std::vector<std::pair<int, std::string>> includes;  // line, as written with its quotes
  std::vector<token> tokens;                          // without comments, literals, preprocessor lines
  std::vector<std::string> detail;  // for each token: the namespace `...::detail` around it, or ""
};

// The names that a folder declares in namespaces `detail`, and in which.
using detail_names = std::map<std::string, std::set<std::string>>;

int failures = 0;

void report(const header& h, int line, const std::string& sentence) {
  std::cout << h.path << ':' << line << ": " << sentence << '\n';
  ++failures;
}

int rank_of(std::string_view folder) {
  return static_cast<int>(std::find(order.begin(), order.end(), folder) - order.begin());
}

// Comments, literals and preprocessor lines become blanks; line breaks stay.
std::string code_of(const std::string& text) {
  std::string out = text;
  auto blank = [&](std::size_t from, std::size_t to) {
    for (auto i = from; i < std::min(to, out.size()); ++i)
      if (out[i] != '\n') out[i] = ' ';
  };
  auto find = [&](std::string_view what, std::size_t from) {
    auto at = text.find(what, from);
    return at == std::string::npos ? text.size() : at;
  };
  bool line_start = true;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    std::size_t end = i + 1;
    if (text.compare(i, 2, "//") == 0) {
      blank(i, end = find("\n", i));
    } else if (text.compare(i, 2, "/*") == 0) {
      blank(i, end = find("*/", i + 2) + 2);
    } else if (text.compare(i, 2, "R\"") == 0) {
      const auto open = find("(", i);
      const auto close = ")" + text.substr(i + 2, open - i - 2) + "\"";
      blank(i, end = find(close, open) + close.size());
    } else if (c == '"' ||
               (c == '\'' && (i == 0 || !std::isalnum(static_cast<unsigned char>(text[i - 1]))))) {
      while (end < text.size() && text[end] != c) end += text[end] == '\\' ? 2 : 1;
      blank(i, ++end);
    } else if (c == '#' && line_start) {
      end = find("\n", i);
      while (end < text.size() && text[end - 1] == '\\') end = find("\n", end + 1);
      blank(i, end);
    }
    if (c == '\n')
      line_start = true;
    else if (!std::isspace(static_cast<unsigned char>(c)))
      line_start = false;
    i = end;
  }
  return out;
}

std::vector<token> tokens_of(const std::string& code) {
  std::vector<token> out;
  int line = 1;
  for (std::size_t i = 0; i < code.size();) {
    const auto word = [&](std::size_t at) {
      return at < code.size() && (std::isalnum(static_cast<unsigned char>(code[at])) || code[at] == '_');
    };
    std::size_t end = i + 1;
    if (word(i))
      while (word(end)) ++end;
    else if (code.compare(i, 2, "::") == 0 || code.compare(i, 2, "->") == 0)
      end = i + 2;
    if (!std::isspace(static_cast<unsigned char>(code[i]))) out.push_back({code.substr(i, end - i), line});
    line += code[i] == '\n';
    i = end;
  }
  return out;
}

// The position after the bracket that closes the one at `at`.
std::size_t after_group(const std::vector<token>& t, std::size_t at, std::size_t end) {
  const std::string open = t[at].text;
  const std::string close = open == "(" ? ")" : open == "[" ? "]" : open == "<" ? ">" : "}";
  int depth = 0;
  for (; at < end; ++at) {
    depth += t[at].text == open;
    depth -= t[at].text == close;
    if (depth == 0) return at + 1;
  }
  return end;
}

// The names that the declaration in tokens [begin, end) introduces; `end` is its `;` or `{`.
std::vector<std::string> declared_names(const std::vector<token>& t, std::size_t begin, std::size_t end) {
  std::vector<std::string> names;
  std::string last;
  for (auto i = begin; i < end;) {
    const auto& s = t[i].text;
    const bool group_follows = i + 1 < end && t[i + 1].text == "(";
    if (s == "template" && i + 1 < end && t[i + 1].text == "<") {
      i = after_group(t, i + 1, end);
    } else if (s == "[" || s == "<") {
      i = after_group(t, i, end);
    } else if (group_follows &&
               (s == "requires" || s == "alignas" || s == "decltype" || s == "noexcept" || s == "explicit")) {
      i = after_group(t, i + 1, end);
    } else if (s == "struct" || s == "class" || s == "union" || s == "enum" || s == "concept") {
      for (++i; i < end &&
                (!t[i].is_name() || t[i].text == "class" || t[i].text == "struct" || t[i].text == "alignas");)
        i = t[i].text == "[" || t[i].text == "(" ? after_group(t, i, end) : i + 1;
      return {i < end ? t[i].text : ""};
    } else if (s == "(") {
      return {last};
    } else if (s == "=") {  // the initialiser, up to the next declarator
      while (i < end && t[i].text != ",")
        i = t[i].text == "(" || t[i].text == "{" || t[i].text == "[" ? after_group(t, i, end) : i + 1;
    } else if (s == ",") {
      names.push_back(last);
      ++i;
    } else {
      if (t[i].is_name() && s != "using") last = s;
      ++i;
    }
  }
  names.push_back(last);
  return names;
}

// Notes the namespace `detail` that each token stands in and collects the names declared there.
void read_details(header& h, detail_names& names) {
  struct block {
    bool is_namespace;
    std::string name;  // "formwork::detail", or "" where no `detail` is around
  };
  std::vector<block> blocks{{true, ""}};
  std::vector<std::string> path;
  const auto& t = h.tokens;
  h.detail.assign(t.size(), "");
  std::size_t begin = 0;  // of the statement
  for (std::size_t i = 0; i < t.size(); ++i) {
    const auto& s = t[i].text;
    h.detail[i] = blocks.back().name;
    const bool declares = blocks.back().is_namespace && !blocks.back().name.empty();
    const bool opens_namespace =
        s == "{" && blocks.back().is_namespace &&
        (t[begin].text == "namespace" || (t[begin].text == "inline" && t[begin + 1].text == "namespace"));
    if (opens_namespace) {
      block next{true, blocks.back().name};
      std::string name;
      for (auto k = begin; k < i; ++k)
        if (t[k].is_name() && t[k].text != "namespace" && t[k].text != "inline") {
          name += "::" + t[k].text;
          if (t[k].text == "detail" && next.name.empty()) {
            for (const auto& outer : path) next.name += outer;
            next.name += name;
          }
        }
      path.push_back(name);
      blocks.push_back(next);
    } else if (s == "{") {
      if (declares)
        for (const auto& name : declared_names(t, begin, i)) names[name].insert(blocks.back().name);
      blocks.push_back({false, blocks.back().name});
    } else if (s == "}" && blocks.size() > 1) {
      if (blocks.back().is_namespace) path.pop_back();
      blocks.pop_back();
    } else if (s == ";" && declares) {
      for (const auto& name : declared_names(t, begin, i)) names[name].insert(blocks.back().name);
    }
    if (s == "{" || s == "}" || s == ";") begin = i + 1;
  }
}

header read_header(const fs::path& root, const fs::path& file) {
  header h;
  h.path = file.lexically_relative(root).generic_string();
  h.folder = h.path.find('/') == std::string::npos ? "" : h.path.substr(0, h.path.find('/'));
  std::ifstream in(file);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  static const std::regex include(R"(^\s*#\s*include\s*([<"][^>"]+[>"]).*)");
  std::istringstream lines(text);
  std::smatch match;
  for (std::string line; std::getline(lines, line);) {
    ++h.lines;
    if (std::regex_match(line, match, include)) h.includes.emplace_back(h.lines, match[1]);
  }
  h.tokens = tokens_of(code_of(text));
  return h;
}

// The included header relative to include/formwork, or "" for another library's.
std::string resolve(const fs::path& root, const header& h, const std::string& written) {
  const auto name = written.substr(1, written.size() - 2);
  if (name.starts_with("formwork/")) return name.substr(9);
  if (written[0] == '<') return "";
  return (root / h.path)
      .parent_path()
      .lexically_relative(root)
      .append(name)
      .lexically_normal()
      .generic_string();
}

void check_includes(const fs::path& root, const header& h) {
  if (!h.folder.empty() && rank_of(h.folder) == static_cast<int>(order.size()))
    report(h, 1, "stands in folder '" + h.folder + "', which the layout does not know");
  int last_rank = 0;
  for (const auto& [line, written] : h.includes) {
    const auto target = resolve(root, h, written);
    if (target.empty()) continue;
    if (!fs::exists(root / target)) {
      report(h, line, "includes " + written + ", which does not exist");
      continue;
    }
    const auto folder = target.substr(0, target.find('/'));
    if (h.folder.empty()) {
      if (rank_of(folder) < last_rank) report(h, line, "names " + written + " after a later folder");
      last_rank = std::max(last_rank, rank_of(folder));
    } else if (rank_of(folder) > rank_of(h.folder)) {
      report(h, line, "includes " + written + ", but folder '" + folder + "' comes after '" + h.folder + "'");
    }
  }
}

void check_details(const header& h, const std::map<std::string, detail_names>& details) {
  static const std::set<std::string> others{"std",    "boost", "hana", "cub",
                                            "thrust", "cuda",  "nv",   "benchmark"};
  static const std::set<std::string> not_a_type{"return",    "case", "else", "throw",
                                                "co_return", "and",  "or",   "not"};
  const auto& own = details.at(h.folder);
  const auto& t = h.tokens;
  auto text = [&](std::size_t i) { return i < t.size() ? std::string_view(t[i].text) : std::string_view(); };

  std::set<std::string> local;  // names that this header itself declares somewhere
  for (std::size_t i = 1; i < t.size(); ++i) {
    const auto& before = t[i - 1];
    const bool after_type = before.is_name() ? !not_a_type.contains(before.text)
                                             : before.text == "&" || before.text == "*" || before.text == ">";
    if (t[i].is_name() && (after_type || text(i + 1) == "=")) local.insert(t[i].text);
  }

  for (std::size_t i = 0; i < t.size(); ++i) {
    if (t[i].text == "detail" && i >= 2 && text(i - 1) == "namespace" && text(i - 2) == "using")
      report(h, t[i].line, "says 'using namespace detail'");
    if (t[i].text == "detail" && text(i + 1) == "::") {
      auto first = i;
      while (first >= 2 && text(first - 1) == "::" && t[first - 2].is_name()) first -= 2;
      const auto name = std::string(text(i + 2));
      if (others.contains(t[first].text) || text(i + 2) == "{" || own.contains(name)) continue;
      if (first > 0 && text(first - 1) == "namespace") continue;
      std::string owner;
      for (const auto& [folder, names] : details)
        if (names.contains(name)) owner = folder;
      report(h, t[i].line,
             "says detail::" + name + ", " +
                 (owner.empty() ? "which its folder does not declare"
                                : "which belongs to folder '" + owner + "'"));
    } else if (!h.detail[i].empty() && t[i].is_name() && !own.contains(t[i].text) &&
               !local.contains(t[i].text)) {
      // Within the same `namespace detail` another folder's names are visible without being said.
      const auto before = i > 0 ? text(i - 1) : "", after = text(i + 1);
      if (before == "." || before == "->" || before == "::" || (after != "(" && after != "<" && after != "{"))
        continue;
      for (const auto& [folder, names] : details)
        if (const auto found = names.find(t[i].text);
            found != names.end() && found->second.contains(h.detail[i]))
          report(h, t[i].line, "says detail::" + t[i].text + ", which belongs to folder '" + folder + "'");
    }
  }
}

void check_assigned_names(const header& h) {
  const auto& t = h.tokens;
  for (std::size_t i = 0; i + 2 < t.size(); ++i)
    if (t[i].text == "=" && t[i + 1].text == "{" && t[i + 2].text == ".")
      report(h, t[i].line, "has '= {.', whose names nvcc 13.4 forgets; name the type: 'type{.member = value}'");
}

int main(int count, char** arguments) {
  if (count != 2 || !fs::is_directory(arguments[1])) {
    std::cout << "usage: layering <include/formwork>\n";
    return 2;
  }
  const fs::path root = arguments[1];
  std::vector<header> headers;
  for (const auto& entry : fs::recursive_directory_iterator(root))
    if (entry.path().extension() == ".hpp" || entry.path().extension() == ".cuh")
      headers.push_back(read_header(root, entry.path()));
  std::sort(headers.begin(), headers.end(), [](const auto& a, const auto& b) { return a.path < b.path; });

  std::map<std::string, detail_names> details;
  for (auto& h : headers) read_details(h, details[h.folder]);

  const auto table = std::find_if(headers.begin(), headers.end(), [](auto& h) { return h.path == contents; });
  std::set<std::string> listed;
  if (table != headers.end())
    for (const auto& [line, written] : table->includes) listed.insert(resolve(root, *table, written));

  for (const auto& h : headers) {
    check_includes(root, h);
    check_details(h, details);
    check_assigned_names(h);
    if (h.lines > longest_header)
      report(h, h.lines,
             "has " + std::to_string(h.lines) + " lines; at most " + std::to_string(longest_header));
    if (table != headers.end() && h.path != contents && !h.path.starts_with("backend/cuda/") &&
        !listed.contains(h.path))
      report(h, 1, "is missing from the table of contents in " + std::string(contents));
  }
  if (headers.empty()) {
    std::cout << "no headers below " << root << '\n';
    return 2;
  }
  std::cout << headers.size() << " headers, " << failures << " broken rules\n";
  return failures == 0 ? 0 : 1;
}

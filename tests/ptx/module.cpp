// The text of a module: declarations of variables, parameters and registers; labels; instructions.
#include "module.hpp"

#include <bit>
#include <charconv>
#include <map>
#include <optional>
#include <stdexcept>
#include <unordered_map>

namespace formwork::ptx {

namespace {

[[noreturn]] void fail(int line, std::string const& what) { throw std::runtime_error("PTX line " + std::to_string(line) + ": " + what); }

constexpr long aligned(long offset, long alignment) { return (offset + alignment - 1) / alignment * alignment; }

// Names, numbers, directives (".reg"), one-character punctuation.
struct token {
  std::string_view text;
  int line;
};

std::vector<token> tokens_of(std::string_view s) {
  std::vector<token> all;
  int line = 1;
  const auto in_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%' || c == '.'; };
  for (std::size_t i = 0; i < s.size();) {
    const char c = s[i];
    if (c == '\n') ++line;
    if (std::isspace(static_cast<unsigned char>(c)) || c == '\0') {
      ++i;
    } else if (s.compare(i, 2, "//") == 0) {
      while (i < s.size() && s[i] != '\n') ++i;
    } else if (c == '"') {
      const std::size_t end = s.find('"', i + 1);
      all.push_back({s.substr(i, end + 1 - i), line});
      i = end + 1;
    } else if (in_word(c)) {
      std::size_t end = i;
      // "::" stands within a mnemonic (.L1::no_allocate), a single ':' ends a label.
      while (end < s.size() && (in_word(s[end]) || (s.compare(end, 2, "::") == 0 && ++end))) ++end;
      all.push_back({s.substr(i, end - i), line});
      i = end;
    } else {
      all.push_back({s.substr(i, 1), line});
      ++i;
    }
  }
  return all;
}

long bytes_of_type(std::string_view type, int line) {
  if (type == ".pred") return 1;
  int bits = 0;
  if (type.size() < 3 || std::from_chars(type.data() + 2, type.data() + type.size(), bits).ec != std::errc() || bits % 8 != 0) fail(line, "a type was expected, not " + std::string(type));
  return bits / 8;
}

// 12, -3, 0x1F, 0f3F800000, 0d3FF0000000000000; nothing for what is not a number.
std::optional<std::uint64_t> number(std::string_view s, bool negative) {
  if (s.empty() || !std::isdigit(static_cast<unsigned char>(s[0]))) return {};
  int base = 10;
  if (s.size() > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X' || s[1] == 'f' || s[1] == 'F' || s[1] == 'd' || s[1] == 'D')) {
    base = 16;
    s.remove_prefix(2);
  }
  if (base == 10 && s.back() == 'U') s.remove_suffix(1);
  std::uint64_t v = 0;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), v, base);
  if (error != std::errc() || end != s.data() + s.size()) return {};
  return negative ? 0 - v : v;
}

class reader {
 public:
  explicit reader(std::string_view text) : all_(tokens_of(text)) {}

  module read() {
    module m;
    while (at_ < all_.size()) {
      const std::string_view t = here();
      if (t == ".version" || t == ".target" || t == ".address_size") skip_line();
      else if (t == ".visible" || t == ".extern" || t == ".weak" || t == ".hidden") ++at_;
      else if (t == ".shared") read_shared();
      else if (t == ".entry") m.kernels.push_back(read_kernel());
      else fail(line(), "'" + std::string(t) + "' is not understood at the level of a module");
    }
    return m;
  }

 private:
  std::vector<token> all_;
  std::size_t at_ = 0;
  // Of the module: where its shared variables lie. What has no size is allocated at the launch, behind the others.
  std::unordered_map<std::string, long> shared_;
  long shared_bytes_ = 0;
  // Of the kernel at hand.
  kernel* k_ = nullptr;
  std::unordered_map<std::string, int> registers_, labels_;
  std::map<std::uint64_t, int> constants_;

  std::string_view here() const {
    if (at_ >= all_.size()) throw std::runtime_error("PTX: the text ends in the middle of something");
    return all_[at_].text;
  }
  int line() const { return all_[at_].line; }
  std::string_view take() {
    const std::string_view t = here();
    ++at_;
    return t;
  }
  bool accept(std::string_view t) {
    if (here() != t) return false;
    ++at_;
    return true;
  }
  void expect(std::string_view t) {
    if (!accept(t)) fail(line(), "'" + std::string(t) + "' was expected before '" + std::string(here()) + "'");
  }
  long take_number() {
    const bool negative = accept("-");
    const auto n = number(here(), negative);
    if (!n) fail(line(), "a number was expected, not '" + std::string(here()) + "'");
    ++at_;
    return static_cast<long>(*n);
  }
  void skip_line() {
    const int begin = line();
    while (at_ < all_.size() && line() == begin) ++at_;
  }

  // .align A .type name[count]; without the count only `.shared` of the launch.
  struct variable { std::string name; long alignment = 1, bytes = 0; };
  variable read_variable() {
    variable v;
    if (accept(".align")) v.alignment = take_number();
    const int at = line();
    v.bytes = bytes_of_type(take(), at);
    if (v.alignment < v.bytes) v.alignment = v.bytes;
    v.name = take();
    if (accept("[")) {
      v.bytes *= here() == "]" ? 0 : take_number();
      expect("]");
    }
    return v;
  }
  void read_shared() {
    ++at_;
    const variable v = read_variable();
    expect(";");
    shared_bytes_ = aligned(shared_bytes_, v.alignment);
    shared_[v.name] = v.bytes == 0 ? -1 : shared_bytes_;
    shared_bytes_ += v.bytes;
  }

  kernel read_kernel() {
    ++at_;
    kernel k;
    k_ = &k;
    registers_.clear();
    labels_.clear();
    constants_.clear();
    for (const char* name : special_registers) registers_[name] = k.registers++;
    registers_["_"] = k.registers++;  // of results that nobody wants
    k.name = take();
    if (accept("(")) {
      while (!accept(")")) {
        accept(",");
        expect(".param");
        const variable v = read_variable();
        k.parameter_bytes = aligned(k.parameter_bytes, v.alignment);
        k.parameters.push_back({v.name, k.parameter_bytes, v.bytes});
        k.parameter_bytes += v.bytes;
      }
    }
    while (!accept("{")) {
      if (accept(".maxntid")) k.most_threads = static_cast<int>(take_number());
      else ++at_;
    }
    read_body();
    resolve();
    k_ = nullptr;
    return k;
  }

  void read_body() {
    for (int depth = 1; depth > 0;) {
      if (accept("{")) ++depth;
      else if (accept("}")) --depth;
      else if (here() == ".reg") read_registers();
      else if (here() == ".shared") read_shared();
      else if (here() == ".loc" || here() == ".pragma") skip_line();
      else if (at_ + 1 < all_.size() && all_[at_ + 1].text == ":") {
        labels_[std::string(take())] = static_cast<int>(k_->code.size());
        ++at_;
      } else {
        read_instruction();
      }
    }
  }

  // .reg .b32 %r<12>; or .reg .pred p, q;
  void read_registers() {
    ++at_;
    ++at_;  // the type: slots hold any
    do {
      const std::string name(take());
      if (accept("<")) {
        const long count = take_number();
        expect(">");
        for (long n = 0; n < count; ++n) registers_[name + std::to_string(n)] = k_->registers++;
      } else {
        registers_[name] = k_->registers++;
      }
    } while (accept(","));
    expect(";");
  }

  int constant(std::uint64_t value) {
    const auto [at, is_new] = constants_.try_emplace(value, -1 - static_cast<int>(k_->constants.size()));
    if (is_new) {
      slot s;
      s.fill(value);
      k_->constants.push_back(s);
    }
    return at->second;
  }

  void read_instruction() {
    instruction i;
    i.line = line();
    if (accept("@")) {
      i.guard_negated = accept("!");
      i.guard = register_named(take());
    }
    const std::string mnemonic(take());
    while (!accept(";")) {
      if (!i.operands.empty() && !accept(",") && !accept("|")) fail(line(), "';' was expected before '" + std::string(here()) + "'");
      i.operands.push_back(read_operand());
    }
    i.text = mnemonic;
    pending_.push_back({static_cast<int>(k_->code.size()), mnemonic});
    k_->code.push_back(std::move(i));
  }

  int register_named(std::string_view name) {
    const auto r = registers_.find(std::string(name));
    if (r == registers_.end()) fail(line(), "the register " + std::string(name) + " was never declared");
    return r->second;
  }

  operand read_operand() {
    operand o;
    if (accept("{")) {
      o.braces = true;
      while (!accept("}")) {
        accept(",");
        o.slots.push_back(read_operand().slots.at(0));
      }
      return o;
    }
    if (accept("[")) {
      o = read_operand();
      o.address = true;
      if (accept("+")) o.offset = take_number();
      expect("]");
      return o;
    }
    const bool negated = accept("!"), negative = accept("-");
    const std::string_view t = take();
    if (negated) fail(line(), "a negated operand is not understood");
    if (const auto n = number(t, negative)) o.slots.push_back(constant(*n));
    else if (const auto r = registers_.find(std::string(t)); r != registers_.end()) o.slots.push_back(r->second);
    else o.symbol = t;
    return o;
  }

  // Labels, parameters and variables get their places when all are known.
  struct undecoded { int index; std::string mnemonic; };
  std::vector<undecoded> pending_;
  void resolve() {
    std::unordered_map<std::string, long> parameters;
    for (auto const& p : k_->parameters) parameters[p.name] = p.offset;
    k_->static_shared = aligned(shared_bytes_, 128);
    for (auto const& [index, mnemonic] : pending_) {
      instruction& i = k_->code[static_cast<std::size_t>(index)];
      for (operand& o : i.operands) {
        if (o.symbol.empty()) continue;
        if (const auto l = labels_.find(o.symbol); l != labels_.end()) i.target = l->second;
        else if (const auto p = parameters.find(o.symbol); p != parameters.end()) o.slots = {constant(static_cast<std::uint64_t>(p->second))};
        else if (const auto s = shared_.find(o.symbol); s != shared_.end()) o.slots = {constant(static_cast<std::uint64_t>(s->second < 0 ? k_->static_shared : s->second))};
        else fail(i.line, "'" + o.symbol + "' was never declared");
      }
      try {
        decode(i, mnemonic);
      } catch (std::runtime_error const& e) {
        fail(i.line, e.what());
      }
    }
    pending_.clear();
  }
};

}  // namespace

module read_module(std::string_view text) { return reader(text).read(); }

}  // namespace formwork::ptx

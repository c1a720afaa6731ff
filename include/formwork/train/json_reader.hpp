// json_reader: the part of JSON (RFC 8259) that a safetensors header is made of: objects, arrays, strings and
// integers >= 0. It never recurses: the caller asks for what the format allows next, so nesting is bounded.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace formwork::train {

// Where a text stops being what was asked for: "expects X at byte N".
class json_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Number of bytes of the well-formed UTF-8 sequence at the front of `text` (Unicode 15, table 3-7), else 0.
constexpr std::size_t utf8_length(std::string_view text) {
  if (text.empty()) return 0;
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = at(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xc2 && first <= 0xdf ? 2 : first >= 0xe0 && first <= 0xef ? 3
                           : first >= 0xf0 && first <= 0xf4 ? 4 : 0;
  if (length == 0 || text.size() < length) return 0;
  // The second byte's range excludes overlong forms, surrogates and numbers beyond U+10FFFF.
  const unsigned low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  const unsigned high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  if (at(1) < low || at(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i)
    if (at(i) < 0x80 || at(i) > 0xbf) return 0;
  return length;
}

class json_reader {
 public:
  explicit json_reader(std::string_view text) : text_(text) {}

  // Takes the character when it comes next (after white space).
  bool take(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) stop(std::string("'") + c + "'");
  }
  // Between the members of an object or an array: true when another one follows, false at `close`.
  bool next(char close, bool first) {
    if (take(close)) return false;
    if (!first) expect(',');
    return true;
  }
  void expect_end() {
    skip_space();
    if (at_ != text_.size()) stop("the end");
  }

  std::uint64_t integer() {
    skip_space();
    const std::size_t begin = at_;
    std::uint64_t value = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      const auto digit = static_cast<std::uint64_t>(text_[at_] - '0');
      if (value > (UINT64_MAX - digit) / 10) stop("an integer below 2^64");
      value = 10 * value + digit;
    }
    if (at_ == begin) stop("an integer");
    if (text_[begin] == '0' && at_ > begin + 1) stop("an integer without leading zeros");
    if (at_ < text_.size() && (text_[at_] == '.' || text_[at_] == 'e' || text_[at_] == 'E')) stop("an integer");
    return value;
  }

  std::string string() {
    skip_space();
    if (at_ == text_.size() || text_[at_] != '"') stop("a string");
    ++at_;
    std::string value;
    for (;;) {
      if (at_ == text_.size()) stop("the end of a string");
      const char c = text_[at_];
      if (c == '"') { ++at_; return value; }
      if (c == '\\') { ++at_; escape(value); continue; }
      const std::size_t length = utf8_length(text_.substr(at_));
      if (length == 0 || static_cast<unsigned char>(c) < 0x20) stop("text in UTF-8");
      value.append(text_, at_, length);
      at_ += length;
    }
  }

 private:
  [[noreturn]] void stop(std::string_view what) const {
    throw json_error("expects " + std::string(what) + " at byte " + std::to_string(at_));
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) ++at_;
  }
  void escape(std::string& to) {
    if (at_ == text_.size()) stop("the end of a string");
    switch (text_[at_++]) {
      case '"': to += '"'; return;
      case '\\': to += '\\'; return;
      case '/': to += '/'; return;
      case 'b': to += '\b'; return;
      case 'f': to += '\f'; return;
      case 'n': to += '\n'; return;
      case 'r': to += '\r'; return;
      case 't': to += '\t'; return;
      case 'u': return unicode(to);
      default: --at_; stop("an escape that JSON has");
    }
  }
  std::uint32_t four_digits() {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = at_ < text_.size() ? text_[at_] : '?';
      if (c >= '0' && c <= '9') value = 16 * value + static_cast<std::uint32_t>(c - '0');
      else if (c >= 'a' && c <= 'f') value = 16 * value + static_cast<std::uint32_t>(c - 'a' + 10);
      else if (c >= 'A' && c <= 'F') value = 16 * value + static_cast<std::uint32_t>(c - 'A' + 10);
      else stop("four hexadecimal digits");
    }
    return value;
  }
  // \uXXXX, and a pair of UTF-16 surrogates for what lies beyond U+FFFF.
  void unicode(std::string& to) {
    std::uint32_t code = four_digits();
    if (code >= 0xdc00 && code <= 0xdfff) stop("no lone surrogate before this");
    if (code >= 0xd800 && code <= 0xdbff) {
      if (text_.substr(at_, 2) != "\\u") stop("the second surrogate of a pair");
      at_ += 2;
      const std::uint32_t low = four_digits();
      if (low < 0xdc00 || low > 0xdfff) stop("the second surrogate of a pair before this");
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    const auto put = [&](std::uint32_t byte) { to += static_cast<char>(byte); };
    if (code < 0x80) { put(code); return; }
    if (code < 0x800) put(0xc0 | code >> 6);
    else if (code < 0x10000) { put(0xe0 | code >> 12); put(0x80 | (code >> 6 & 0x3f)); }
    else { put(0xf0 | code >> 18); put(0x80 | (code >> 12 & 0x3f)); put(0x80 | (code >> 6 & 0x3f)); }
    put(0x80 | (code & 0x3f));
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

constexpr bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

// The text as a JSON string, quotes included. A byte that is no UTF-8 has no JSON form and becomes U+FFFD.
inline std::string json_quoted(std::string_view text) {
  std::string result = "\"";
  while (!text.empty()) {
    const std::size_t length = std::max<std::size_t>(1, utf8_length(text));
    const char c = text.front();
    if (utf8_length(text) == 0) result += "\xef\xbf\xbd";
    else if (c == '"' || c == '\\') (result += '\\') += c;
    else if (static_cast<unsigned char>(c) < 0x20) {
      constexpr char digits[] = "0123456789abcdef";
      ((result += "\\u00") += digits[c >> 4]) += digits[c & 15];
    } else result.append(text, 0, length);
    text.remove_prefix(length);
  }
  return result += '"';
}

}  // namespace formwork::train

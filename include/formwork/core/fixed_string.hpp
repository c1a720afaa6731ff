// A short text that constexpr data can hold.
#pragma once

#include <cstddef>
#include <string_view>

namespace formwork {

template <int Capacity> struct fixed_text {
  char data[Capacity + 1]{};
  int length = 0;

  constexpr fixed_text() = default;
  constexpr fixed_text(std::string_view text) { append(text); }
  constexpr void append(std::string_view text) {
    for (char c : text)
      if (length < Capacity) data[length++] = c;
  }
  constexpr std::string_view view() const { return {data, static_cast<std::size_t>(length)}; }
  constexpr bool empty() const { return length == 0; }
  friend constexpr bool operator==(fixed_text const& a, fixed_text const& b) { return a.view() == b.view(); }
};

using name_text = fixed_text<64>;

}  // namespace formwork

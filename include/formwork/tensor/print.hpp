// std::ostream << tensor or view, the way NumPy prints arrays: nested brackets, columns of equal width, and for more
// than 1000 elements only the first and last three along every axis.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>

#include "tensor.hpp"

namespace formwork {

namespace detail {

inline constexpr long printed_whole = 1000, printed_edge = 3;

// How the numbers of one array are written, so that their columns stand below each other.
struct number_format {
  bool scientific = false;
  int decimals = 0;
  std::size_t width = 0;

  std::string operator()(double x) const {
    if (!std::isfinite(x)) return std::isnan(x) ? "nan" : x > 0 ? "inf" : "-inf";
    char text[400];
    auto end = std::to_chars(text, text + sizeof text, x, scientific ? std::chars_format::scientific : std::chars_format::fixed, decimals).ptr;
    std::string s(text, end);
    if (!scientific && decimals == 0) s += '.';
    return s;
  }
};

// Digits after the point of the shortest text that reads back as the same float, at most eight.
inline int decimals_of(double x, bool is_float, std::chars_format how) {
  char text[400];
  const auto end = is_float ? std::to_chars(text, text + sizeof text, static_cast<float>(x), how).ptr : std::to_chars(text, text + sizeof text, x, how).ptr;
  std::string_view s(text, static_cast<std::size_t>(end - text));
  const auto point = s.find('.');
  if (point == std::string_view::npos) return 0;
  const auto stop = std::min(s.find('e'), s.size());
  return std::min(8, static_cast<int>(stop - point) - 1);
}

// The layout of one array as plain data: one printer serves every shape.
struct printed_array {
  dims shape, stride;
  std::function<std::string(long)> text;  // of the element at an offset
  bool whole = true;

  static bool left_out(bool whole, long i, long size) { return !whole && size > 2 * printed_edge && i >= printed_edge && i < size - printed_edge; }

  template <class Visit> void visit(int axis, long offset, Visit const& f) const {
    if (axis == shape.rank) return f(offset);
    for (long i = 0; i < shape.size[axis]; ++i)
      if (!left_out(whole, i, shape.size[axis])) visit(axis + 1, offset + i * stride.size[axis], f);
  }

  void print(std::ostream& out, int axis, long offset, std::size_t width) const {
    if (axis == shape.rank) {
      const std::string s = text(offset);
      out << std::string(width - s.size(), ' ') << s;
      return;
    }
    const bool last = axis == shape.rank - 1;
    const std::string between = last ? " " : std::string(static_cast<std::size_t>(shape.rank - 1 - axis), '\n') + std::string(static_cast<std::size_t>(axis + 1), ' ');
    out << '[';
    bool dots = false;
    for (long i = 0; i < shape.size[axis]; ++i) {
      if (left_out(whole, i, shape.size[axis])) {
        if (!dots) out << between << "...";
        dots = true;
        continue;
      }
      if (i > 0) out << between;
      print(out, axis + 1, offset + i * stride.size[axis], width);
    }
    out << ']';
  }
};

template <class T> void print_array(std::ostream& out, T const* data, dims const& shape, dims const& stride) {
  printed_array a{shape, stride, {}, shape.elements() <= printed_whole};
  number_format form;
  if constexpr (std::is_same_v<T, bool>) {
    a.text = [data](long i) { return std::string(data[i] ? "True" : "False"); };
  } else if constexpr (std::is_integral_v<T>) {
    a.text = [data](long i) { return std::to_string(data[i]); };
  } else {
    double most = 0, least = 0;
    a.visit(0, 0, [&](long i) {
      const double x = std::abs(static_cast<double>(data[i]));
      if (!std::isfinite(x) || x == 0) return;
      most = std::max(most, x);
      least = least == 0 ? x : std::min(least, x);
    });
    form.scientific = most >= 1e8 || (least > 0 && (least < 1e-4 || most / least > 1e3));
    a.visit(0, 0, [&](long i) {
      const double x = static_cast<double>(data[i]);
      if (std::isfinite(x))
        form.decimals = std::max(form.decimals, decimals_of(x, !std::is_same_v<T, double>, form.scientific ? std::chars_format::scientific : std::chars_format::fixed));
    });
    a.text = [data, &form](long i) { return form(static_cast<double>(data[i])); };
  }
  a.visit(0, 0, [&](long i) { form.width = std::max(form.width, a.text(i).size()); });
  a.print(out, 0, 0, form.width);
}

}  // namespace detail

template <class T, class Shape, class Strides> std::ostream& operator<<(std::ostream& out, view<T, Shape, Strides> v) {
  detail::print_array<std::remove_cv_t<T>>(out, v.data(), Shape::value, Strides::value);
  return out;
}
template <class T, class Shape> std::ostream& operator<<(std::ostream& out, tensor<T, Shape> const& t) { return out << t.as_view(); }

}  // namespace formwork

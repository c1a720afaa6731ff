// Loss curves as a self-contained SVG picture.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "atomic_file.hpp"
#include "plot_ticks.hpp"

namespace formwork::train {

struct plot_point {
  double x = 0, y = 0;
};

struct plot_curve {
  std::string label = {};
  std::vector<plot_point> points = {};  // in the order of x; points that are not finite are left out
  bool noisy = false;              // drawn faint, with its moving average on top
  bool marks = false;              // a dot at every point
};

struct plot_yardstick {
  std::string label = {};
  double y = 0;
};

struct loss_plot {
  std::string title = {}, subtitle = {};
  std::string x_label = "step", y_label = "loss, nats per byte";
  std::vector<plot_curve> curves = {};
  std::vector<plot_yardstick> yardsticks = {};  // horizontal lines to hold the curves against
  int width = 960, height = 540;           // pixels
};

namespace detail {

inline std::string xml(std::string_view text) {
  std::string result;
  for (const char c : text)
    if (c == '<') result += "&lt;";
    else if (c == '>') result += "&gt;";
    else if (c == '&') result += "&amp;";
    else if (c == '"') result += "&quot;";
    else if (static_cast<unsigned char>(c) >= 0x20) result += c;
  return result;
}

// Pixels with one decimal.
inline std::string px(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  for (char& c : text) if (c == ',') c = '.';  // whatever the locale
  return text;
}

inline std::vector<plot_point> finite(std::span<const plot_point> points) {
  std::vector<plot_point> kept;
  for (const auto& p : points)
    if (std::isfinite(p.x) && std::isfinite(p.y)) kept.push_back(p);
  return kept;
}

// At most about 2 `most` points that look the same: the lowest and the highest of every stretch.
inline std::vector<plot_point> thinned(std::span<const plot_point> points, std::size_t most) {
  if (points.size() <= 2 * most) return {points.begin(), points.end()};
  std::vector<plot_point> kept{points.front()};
  for (std::size_t i = 0; i < most; ++i) {
    const auto stretch = points.subspan(points.size() * i / most, points.size() * (i + 1) / most - points.size() * i / most);
    auto [low, high] = std::minmax_element(stretch.begin(), stretch.end(), [](auto& a, auto& b) { return a.y < b.y; });
    if (high < low) std::swap(low, high);
    kept.push_back(*low);
    if (high != low) kept.push_back(*high);
  }
  kept.push_back(points.back());
  return kept;
}

// Mean of the points within `reach` places on either side. Near the beginning, where losses are steep, it takes as
// many on the left as on the right; at the end it takes what there is, so that the last value is not a single noisy one.
inline std::vector<plot_point> averaged(std::span<const plot_point> points, std::size_t reach) {
  std::vector<double> sums{0};
  for (const auto& p : points) sums.push_back(sums.back() + p.y);
  std::vector<plot_point> smooth;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const std::size_t r = std::min(reach, i), end = std::min(i + r + 1, points.size());
    smooth.push_back({points[i].x, (sums[end] - sums[i - r]) / static_cast<double>(end - (i - r))});
  }
  return smooth;
}

}  // namespace detail

// The picture as text. Curves may have any number of points, none included.
inline std::string to_svg(const loss_plot& plot) {
  using detail::px, detail::xml;
  static constexpr std::string_view colours[] = {"#2563eb", "#ea580c", "#0d9488", "#9333ea", "#be123c", "#4d7c0f"};
  constexpr std::string_view ink = "#1f2937", soft = "#6b7280", grid = "#e5e7eb", rule = "#57534e";
  const double left = 72, right = plot.width - 28.0, top = plot.subtitle.empty() ? 56 : 72, bottom = plot.height - 58.0;

  std::vector<std::vector<plot_point>> curves;
  plot_range xs, ys;
  for (const auto& curve : plot.curves) {
    curves.push_back(detail::finite(curve.points));
    for (const auto& p : curves.back()) { xs.include(p.x); ys.include(p.y); }
  }
  for (const auto& yardstick : plot.yardsticks)
    if (std::isfinite(yardstick.y)) ys.include(yardstick.y);
  const plot_axis x_axis(xs, static_cast<int>((right - left) / 100), false), y_axis(ys, static_cast<int>((bottom - top) / 55), true);
  const auto x_at = [&](double x) { return left + (right - left) * x_axis.place(x); };
  const auto y_at = [&](double y) { return bottom - (bottom - top) * y_axis.place(y); };

  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + std::to_string(plot.width) + "\" height=\"" + std::to_string(plot.height) +
                    "\" viewBox=\"0 0 " + std::to_string(plot.width) + " " + std::to_string(plot.height) +
                    "\" font-family=\"Inter, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif\" font-size=\"13\">\n";
  const auto line = [&](double x1, double y1, double x2, double y2, std::string_view colour, std::string_view more = "") {
    svg += "<line x1=\"" + px(x1) + "\" y1=\"" + px(y1) + "\" x2=\"" + px(x2) + "\" y2=\"" + px(y2) + "\" stroke=\"" + std::string(colour) + "\" " +
           std::string(more) + "/>\n";
  };
  const auto label = [&](double x, double y, std::string_view text, std::string_view colour, std::string_view more = "") {
    svg += "<text x=\"" + px(x) + "\" y=\"" + px(y) + "\" fill=\"" + std::string(colour) + "\" " + std::string(more) + ">" + xml(text) + "</text>\n";
  };
  const auto path = [&](std::span<const plot_point> points, std::string_view colour, std::string_view more) {
    svg += "<path fill=\"none\" stroke=\"" + std::string(colour) + "\" stroke-linejoin=\"round\" stroke-linecap=\"round\" " + std::string(more) + " d=\"";
    for (std::size_t i = 0; i < points.size(); ++i) svg += (i ? "L" : "M") + px(x_at(points[i].x)) + " " + px(y_at(points[i].y));
    svg += "\"/>\n";
  };

  svg += "<title>" + xml(plot.title) + "</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";
  label(left, 34, plot.title, ink, "font-size=\"18\" font-weight=\"600\"");
  if (!plot.subtitle.empty()) label(left, 54, plot.subtitle, soft);

  for (const double y : y_axis.ticks()) {
    line(left, y_at(y), right, y_at(y), grid);
    label(left - 10, y_at(y) + 4.5, y_axis.text(y), soft, "text-anchor=\"end\"");
  }
  for (const double x : x_axis.ticks()) {
    line(x_at(x), bottom, x_at(x), bottom + 5, soft);
    label(x_at(x), bottom + 21, x_axis.text(x), soft, "text-anchor=\"middle\"");
  }
  line(left, bottom, right, bottom, soft);
  label((left + right) / 2, plot.height - 14.0, plot.x_label, ink, "text-anchor=\"middle\"");
  label(0, 0, plot.y_label, ink, "text-anchor=\"middle\" transform=\"translate(22 " + px((top + bottom) / 2) + ") rotate(-90)\"");

  for (const auto& yardstick : plot.yardsticks)
    if (std::isfinite(yardstick.y)) line(left, y_at(yardstick.y), right, y_at(yardstick.y), rule, "stroke-width=\"1.5\" stroke-dasharray=\"6 5\"");
  const auto columns = static_cast<std::size_t>(std::max(1.0, right - left));
  for (std::size_t i = 0; i < curves.size(); ++i) {
    const auto& points = curves[i];
    const std::string_view colour = colours[i % std::size(colours)];
    const bool average = plot.curves[i].noisy && points.size() > 20;
    if (points.size() > 1) {
      path(detail::thinned(points, average ? columns : columns / 2), colour, average ? "stroke-width=\"1\" stroke-opacity=\"0.3\"" : "stroke-width=\"2\"");
      if (average) path(detail::thinned(detail::averaged(points, points.size() / 50 + 2), columns / 2), colour, "stroke-width=\"2.2\"");
    }
    if (points.size() == 1 || (plot.curves[i].marks && points.size() <= 60))
      for (const auto& p : points)
        svg += "<circle cx=\"" + px(x_at(p.x)) + "\" cy=\"" + px(y_at(p.y)) + "\" r=\"3.2\" fill=\"#ffffff\" stroke=\"" + std::string(colour) + "\" stroke-width=\"1.8\"/>\n";
  }
  if (std::all_of(curves.begin(), curves.end(), [](const auto& c) { return c.empty(); }))
    label((left + right) / 2, (top + bottom) / 2, "no measurements yet", soft, "text-anchor=\"middle\" font-size=\"15\"");

  // The legend stands in the upper right corner, which falling curves leave free.
  struct key { std::string text; std::string_view colour, style; };
  std::vector<key> keys;
  const auto last_value = [](double y) { char text[32]; std::snprintf(text, sizeof text, " %.3f", y); return std::string(text); };
  for (std::size_t i = 0; i < curves.size(); ++i)
    keys.push_back({plot.curves[i].label + (curves[i].empty() || plot.curves[i].noisy ? "" : last_value(curves[i].back().y)),
                    colours[i % std::size(colours)], "stroke-width=\"2.4\""});
  for (const auto& yardstick : plot.yardsticks)
    if (std::isfinite(yardstick.y)) keys.push_back({yardstick.label + last_value(yardstick.y), rule, "stroke-width=\"1.5\" stroke-dasharray=\"6 5\""});
  std::size_t longest = 0;
  for (const auto& k : keys) longest = std::max(longest, k.text.size());
  if (!keys.empty()) {
    const double w = 62 + 7.3 * static_cast<double>(longest), h = 14 + 21.0 * static_cast<double>(keys.size()), x = right - w - 6, y = top + 6;
    svg += "<rect x=\"" + px(x) + "\" y=\"" + px(y) + "\" width=\"" + px(w) + "\" height=\"" + px(h) +
           "\" rx=\"5\" fill=\"#ffffff\" fill-opacity=\"0.88\" stroke=\"" + std::string(grid) + "\"/>\n";
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const double at = y + 18 + 21.0 * static_cast<double>(i);
      line(x + 12, at, x + 38, at, keys[i].colour, keys[i].style);
      label(x + 48, at + 4.5, keys[i].text, ink);
    }
  }
  return svg += "</svg>\n";
}

// Replaces the file as a whole; throws file_error.
inline void write_svg(const std::filesystem::path& path, const loss_plot& plot) { write_atomically(path, to_svg(plot)); }

}  // namespace formwork::train

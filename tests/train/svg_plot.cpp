// svg_plot: ticks are round and lie inside, every picture is well-formed, and the curve is where the numbers are.
#include <formwork/train/svg_plot.hpp>

#include <limits>
#include <random>

#include "support/catch.hpp"
#include "temporary_folder.hpp"

using namespace formwork::train;
using Catch::Contains;

namespace {
// Tags open and close in order, attributes are quoted, no stray & or <. Enough XML for these pictures.
bool well_formed(std::string_view svg) {
  std::vector<std::string> open;
  for (std::size_t at = 0; at < svg.size();) {
    if (svg[at] == '&') {
      const auto entity = svg.substr(at, svg.find(';', at) - at);
      if (entity != "&lt" && entity != "&gt" && entity != "&amp" && entity != "&quot") return false;
    }
    if (svg[at] != '<') { ++at; continue; }
    const std::size_t end = svg.find('>', at);
    if (end == std::string_view::npos) return false;
    const auto tag = svg.substr(at + 1, end - at - 1);
    if (tag.find('<') != std::string_view::npos || std::count(tag.begin(), tag.end(), '"') % 2) return false;
    const std::string name(tag.substr(0, tag.find_first_of(" /", 1)));
    if (tag.starts_with('/')) {
      if (open.empty() || "/" + open.back() != name) return false;
      open.pop_back();
    } else if (!tag.ends_with('/')) open.push_back(name);
    at = end + 1;
  }
  return open.empty();
}
std::size_t count(std::string_view text, std::string_view part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++n;
  return n;
}
// The corners of path number `index`, in pixels.
std::vector<plot_point> corners(const std::string& svg, std::size_t index) {
  std::size_t at = 0;
  for (std::size_t i = 0; i <= index; ++i) at = svg.find(" d=\"M", at) + 5;
  std::vector<plot_point> points;
  const char* text = svg.c_str() + at;
  for (char* end = nullptr;; text = end + 1) {
    plot_point p;
    p.x = std::strtod(text, &end);
    p.y = std::strtod(end, &end);
    points.push_back(p);
    if (*end != 'L') return points;
  }
}
constexpr double no_number = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
}  // namespace

TEST_CASE("svg_plot: ticks are few round numbers inside the axis") {
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> exponent(-12, 12), unit(-1, 1);
  for (int i = 0; i < 3000; ++i) {
    plot_range range;
    range.include(unit(random) * std::pow(10, exponent(random)));
    range.include(unit(random) * std::pow(10, exponent(random)));
    for (const bool whole : {false, true}) {
      const plot_axis axis(range, 6, whole);
      const auto ticks = axis.ticks();
      INFO(range.low << " to " << range.high << " step " << axis.step());
      REQUIRE(ticks.size() >= 1);
      REQUIRE(ticks.size() <= 9);
      REQUIRE(axis.place(range.low) > -1e-6);
      REQUIRE(axis.place(range.high) < 1 + 1e-6);
      for (const double tick : ticks) {
        REQUIRE(axis.place(tick) > -1e-6);
        REQUIRE(axis.place(tick) < 1 + 1e-6);
      }
      const double digit = axis.step() / std::pow(10, std::floor(std::log10(axis.step()) + 1e-9));
      REQUIRE((std::abs(digit - 1) < 1e-6 || std::abs(digit - 2) < 1e-6 || std::abs(digit - 5) < 1e-6));
    }
  }
  CHECK(plot_axis({1.2, 5.6}, 6, true).ticks() == std::vector<double>{1, 2, 3, 4, 5, 6});
  CHECK(plot_axis({0, 2000}, 8, false).text(1500) == "1\xe2\x80\xaf" "500");
  CHECK(plot_axis({0, 2}, 5, false).text(0.5) == "0.5");
  CHECK(plot_axis({0, 1234567}, 5, false).text(1234567) == "1\xe2\x80\xaf" "234\xe2\x80\xaf" "567");
  CHECK(plot_axis({-2000, 0}, 5, false).text(-2000) == "-2\xe2\x80\xaf" "000");
  CHECK(plot_axis({-200, 0}, 5, false).text(-200) == "-200");
  CHECK(plot_axis({}, 5, true).ticks().size() > 1);                  // nothing included
  for (const double one : {0.0, 3.0, -1e300, 1e-300}) {
    plot_range range;
    range.include(one);
    const plot_axis axis(range, 5, true);
    CHECK(axis.low() < axis.high());
    CHECK((axis.place(one) >= 0 && axis.place(one) <= 1));
  }
  CHECK(std::isfinite(plot_axis({-1.7e308, 1.7e308}, 5, false).place(0)));
}

TEST_CASE("svg_plot: the curve is where the numbers are") {
  const loss_plot plot{.title = "t", .curves = {{.label = "a", .points = {{0, 1}, {50, 3}, {no_number, 2}, {60, infinity}, {100, 2}}}}};
  const auto points = corners(to_svg(plot), 0);
  REQUIRE(points.size() == 3);
  CHECK(points[1].x == Approx((points[0].x + points[2].x) / 2).margin(0.11));
  CHECK(points[1].y < points[2].y);  // pixels grow downwards
  CHECK(points[2].y == Approx((points[0].y + points[1].y) / 2).margin(0.11));
  CHECK(points[0].x == 72);
  CHECK(points[2].x == 960 - 28);
}

TEST_CASE("svg_plot: none, one, many, and not finite points") {
  loss_plot plot{.title = "a < b & \"c\"", .subtitle = "x > y", .curves = {{.label = "training <1>", .noisy = true}, {.label = "validation", .marks = true}}};
  CHECK(well_formed(to_svg(plot)));
  CHECK_THAT(to_svg(plot), Contains("no measurements yet") && Contains("a &lt; b &amp; &quot;c&quot;") && Contains("training &lt;1&gt;"));
  CHECK(to_svg({}).find("nan") == std::string::npos);

  plot.curves[0].points = {{1, no_number}, {no_number, 1}, {2, infinity}};
  CHECK_THAT(to_svg(plot), Contains("no measurements yet"));
  plot.curves[1].points = {{5, 2.5}};
  const auto one = to_svg(plot);
  CHECK(count(one, "<circle") == 1);
  CHECK(one.find("no measurements") == std::string::npos);
  CHECK_THAT(one, Contains("validation 2.500"));

  plot.yardsticks = {{"bigram", 2.25}, {"none", no_number}};
  CHECK(count(to_svg(plot), "stroke-dasharray") == 2);  // the line and its key
  CHECK_THAT(to_svg(plot), Contains("bigram 2.250"));

  plot.curves[0].points.clear();
  for (int i = 0; i < 300'000; ++i) plot.curves[0].points.push_back({double(i), i == 150'001 ? 9.75 : 2 + (i * 7919LL % 1000) / 1000.0});
  const auto many = to_svg(plot);
  CHECK(well_formed(many));
  CHECK(many.size() < 60'000);
  CHECK(many.find("nan") == std::string::npos);
  CHECK(many.find("inf") == std::string::npos);
  // Thinning keeps the one spike.
  const auto thin = formwork::train::detail::thinned(plot.curves[0].points, 800);
  CHECK(std::any_of(thin.begin(), thin.end(), [](auto& p) { return p.y == 9.75; }));
  CHECK(std::is_sorted(thin.begin(), thin.end(), [](auto& a, auto& b) { return a.x < b.x; }));
  // The moving average goes through the middle of the noise.
  const auto smooth = formwork::train::detail::averaged(plot.curves[0].points, 3000);
  for (const std::size_t i : {10'000u, 299'999u}) CHECK(smooth[i].y == Approx(2.4995).epsilon(0.01));
  CHECK(smooth[0].y == plot.curves[0].points[0].y);
}

TEST_CASE("svg_plot: the file is replaced as a whole") {
  formwork_test::temporary_folder folder;
  write_svg(folder / "loss.svg", {.title = "one"});
  write_svg(folder / "loss.svg", {.title = "two"});
  const auto text = formwork_test::read_text(folder / "loss.svg");
  CHECK(text.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"960\""));
  CHECK_THAT(text, Contains(">two</text>"));
  CHECK_THROWS_AS(write_svg(folder / "none" / "loss.svg", {}), file_error);
}

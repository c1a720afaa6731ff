// Arithmetic, comparisons, selection and bits (PTX ISA 9.0, 9.7.1 to 9.7.8).
#include <algorithm>
#include <bit>
#include <cfenv>
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include "machine.hpp"

namespace formwork::ptx {

namespace {

using std::int16_t, std::int32_t, std::int64_t, std::uint16_t, std::uint32_t, std::uint64_t;

// d = f(a, b, ...), lane by lane.
template <auto F> struct lane_by_lane;
template <class R, class... A, R (*F)(A...)> struct lane_by_lane<F> {
  static void run(warp& w, instruction const& i, lane_mask m) {
    [&]<std::size_t... K>(std::index_sequence<K...>) {
      slot const* from[] = {&w.source(i.operands[K + 1].slots[0])...};
      slot& to = w.destination(i.operands[0].slots[0]);
      for_each_lane(m, [&](int lane) {
        const auto at = static_cast<std::size_t>(lane);
        to[at] = to_bits<R>(F(bits_to<A>((*from[K])[at])...));
      });
    }(std::make_index_sequence<sizeof...(A)>{});
  }
};
template <auto F> constexpr action of = lane_by_lane<F>::run;

template <class T> using wide_t = std::conditional_t<sizeof(T) == 4, std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>,
                                                     std::conditional_t<sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>, __int128>>;

// Integers wrap around.
template <class T> T add(T a, T b) { return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) + static_cast<std::make_unsigned_t<T>>(b)); }
template <class T> T subtract(T a, T b) { return static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) - static_cast<std::make_unsigned_t<T>>(b)); }
template <class T> T multiply_low(T a, T b) { return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b)); }
template <class T> T multiply_high(T a, T b) {
  if constexpr (sizeof(T) == 8 && std::is_unsigned_v<T>) return static_cast<T>(static_cast<unsigned __int128>(a) * b >> 64);
  else return static_cast<T>(static_cast<wide_t<T>>(a) * b >> (8 * sizeof(T)));
}
template <class T> wide_t<T> multiply_wide(T a, T b) { return static_cast<wide_t<T>>(a) * b; }
template <class T> T multiply_add_low(T a, T b, T c) { return add(multiply_low(a, b), c); }
template <class T> wide_t<T> multiply_add_wide(T a, T b, wide_t<T> c) { return add(multiply_wide(a, b), c); }
// By zero: unspecified; -1 and minimum wrap around.
template <class T> T divide(T a, T b) { return b == 0 ? static_cast<T>(-1) : std::is_signed_v<T> && b == static_cast<T>(-1) ? subtract(T(0), a) : static_cast<T>(a / b); }
template <class T> T remainder(T a, T b) { return b == 0 ? a : std::is_signed_v<T> && b == static_cast<T>(-1) ? T(0) : static_cast<T>(a % b); }
template <class T> T least(T a, T b) { return std::min(a, b); }
template <class T> T most(T a, T b) { return std::max(a, b); }
template <class T> T negative(T a) { return subtract(T(0), a); }
template <class T> T magnitude(T a) { return a < 0 ? negative(a) : a; }

template <class T> T both(T a, T b) { return static_cast<T>(a & b); }
template <class T> T either(T a, T b) { return static_cast<T>(a | b); }
template <class T> T differ(T a, T b) { return static_cast<T>(a ^ b); }
template <class T> T inverted(T a) { return static_cast<T>(~a); }
bool both_true(bool a, bool b) { return a && b; }
bool either_true(bool a, bool b) { return a || b; }
bool not_equal(bool a, bool b) { return a != b; }
bool not_true(bool a) { return !a; }
// By the width or more: all bits go, or all become the sign.
template <class T> T left(T a, uint32_t by) { return by >= 8 * sizeof(T) ? T(0) : static_cast<T>(static_cast<std::make_unsigned_t<T>>(a) << by); }
template <class T> T right(T a, uint32_t by) {
  if (by >= 8 * sizeof(T)) return std::is_signed_v<T> && a < 0 ? static_cast<T>(-1) : T(0);
  return static_cast<T>(a >> by);
}
template <class T> uint32_t ones(T a) { return static_cast<uint32_t>(std::popcount(a)); }
template <class T> uint32_t leading_zeros(T a) { return static_cast<uint32_t>(std::countl_zero(a)); }
// Bits b's low `length` ones at `position` of c.
template <class T> T insert(T a, T b, uint32_t position, uint32_t length) {
  T r = b;
  for (uint32_t k = 0; k < (length & 0xff) && k + (position & 0xff) < 8 * sizeof(T); ++k) {
    const uint32_t at = k + (position & 0xff);
    r = static_cast<T>((r & ~(T(1) << at)) | ((a >> k & 1) << at));
  }
  return r;
}
template <class T> T extract(T a, uint32_t position, uint32_t length) {
  constexpr uint32_t bits = 8 * sizeof(T);
  position &= 0xff;
  length &= 0xff;
  if (length == 0) return 0;
  T r = 0;
  const uint32_t last = std::min(position + length - 1, bits - 1);
  const bool sign = std::is_signed_v<T> && (a >> last & 1);
  for (uint32_t k = 0; k < bits; ++k) {
    const uint32_t at = position + k;
    const bool bit = k < length && at < bits ? (a >> at & 1) != 0 : sign;
    r = static_cast<T>(r | (static_cast<T>(bit) << k));
  }
  return r;
}
// Four bytes out of eight; with bit 3 of a selector its sign, eight times.
uint32_t permute(uint32_t a, uint32_t b, uint32_t selectors) {
  const uint64_t all = static_cast<uint64_t>(b) << 32 | a;
  uint32_t r = 0;
  for (int k = 0; k < 4; ++k) {
    const uint32_t selector = selectors >> 4 * k & 15;
    uint32_t byte = all >> 8 * (selector & 7) & 0xff;
    if (selector & 8) byte = byte & 0x80 ? 0xff : 0;
    r |= byte << 8 * k;
  }
  return r;
}
uint32_t funnel_left(uint32_t a, uint32_t b, uint32_t c) { return static_cast<uint32_t>((static_cast<uint64_t>(b) << 32 | a) << (c & 31) >> 32); }
uint32_t funnel_right(uint32_t a, uint32_t b, uint32_t c) { return static_cast<uint32_t>((static_cast<uint64_t>(b) << 32 | a) >> (c & 31)); }
// Bit k of the result is bit (a_k b_k c_k) of the table.
uint32_t by_table(uint32_t a, uint32_t b, uint32_t c, uint32_t table) {
  uint32_t r = 0;
  for (int k = 0; k < 32; ++k) r |= (table >> ((a >> k & 1) << 2 | (b >> k & 1) << 1 | (c >> k & 1)) & 1) << k;
  return r;
}

template <class T> T f_add(T a, T b) { return a + b; }
template <class T> T f_subtract(T a, T b) { return a - b; }
template <class T> T f_multiply(T a, T b) { return a * b; }
template <class T> T f_divide(T a, T b) { return a / b; }
template <class T> T f_multiply_add(T a, T b, T c) { return std::fma(a, b, c); }
template <class T> T f_negative(T a) { return -a; }
template <class T> T f_magnitude(T a) { return std::fabs(a); }
template <class T> T f_root(T a) { return std::sqrt(a); }
template <class T> T f_reciprocal(T a) { return T(1) / a; }
// If one is NaN, the other.
template <class T> T f_least(T a, T b) { return a == b ? (std::signbit(a) ? a : b) : std::fmin(a, b); }
template <class T> T f_most(T a, T b) { return a == b ? (std::signbit(a) ? b : a) : std::fmax(a, b); }
template <class T> T f_least_or_nan(T a, T b) { return a != a || b != b ? std::numeric_limits<T>::quiet_NaN() : f_least(a, b); }
template <class T> T f_most_or_nan(T a, T b) { return a != a || b != b ? std::numeric_limits<T>::quiet_NaN() : f_most(a, b); }
template <class T> T f_multiply_add_down(T a, T b, T c) {
  std::fesetround(FE_DOWNWARD);
  volatile T x = a, y = b, z = c;
  volatile T r = std::fma(x, y, z);
  std::fesetround(FE_TONEAREST);
  return r;
}

// Approximations, as if exact but for the last rounding; with ftz subnormal operands and results are zero.
float flushed(float x) { return std::fabs(x) < std::numeric_limits<float>::min() ? std::copysign(0.0f, x) : x; }
float root_reciprocal(float a) { return static_cast<float>(1 / std::sqrt(static_cast<double>(a))); }
float power_of_two(float a) { return static_cast<float>(std::exp2(static_cast<double>(a))); }
template <auto F> float flush(float a) { return flushed(F(flushed(a))); }

template <class T> T choose(T a, T b, bool c) { return c ? a : b; }
template <class T> T same(T a) { return a; }

using table = std::unordered_map<std::string, action>;

template <class T> void integers(table& t, std::string const& type) {
  t["add." + type] = of<add<T>>;
  t["sub." + type] = of<subtract<T>>;
  t["mul.lo." + type] = of<multiply_low<T>>;
  t["mul.hi." + type] = of<multiply_high<T>>;
  t["mad.lo." + type] = of<multiply_add_low<T>>;
  if constexpr (sizeof(T) < 8) {
    t["mul.wide." + type] = of<multiply_wide<T>>;
    t["mad.wide." + type] = of<multiply_add_wide<T>>;
  }
  t["div." + type] = of<divide<T>>;
  t["rem." + type] = of<remainder<T>>;
  t["min." + type] = of<least<T>>;
  t["max." + type] = of<most<T>>;
  t["shr." + type] = of<right<T>>;
  if constexpr (sizeof(T) > 2) t["bfe." + type] = of<extract<T>>;
  if constexpr (std::is_signed_v<T>) {
    t["neg." + type] = of<negative<T>>;
    t["abs." + type] = of<magnitude<T>>;
  }
}
template <class T> void bits(table& t, std::string const& size) {
  t["and.b" + size] = of<both<T>>;
  t["or.b" + size] = of<either<T>>;
  t["xor.b" + size] = of<differ<T>>;
  t["not.b" + size] = of<inverted<T>>;
  t["shl.b" + size] = of<left<T>>;
  t["shr.b" + size] = of<right<T>>;
  for (const char* kind : {"b", "u", "s", "f"}) {
    t[std::string("mov.") + kind + size] = of<same<T>>;
    t[std::string("selp.") + kind + size] = of<choose<T>>;
  }
  if constexpr (sizeof(T) > 2) {
    t["bfi.b" + size] = of<insert<T>>;
    t["popc.b" + size] = of<ones<T>>;
    t["clz.b" + size] = of<leading_zeros<T>>;
  }
}
template <class T> void floats(table& t, std::string const& type) {
  for (const char* rounding : {"", ".rn"}) {
    t["add" + std::string(rounding) + "." + type] = of<f_add<T>>;
    t["sub" + std::string(rounding) + "." + type] = of<f_subtract<T>>;
    t["mul" + std::string(rounding) + "." + type] = of<f_multiply<T>>;
  }
  t["fma.rn." + type] = of<f_multiply_add<T>>;
  t["fma.rm." + type] = of<f_multiply_add_down<T>>;
  t["div.rn." + type] = of<f_divide<T>>;
  t["rcp.rn." + type] = of<f_reciprocal<T>>;
  t["sqrt.rn." + type] = of<f_root<T>>;
  t["neg." + type] = of<f_negative<T>>;
  t["abs." + type] = of<f_magnitude<T>>;
  t["min." + type] = of<f_least<T>>;
  t["max." + type] = of<f_most<T>>;
  if constexpr (sizeof(T) == 4) {
    t["min.NaN." + type] = of<f_least_or_nan<T>>;
    t["max.NaN." + type] = of<f_most_or_nan<T>>;
  }
}

table const& actions() {
  static const table all = [] {
    table t;
    integers<int16_t>(t, "s16");
    integers<uint16_t>(t, "u16");
    integers<int32_t>(t, "s32");
    integers<uint32_t>(t, "u32");
    integers<int64_t>(t, "s64");
    integers<uint64_t>(t, "u64");
    bits<uint16_t>(t, "16");
    bits<uint32_t>(t, "32");
    bits<uint64_t>(t, "64");
    floats<float>(t, "f32");
    floats<double>(t, "f64");
    t["and.pred"] = of<both_true>;
    t["or.pred"] = of<either_true>;
    t["xor.pred"] = of<not_equal>;
    t["not.pred"] = of<not_true>;
    t["mov.pred"] = of<same<bool>>;
    t["prmt.b32"] = of<permute>;
    t["lop3.b32"] = of<by_table>;
    t["shf.l.wrap.b32"] = of<funnel_left>;
    t["shf.r.wrap.b32"] = of<funnel_right>;
    t["rcp.approx.ftz.f32"] = of<flush<f_reciprocal<float>>>;
    t["rsqrt.approx.f32"] = of<root_reciprocal>;
    t["ex2.approx.ftz.f32"] = of<flush<power_of_two>>;
    return t;
  }();
  return all;
}

// setp: p = a cmp b, or with .and/.or/.xor: p = (a cmp b) op c.
enum class comparison { eq, ne, lt, le, gt, ge, equ, neu, ltu, leu, gtu, geu, num, nan };
constexpr std::pair<const char*, comparison> comparisons[] = {
    {"eq", comparison::eq},   {"ne", comparison::ne},   {"lt", comparison::lt},   {"le", comparison::le},   {"gt", comparison::gt},
    {"ge", comparison::ge},   {"lo", comparison::lt},   {"ls", comparison::le},   {"hi", comparison::gt},   {"hs", comparison::ge},
    {"equ", comparison::equ}, {"neu", comparison::neu}, {"ltu", comparison::ltu}, {"leu", comparison::leu}, {"gtu", comparison::gtu},
    {"geu", comparison::geu}, {"num", comparison::num}, {"nan", comparison::nan}};

template <class T> bool compare(comparison c, T a, T b) {
  const bool nan = a != a || b != b;
  switch (c) {
    case comparison::eq: return a == b;
    case comparison::ne: return !nan && a != b;
    case comparison::lt: return a < b;
    case comparison::le: return a <= b;
    case comparison::gt: return a > b;
    case comparison::ge: return a >= b;
    case comparison::equ: return nan || a == b;
    case comparison::neu: return nan || a != b;
    case comparison::ltu: return nan || a < b;
    case comparison::leu: return nan || a <= b;
    case comparison::gtu: return nan || a > b;
    case comparison::geu: return nan || a >= b;
    case comparison::num: return !nan;
    case comparison::nan: return nan;
  }
  return false;
}
// detail: the comparison, and 16, 32 or 48 for what it is joined by.
template <class T> void set_predicate(warp& w, instruction const& i, lane_mask m) {
  slot const &a = w.source(i.operands[1].slots[0]), &b = w.source(i.operands[2].slots[0]);
  slot& p = w.destination(i.operands[0].slots[0]);
  const auto c = static_cast<comparison>(i.detail & 15);
  const int join = i.detail >> 4;
  slot const* other = join ? &w.source(i.operands[3].slots[0]) : nullptr;
  for_each_lane(m, [&](int lane) {
    const auto at = static_cast<std::size_t>(lane);
    bool r = compare(c, bits_to<T>(a[at]), bits_to<T>(b[at]));
    if (other) {
      const bool q = (*other)[at] & 1;
      r = join == 1 ? r && q : join == 2 ? r || q : r != q;
    }
    p[at] = r;
  });
}

bool decode_comparison(instruction& i, mnemonic_parts const& parts) {
  if (parts.size() < 3) return false;
  bool known = false;
  for (auto const& [name, c] : comparisons)
    if (parts[1] == name) {
      i.detail = static_cast<int>(c);
      known = true;
    }
  if (!known) return false;
  std::size_t at = 2;
  if (parts[at] == "and" || parts[at] == "or" || parts[at] == "xor") {
    i.detail |= (parts[at] == "and" ? 1 : parts[at] == "or" ? 2 : 3) << 4;
    ++at;
  }
  if (parts.size() != at + 1 || i.operands.size() != (i.detail >> 4 ? 4u : 3u)) return false;
  const std::unordered_map<std::string, action> by_type = {
      {"s16", set_predicate<int16_t>}, {"u16", set_predicate<uint16_t>}, {"b16", set_predicate<uint16_t>}, {"s32", set_predicate<int32_t>},
      {"u32", set_predicate<uint32_t>}, {"b32", set_predicate<uint32_t>}, {"s64", set_predicate<int64_t>}, {"u64", set_predicate<uint64_t>},
      {"b64", set_predicate<uint64_t>}, {"f32", set_predicate<float>}, {"f64", set_predicate<double>}};
  const auto a = by_type.find(parts[at]);
  if (a == by_type.end()) return false;
  i.run = a->second;
  return true;
}

// mov of a register into the parts of another, or of parts into one; detail: bits of a part.
void split(warp& w, instruction const& i, lane_mask m) {
  const slot whole = w.source(i.operands[1].slots[0]);
  const std::uint64_t part = (std::uint64_t{1} << i.detail) - 1;
  for (std::size_t k = 0; k < i.operands[0].slots.size(); ++k) {
    slot& to = w.destination(i.operands[0].slots[k]);
    for_each_lane(m, [&](int lane) { to[static_cast<std::size_t>(lane)] = whole[static_cast<std::size_t>(lane)] >> (static_cast<int>(k) * i.detail) & part; });
  }
}
void join(warp& w, instruction const& i, lane_mask m) {
  slot whole{};
  const std::uint64_t part = (std::uint64_t{1} << i.detail) - 1;
  for (std::size_t k = 0; k < i.operands[1].slots.size(); ++k) {
    slot const& from = w.source(i.operands[1].slots[k]);
    for (std::size_t lane = 0; lane < lanes; ++lane) whole[lane] |= (from[lane] & part) << (static_cast<int>(k) * i.detail);
  }
  slot& to = w.destination(i.operands[0].slots[0]);
  for_each_lane(m, [&](int lane) { to[static_cast<std::size_t>(lane)] = whole[static_cast<std::size_t>(lane)]; });
}

}  // namespace

bool decode_arithmetic(instruction& i, mnemonic_parts const& parts) {
  if (parts[0] == "setp") return decode_comparison(i, parts);
  if (parts[0] == "mov" && i.operands.size() == 2 && (i.operands[0].braces || i.operands[1].braces)) {
    const int bits = std::stoi(parts.at(1).substr(1));
    const bool splits = i.operands[0].braces;
    i.detail = bits / static_cast<int>(i.operands[splits ? 0 : 1].slots.size());
    i.run = splits ? split : join;
    return true;
  }
  std::string name = parts[0];
  for (std::size_t k = 1; k < parts.size(); ++k) name += "." + parts[k];
  const auto a = actions().find(name);
  if (a == actions().end()) return false;
  i.run = a->second;
  return true;
}

}  // namespace formwork::ptx

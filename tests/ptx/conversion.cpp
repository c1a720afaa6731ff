// cvt and cvta (PTX ISA 9.0, 9.7.9.21 and 9.7.9.20).
#include <cfenv>
#include <cmath>
#include <limits>
#include <string>

#include "machine.hpp"

namespace formwork::ptx {

namespace {

enum class number_type { u8, s8, u16, s16, u32, s32, u64, s64, f16, bf16, f32, f64, tf32, none };
constexpr std::pair<const char*, number_type> number_types[] = {
    {"u8", number_type::u8},   {"s8", number_type::s8},     {"u16", number_type::u16}, {"s16", number_type::s16}, {"u32", number_type::u32},
    {"s32", number_type::s32}, {"u64", number_type::u64},   {"s64", number_type::s64}, {"f16", number_type::f16}, {"bf16", number_type::bf16},
    {"f32", number_type::f32}, {"f64", number_type::f64},   {"tf32", number_type::tf32}};
number_type type_named(std::string const& name) {
  for (auto const& [n, t] : number_types)
    if (name == n) return t;
  return number_type::none;
}
constexpr bool is_float(number_type t) { return t >= number_type::f16; }
constexpr bool is_signed(number_type t) { return t == number_type::s8 || t == number_type::s16 || t == number_type::s32 || t == number_type::s64; }
constexpr int bits_of(number_type t) {
  switch (t) {
    case number_type::u8: case number_type::s8: return 8;
    case number_type::u16: case number_type::s16: case number_type::f16: case number_type::bf16: return 16;
    case number_type::u64: case number_type::s64: case number_type::f64: return 64;
    default: return 32;
  }
}

enum class rounding { none, nearest, zero, down, up, away };
struct conversion {
  number_type to = number_type::none, from = number_type::none;
  rounding how = rounding::none;
  bool integer = false;   // to an integral value (rni and so on)
  bool saturate = false, flush = false;
};
int packed(conversion c) {
  return static_cast<int>(c.to) | static_cast<int>(c.from) << 4 | static_cast<int>(c.how) << 8 | c.integer << 12 | c.saturate << 13 | c.flush << 14;
}
conversion unpacked(int d) {
  return {static_cast<number_type>(d & 15), static_cast<number_type>(d >> 4 & 15), static_cast<rounding>(d >> 8 & 15), (d >> 12 & 1) != 0, (d >> 13 & 1) != 0, (d >> 14 & 1) != 0};
}

// A number with `digits` bits of mantissa (with the leading one) and exponents from least on, nearest even, zero, or half
// away from zero; beyond `largest` infinite.
double rounded(double x, int digits, int least, double largest, rounding how) {
  if (x == 0 || !std::isfinite(x)) return x;
  const int exponent = std::max(std::ilogb(x), least);
  const double unit = std::ldexp(1.0, exponent - digits + 1), scaled = x / unit;
  const double r = how == rounding::zero ? std::trunc(scaled) : how == rounding::away ? std::round(scaled) : std::nearbyint(scaled);
  const double y = std::copysign(r * unit, x);
  return std::fabs(y) > largest ? (how == rounding::zero ? std::copysign(largest, x) : std::copysign(std::numeric_limits<double>::infinity(), x)) : y;
}

std::uint64_t bits_of_16(double x, int exponent_bits, rounding how) {
  const int digits = 16 - exponent_bits, bias = (1 << (exponent_bits - 1)) - 1;
  if (x != x) return 0x7fff;
  const double y = rounded(x, digits, 1 - bias, std::ldexp(2 - std::ldexp(1.0, 1 - digits), bias), how);
  const std::uint64_t sign = std::signbit(y) ? 0x8000 : 0;
  if (std::isinf(y)) return sign | static_cast<std::uint64_t>((1 << exponent_bits) - 1) << (digits - 1);
  if (y == 0) return sign;
  const int exponent = std::max(std::ilogb(y), 1 - bias);
  const auto mantissa = static_cast<std::uint64_t>(std::ldexp(std::fabs(y), digits - 1 - exponent));  // with the leading one, if normal
  return sign | ((static_cast<std::uint64_t>(exponent + bias - 1) << (digits - 1)) + mantissa);
}
double value_of_16(std::uint64_t bits, int exponent_bits) {
  const int digits = 16 - exponent_bits, bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = static_cast<int>(bits >> (digits - 1)) & ((1 << exponent_bits) - 1);
  const auto mantissa = static_cast<double>(bits & ((1u << (digits - 1)) - 1));
  double v = exponent == (1 << exponent_bits) - 1 ? (mantissa == 0 ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN())
             : exponent == 0                      ? std::ldexp(mantissa, 2 - bias - digits)
                                                  : std::ldexp(mantissa + std::ldexp(1.0, digits - 1), exponent - bias - digits + 1);
  return bits & 0x8000 ? -v : v;
}

double read_float(number_type t, std::uint64_t bits) {
  switch (t) {
    case number_type::f16: return value_of_16(bits & 0xffff, 5);
    case number_type::bf16: return value_of_16(bits & 0xffff, 8);
    case number_type::f64: return bits_to<double>(bits);
    default: return static_cast<double>(bits_to<float>(bits));
  }
}
std::uint64_t write_float(number_type t, double x, rounding how) {
  switch (t) {
    case number_type::f16: return bits_of_16(x, 5, how);
    case number_type::bf16: return bits_of_16(x, 8, how);
    case number_type::tf32: return x != x ? 0x7fffffff : to_bits(static_cast<float>(rounded(x, 11, -126, std::ldexp(2 - 0x1p-10, 127), how)));
    case number_type::f64: return to_bits(x);
    default: break;
  }
  const int mode = how == rounding::zero ? FE_TOWARDZERO : how == rounding::down ? FE_DOWNWARD : how == rounding::up ? FE_UPWARD : FE_TONEAREST;
  std::fesetround(mode);
  volatile double y = x;
  volatile float r = static_cast<float>(y);
  std::fesetround(FE_TONEAREST);
  return to_bits<float>(r);
}
double to_integral(double x, rounding how) {
  switch (how) {
    case rounding::zero: return std::trunc(x);
    case rounding::down: return std::floor(x);
    case rounding::up: return std::ceil(x);
    default: return std::nearbyint(x);
  }
}

// The bits of an integer, extended to 64 as its type says.
std::uint64_t read_integer(number_type t, std::uint64_t bits) {
  const int unused = 64 - bits_of(t);
  return is_signed(t) ? static_cast<std::uint64_t>(static_cast<std::int64_t>(bits << unused) >> unused) : bits << unused >> unused;
}
std::uint64_t integer_from(number_type t, double x) {
  const int bits = bits_of(t);
  if (x != x) return is_signed(t) && bits == 64 ? std::uint64_t{1} << 63 : is_signed(t) ? 0 : bits == 64 ? std::uint64_t{1} << 63 : 0;
  const double low = is_signed(t) ? -std::ldexp(1.0, bits - 1) : 0, beyond = std::ldexp(1.0, is_signed(t) ? bits - 1 : bits);
  const std::uint64_t ones = bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
  if (x < low) return is_signed(t) ? std::uint64_t{1} << (bits - 1) : 0;
  if (x >= beyond) return is_signed(t) ? ones >> 1 : ones;
  return (is_signed(t) ? static_cast<std::uint64_t>(static_cast<std::int64_t>(x)) : static_cast<std::uint64_t>(x)) & ones;
}

// Destinations are written as wide as they are: a slot's other bits are zero but for the sign of a narrow integer, which
// fills its 32-bit register.
std::uint64_t in_register(number_type t, std::uint64_t bits) {
  return bits_of(t) < 16 && is_signed(t) ? read_integer(t, bits) & 0xffffffffu : bits;
}

std::uint64_t convert(conversion c, std::uint64_t bits) {
  if (!is_float(c.from)) {
    const std::uint64_t v = read_integer(c.from, bits);
    if (is_float(c.to)) {
      // Every 64-bit integer but the largest fits a double or is rounded twice at most where f32 is asked for: by way of
      // long double, which holds them all.
      const long double x = is_signed(c.from) ? static_cast<long double>(static_cast<std::int64_t>(v)) : static_cast<long double>(v);
      if (c.to == number_type::f32 && (c.how == rounding::nearest || c.how == rounding::none)) return to_bits(static_cast<float>(x));
      return write_float(c.to, static_cast<double>(x), c.how);
    }
    const int width = bits_of(c.to);
    if (c.saturate) {
      const auto s = static_cast<std::int64_t>(v);
      const bool negative = is_signed(c.from) && s < 0;
      if (!is_signed(c.to)) {
        if (negative) return 0;
        if (width < 64 && v >> width) return (std::uint64_t{1} << width) - 1;
      } else {
        const std::uint64_t limit = std::uint64_t{1} << (width - 1);
        if (!negative && v >= limit) return limit - 1;
        if (negative && s < -static_cast<std::int64_t>(limit)) return in_register(c.to, limit);
      }
    }
    return in_register(c.to, width == 64 ? v : v & ((std::uint64_t{1} << width) - 1));
  }
  double x = read_float(c.from, bits);
  if (c.flush && c.from == number_type::f32 && std::fabs(x) < std::numeric_limits<float>::min()) x = std::copysign(0.0, x);
  if (!is_float(c.to)) return in_register(c.to, integer_from(c.to, to_integral(x, c.how == rounding::none ? rounding::zero : c.how)));
  if (c.integer) x = to_integral(x, c.how);
  if (c.saturate) x = x != x ? 0 : std::fmin(std::fmax(x, 0.0), 1.0);
  return write_float(c.to, x, c.integer ? rounding::nearest : c.how);
}

void run_conversion(warp& w, instruction const& i, lane_mask m) {
  const conversion c = unpacked(i.detail);
  slot const& a = w.source(i.operands[1].slots[0]);
  slot& d = w.destination(i.operands[0].slots[0]);
  for_each_lane(m, [&](int lane) { d[static_cast<std::size_t>(lane)] = convert(c, a[static_cast<std::size_t>(lane)]); });
}
// Two numbers into one register, the first into its upper half.
void run_pair(warp& w, instruction const& i, lane_mask m) {
  const conversion c = unpacked(i.detail);
  slot const &a = w.source(i.operands[1].slots[0]), &b = w.source(i.operands[2].slots[0]);
  slot& d = w.destination(i.operands[0].slots[0]);
  for_each_lane(m, [&](int lane) {
    const auto at = static_cast<std::size_t>(lane);
    d[at] = convert(c, a[at]) << 16 | convert(c, b[at]);
  });
}
void run_copy(warp& w, instruction const& i, lane_mask m) {
  slot const& a = w.source(i.operands[1].slots[0]);
  slot& d = w.destination(i.operands[0].slots[0]);
  for_each_lane(m, [&](int lane) { d[static_cast<std::size_t>(lane)] = a[static_cast<std::size_t>(lane)]; });
}

}  // namespace

bool decode_conversion(instruction& i, mnemonic_parts const& parts) {
  // Global addresses are generic ones; shared ones never are.
  if (parts[0] == "cvta") {
    const std::string& space = parts.at(1) == "to" ? parts.at(2) : parts[1];
    if (space != "global" && space != "param") return false;
    i.run = run_copy;
    return true;
  }
  if (parts[0] != "cvt" || parts.size() < 3) return false;
  conversion c;
  bool pair = false;
  for (std::size_t k = 1; k + 2 < parts.size(); ++k) {
    std::string const& p = parts[k];
    if (p == "rn" || p == "rni") c.how = rounding::nearest;
    else if (p == "rz" || p == "rzi") c.how = rounding::zero;
    else if (p == "rm" || p == "rmi") c.how = rounding::down;
    else if (p == "rp" || p == "rpi") c.how = rounding::up;
    else if (p == "rna") c.how = rounding::away;
    else if (p == "sat") c.saturate = true;
    else if (p == "ftz") c.flush = true;
    else return false;
    c.integer = c.integer || (p.size() == 3 && p[0] == 'r' && p[2] == 'i');
  }
  std::string to = parts[parts.size() - 2];
  if (to == "bf16x2" || to == "f16x2") {
    pair = true;
    to.resize(to.size() - 2);
  }
  c.to = type_named(to);
  c.from = type_named(parts.back());
  if (c.to == number_type::none || c.from == number_type::none) return false;
  i.detail = packed(c);
  i.run = pair ? run_pair : run_conversion;
  return i.operands.size() == (pair ? 3u : 2u);
}

}  // namespace formwork::ptx

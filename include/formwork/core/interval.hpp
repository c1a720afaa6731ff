// Integer ranges and what is known of a condition on them: a mask evaluated on whole blocks of positions.
#pragma once

#include "config.hpp"

namespace formwork {

struct maybe {
  bool can_hold = true, can_fail = true;
  FORMWORK_FN friend constexpr maybe operator&&(maybe a, maybe b) { return {a.can_hold && b.can_hold, a.can_fail || b.can_fail}; }
  FORMWORK_FN friend constexpr maybe operator||(maybe a, maybe b) { return {a.can_hold || b.can_hold, a.can_fail && b.can_fail}; }
  FORMWORK_FN friend constexpr maybe operator!(maybe a) { return {a.can_fail, a.can_hold}; }
};

// All integers from low to high.
struct interval {
  long low = 0, high = 0;

  FORMWORK_FN friend constexpr interval operator+(interval a, interval b) { return {a.low + b.low, a.high + b.high}; }
  FORMWORK_FN friend constexpr interval operator-(interval a, interval b) { return {a.low - b.high, a.high - b.low}; }
  FORMWORK_FN friend constexpr interval operator-(interval a) { return {-a.high, -a.low}; }
  FORMWORK_FN friend constexpr interval operator*(interval a, interval b) {
    long p[] = {a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high};
    interval r{p[0], p[0]};
    for (long x : p) {
      r.low = x < r.low ? x : r.low;
      r.high = x > r.high ? x : r.high;
    }
    return r;
  }

  FORMWORK_FN friend constexpr maybe operator<(interval a, interval b) { return {a.low < b.high, a.high >= b.low}; }
  FORMWORK_FN friend constexpr maybe operator<=(interval a, interval b) { return {a.low <= b.high, a.high > b.low}; }
  FORMWORK_FN friend constexpr maybe operator>(interval a, interval b) { return b < a; }
  FORMWORK_FN friend constexpr maybe operator>=(interval a, interval b) { return b <= a; }
  FORMWORK_FN friend constexpr maybe operator==(interval a, interval b) {
    return {a.low <= b.high && b.low <= a.high, !(a.low == a.high && b.low == b.high && a.low == b.low)};
  }
  FORMWORK_FN friend constexpr maybe operator!=(interval a, interval b) { return !(a == b); }
};

}  // namespace formwork

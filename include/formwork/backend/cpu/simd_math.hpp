// Elementary functions of SIMD packs, under the names that core/math.hpp gives scalars; argument-dependent lookup
// finds them. float: without branches, accurate to the ulps that each function states (tests/backend/simd_math.cpp
// measures them); double: lane by lane, for the f64 oracle.
#pragma once

#include "simd_basic.hpp"   // abs min max floor sqrt rsqrt isfinite
#include "simd_exp.hpp"     // exp expm1 sigmoid tanh
#include "simd_log.hpp"     // log log1p
#include "simd_erf.hpp"     // erf
#include "simd_trig.hpp"    // sin cos
#include "simd_pow.hpp"     // pow

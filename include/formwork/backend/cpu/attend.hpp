// The `attend` skeleton on the CPU: attention in O(N) memory with any score and mask.
#pragma once

#include "attend_score.hpp"       // the concept of a score, positions of its lanes, plain scores and masks
#include "attend_problem.hpp"     // shape, strided rows, run-time lengths
#include "attend_block.hpp"       // block products and transpositions
#include "attend_decode.hpp"      // one query over a key-value cache
#include "attend_forward.hpp"     // out and lse
#include "attend_backward.hpp"    // dq, dk, dv and the score's own gradients

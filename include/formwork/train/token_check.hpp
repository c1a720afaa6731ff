// Refuses numbers that a model has no row for, before a kernel sees them.
#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>

namespace formwork {

namespace detail {
[[noreturn, gnu::cold, gnu::noinline]] inline void refuse_token(std::span<const std::int32_t> numbers,
                                                                long vocabulary, char const* what) {
  std::size_t at = 0;
  while (numbers[at] >= 0 && numbers[at] < vocabulary) ++at;
  throw std::invalid_argument("Number " + std::to_string(at) + " of the batch's " + what + " is " +
                              std::to_string(numbers[at]) + ", but the model's vocabulary is 0 to " +
                              std::to_string(vocabulary - 1) + "; encode the text for this model.");
}
[[noreturn, gnu::cold, gnu::noinline]] inline void refuse_count(std::size_t given, long count,
                                                                char const* what) {
  throw std::invalid_argument("The batch has " + std::to_string(given) + ' ' + what + ", but a step takes " +
                              std::to_string(count) + " of them: sequences times their length.");
}
}  // namespace detail

// `numbers` has to be `count` numbers in [0, vocabulary); else throws std::invalid_argument.
inline void check_tokens(std::span<const std::int32_t> numbers, long count, long vocabulary,
                         char const* what) {
  if (numbers.size() != static_cast<std::size_t>(count)) detail::refuse_count(numbers.size(), count, what);
  std::uint32_t most = 0;  // a negative number is a large one
  for (std::int32_t n : numbers)
    most = most > static_cast<std::uint32_t>(n) ? most : static_cast<std::uint32_t>(n);
  if (most >= static_cast<std::uint64_t>(vocabulary)) detail::refuse_token(numbers, vocabulary, what);
}

}  // namespace formwork

// Packs of random numbers have the bits of the scalar functions, at any width and alignment.
#include "support/catch.hpp"

#include <bit>
#include <cstdint>

#include "formwork/backend/cpu/simd_philox.hpp"

namespace {

namespace cpu = formwork::cpu;
namespace philox = formwork::philox;

template <int Width> void check_width() {
  const std::uint64_t starts[] = {0, 16, 1, 2, 3, 1021, (std::uint64_t{1} << 34) - 8, (std::uint64_t{1} << 34) - 3, 12345678901234ull};
  for (std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{0x299f31d0a4093822u}})
    for (std::uint64_t stream : {std::uint64_t{0}, std::uint64_t{0x0370734413198a2eu}})
      for (std::uint64_t first : starts) {
        const auto words = cpu::random_bits<Width>(seed, stream, first);
        const auto uniforms = cpu::random_uniform<Width>(seed, stream, first);
        const auto normals = cpu::random_normal<Width>(seed, stream, first);
        for (int i = 0; i < Width; ++i) {
          const std::uint64_t index = first + static_cast<std::uint64_t>(i);
          REQUIRE(words[i] == philox::bits(seed, stream, index));
          REQUIRE(uniforms[i] == philox::uniform(seed, stream, index));
          REQUIRE(std::bit_cast<std::uint32_t>(normals[i]) == std::bit_cast<std::uint32_t>(philox::normal(seed, stream, index)));
        }
      }
}

}  // namespace

TEST_CASE("simd_philox: packs equal the scalar functions bit for bit") {
  check_width<cpu::native_width<float>>();
  check_width<4>();
  check_width<2>();
  check_width<1>();
}

TEST_CASE("simd_philox: normal packs equal the scalar function over a long run") {
  constexpr int width = cpu::native_width<float>;
  int different = 0;
  for (std::uint64_t first = 0; first < 200000; first += width) {
    const auto x = cpu::random_normal<width>(7, 2, first);
    for (int i = 0; i < width; ++i)
      different += std::bit_cast<std::uint32_t>(x[i]) != std::bit_cast<std::uint32_t>(philox::normal(7, 2, first + static_cast<std::uint64_t>(i)));
  }
  CHECK(different == 0);
}

// libFuzzer entry of the safetensors reader. The test runs a fixed number of inputs; for a longer search:
//   clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
//     -Iinclude -Itests tests/fuzz/safetensors.cpp -o /tmp/fuzz_safetensors
//   /tmp/fuzz_safetensors -max_total_time=120
#include "train/safetensors_check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  formwork_test::check_safetensors({reinterpret_cast<const std::byte*>(data), size});
  // Most inputs would die at the length, so the same bytes are also read as JSON behind a length that fits.
  for (const std::size_t data_bytes : {std::size_t(0), std::size_t(16)}) {
    std::vector<std::byte> framed(8 + size + data_bytes);
    for (std::size_t i = 0; i < 8; ++i) framed[i] = static_cast<std::byte>(size >> (8 * i));
    for (std::size_t i = 0; i < size; ++i) framed[8 + i] = static_cast<std::byte>(data[i]);
    formwork_test::check_safetensors(framed);
  }
  return 0;
}

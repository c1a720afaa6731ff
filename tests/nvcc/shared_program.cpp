// A program with two shared libraries that have Formwork inside, linked with both, or (given their paths) opening them so
// that the symbols of each are everybody's. Each must answer by itself.
#include <dlfcn.h>

#include <cstdio>
#include <string>

using answer = const char* (*)(void* stream);

#if defined(FORMWORK_TEST_LINKED)
extern "C" {
const char* answer_of_first(void* stream);
const char* answer_of_second(void* stream);
}
#endif

int main(int argc, char** argv) {
  answer of_first = nullptr, of_second = nullptr;
#if defined(FORMWORK_TEST_LINKED)
  of_first = answer_of_first;
  of_second = answer_of_second;
#endif
  if (argc == 3) {
    void *first = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL), *second = dlopen(argv[2], RTLD_NOW | RTLD_GLOBAL);
    if (!first || !second) return std::fprintf(stderr, "%s\n", dlerror()), 2;
    of_first = reinterpret_cast<answer>(dlsym(first, "answer_of_first"));
    of_second = reinterpret_cast<answer>(dlsym(second, "answer_of_second"));
  }
  if (!of_first || !of_second) return std::fputs("a library has no answer\n", stderr), 2;
  const std::string first = of_first(nullptr), second = of_second(nullptr), again = of_first(nullptr);
  std::printf("first: %s\nsecond: %s\n", first.c_str(), second.c_str());
  const auto right = [](std::string const& a) { return a == "loss 480.000000" || (a.starts_with("CUDA: no GPU is available (") && a.ends_with(".")); };
  return right(first) && second == first && again == first ? 0 : 1;
}

// Memory between guard zones: a buffer that a kernel gets, and 4 KiB before and behind it that it must leave alone.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string>

namespace formwork::testing {

// A kernel wrote outside of what it was given.
struct wrote_outside : std::runtime_error { using std::runtime_error::runtime_error; };

// Elements begin at a multiple of 256 bytes, as on a GPU. The zones are NaN in every floating type, so that what is read there
// shows too; so are the elements until they are written.
template <class T> class guarded_array {
 public:
  explicit guarded_array(std::size_t n) : bytes_(n * sizeof(T)), all_(static_cast<std::byte*>(::operator new(total(), std::align_val_t{256}))) {
    std::fill_n(all_.get(), total(), outside);
  }
  T* get() const { return reinterpret_cast<T*>(all_.get() + zone); }
  T& operator[](std::size_t i) const { return get()[i]; }

  // With the zones.
  std::span<std::byte> whole() const { return {all_.get(), total()}; }

  // Throws wrote_outside with the buffer's name.
  void check(std::string const& name) const {
    const std::byte* const begin = all_.get() + zone;
    for (std::size_t i = 1; i <= zone; ++i) {
      if (begin[-static_cast<std::ptrdiff_t>(i)] != outside) throw wrote_outside(name + ": written " + std::to_string(i) + " bytes before its begin");
      if (begin[bytes_ + i - 1] != outside) throw wrote_outside(name + ": written " + std::to_string(i - 1) + " bytes behind its end");
    }
  }

 private:
  static constexpr std::size_t zone = 4096;
  static constexpr std::byte outside{0xff};
  struct release {
    void operator()(std::byte* p) const { ::operator delete(p, std::align_val_t{256}); }
  };
  std::size_t bytes_;
  std::unique_ptr<std::byte[], release> all_;
  std::size_t total() const { return bytes_ + 2 * zone; }
};

}  // namespace formwork::testing

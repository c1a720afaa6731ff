// tensor<T, shape<...>>: an array of compile-time shape that owns its memory, row-major, 64-byte aligned. It moves;
// a copy is asked for by name, clone(), since an accidental one would cost more than the work it precedes.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <new>
#include <utility>

#include "view.hpp"

namespace formwork {

inline constexpr std::size_t tensor_alignment = 64;  // bytes: a cache line, and the widest SIMD register

struct uninitialized_t {};
inline constexpr uninitialized_t uninitialized{};

template <class T, class Shape> class tensor {
 public:
  using recorded_as = in_memory;
  using element_type = T;
  using value_type = T;
  using shape_type = Shape;
  using strides_type = row_major<Shape>;
  using view_type = view<T, Shape>;
  using const_view_type = view<const T, Shape>;
  static constexpr dtype type = dtype_of<T>;
  static constexpr int rank = Shape::rank;
  static constexpr dims shape = Shape::value, stride = strides_type::value;
  static constexpr long elements = Shape::elements;

  // Zeros.
  tensor() : tensor(uninitialized) { fill(T{}); }
  explicit tensor(uninitialized_t) : data_(allocate()) {}

  // The elements in row-major order; throws std::invalid_argument where their number differs.
  tensor(std::initializer_list<T> all) : tensor(std::span<const T>(all.begin(), all.size())) {}
  explicit tensor(std::span<const T> all) : tensor(uninitialized) {
    std::copy_n(const_view_type(all).data(), elements, data());
  }

  tensor(tensor&&) noexcept = default;
  tensor& operator=(tensor&&) noexcept = default;
  tensor clone() const { return tensor(std::span<const T>(data(), static_cast<std::size_t>(elements))); }

  T* data() { return data_.get(); }
  T const* data() const { return data_.get(); }
  view_type as_view() { return view_type(data()); }
  const_view_type as_view() const { return const_view_type(data()); }
  operator view_type() { return as_view(); }
  operator const_view_type() const { return as_view(); }
  std::span<T> span() { return as_view().span(); }
  std::span<const T> span() const { return as_view().span(); }
  void fill(T x) { std::fill_n(data(), elements, x); }

  template <std::convertible_to<long>... Index> T& operator()(Index... index) { return as_view()(index...); }
  template <std::convertible_to<long>... Index> T const& operator()(Index... index) const { return as_view()(index...); }

  // Views of parts, as in view; they must not outlive the tensor.
  template <int Axis, long First, long Size> auto slice() & { return as_view().template slice<Axis, First, Size>(); }
  template <int Axis, long First, long Size> auto slice() const& { return as_view().template slice<Axis, First, Size>(); }
  template <int Axis = 0> auto at(long index) & { return as_view().template at<Axis>(index); }
  template <int Axis = 0> auto at(long index) const& { return as_view().template at<Axis>(index); }
  template <int... Axis> auto transposed() & { return as_view().template transposed<Axis...>(); }
  template <int... Axis> auto transposed() const& { return as_view().template transposed<Axis...>(); }
  template <long... Size> auto reshaped() & { return as_view().template reshaped<Size...>(); }
  template <long... Size> auto reshaped() const& { return as_view().template reshaped<Size...>(); }

 private:
  struct release {
    void operator()(T* p) const { ::operator delete(p, std::align_val_t(tensor_alignment)); }
  };
  static T* allocate() {
    return static_cast<T*>(::operator new(static_cast<std::size_t>(elements) * sizeof(T), std::align_val_t(tensor_alignment)));
  }
  std::unique_ptr<T[], release> data_;
};

// Any view or tensor as a view.
template <class T, class Shape, class Strides> constexpr auto as_view(view<T, Shape, Strides> v) { return v; }
template <class T, class Shape> auto as_view(tensor<T, Shape>& t) { return t.as_view(); }
template <class T, class Shape> auto as_view(tensor<T, Shape> const& t) { return t.as_view(); }

}  // namespace formwork

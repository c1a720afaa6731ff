// DLPack: tensors handed to and taken from other libraries (NumPy, PyTorch, JAX, CuPy) without a copy. The structs
// follow the public ABI, version 0.x ("dltensor" capsules); a program that includes the real dlpack.h may pass its
// structs instead, since every function takes any type with the ABI's members.
#pragma once

#include <cstdint>
#include <memory>

#include "tensor.hpp"

namespace formwork {

namespace dlpack {

enum device_type : std::int32_t { cpu = 1, cuda_host = 3 };
enum type_code : std::uint8_t { signed_integer = 0, unsigned_integer = 1, floating = 2, bfloat = 4, boolean = 6 };

struct device { std::int32_t device_type; std::int32_t device_id; };
struct data_type { std::uint8_t code; std::uint8_t bits; std::uint16_t lanes; };
struct tensor {
  void* data;
  dlpack::device device;
  std::int32_t ndim;
  data_type dtype;
  std::int64_t* shape;
  std::int64_t* strides;      // elements; null: row-major
  std::uint64_t byte_offset;
};
struct managed_tensor {
  tensor dl_tensor;
  void* manager_ctx;
  void (*deleter)(managed_tensor*);
};
static_assert(sizeof(void*) != 8 || (sizeof(tensor) == 48 && sizeof(managed_tensor) == 64));

}  // namespace dlpack

namespace detail {

constexpr dlpack::data_type dlpack_type(dtype t) {
  auto code = dlpack::floating;
  if (t == dtype::bf16) code = dlpack::bfloat;
  if (t == dtype::i32 || t == dtype::i64) code = dlpack::signed_integer;
  if (t == dtype::u8) code = dlpack::unsigned_integer;
  if (t == dtype::boolean) code = dlpack::boolean;
  return {code, static_cast<std::uint8_t>(8 * size_of(t)), 1};
}

inline std::string dlpack_type_name(unsigned code, unsigned bits, unsigned lanes) {
  constexpr const char* names[] = {"int", "uint", "float", "handle", "bfloat", "complex", "bool"};
  return (code < 7 ? std::string(names[code]) : "type code " + std::to_string(code) + " with ") + std::to_string(bits) + (lanes == 1 ? "" : " x " + std::to_string(lanes));
}

// Holds what an exported tensor needs; Data keeps the memory alive, or is empty for a view.
template <class Managed, class Data> struct dlpack_export {
  Managed managed{};
  std::int64_t shape[max_rank + 1], strides[max_rank + 1];
  Data data;
};

template <class Managed, class View, class Data> Managed* make_dlpack(View v, Data data) {
  using holder = dlpack_export<Managed, Data>;
  auto* h = new holder{{}, {}, {}, std::move(data)};
  for (int i = 0; i < View::rank; ++i) {
    h->shape[i] = View::shape.size[i];
    h->strides[i] = View::stride.size[i];
  }
  auto& t = h->managed.dl_tensor;
  t.data = const_cast<typename View::value_type*>(v.data());
  t.device.device_type = static_cast<decltype(t.device.device_type)>(dlpack::cpu);
  t.device.device_id = 0;
  t.ndim = View::rank;
  constexpr auto type = dlpack_type(View::type);
  t.dtype.code = type.code;
  t.dtype.bits = type.bits;
  t.dtype.lanes = type.lanes;
  t.shape = h->shape;
  t.strides = h->strides;
  t.byte_offset = 0;
  h->managed.manager_ctx = h;
  h->managed.deleter = [](Managed* m) { delete static_cast<holder*>(m->manager_ctx); };
  return &h->managed;
}

}  // namespace detail

// A view of another library's tensor. Device, element type, shape and strides must be the view's; throws
// std::invalid_argument with one sentence. DLPack has no read-only flag here: ask for view<const T, ...> to keep your word.
template <class View, class Tensor> requires requires(Tensor const& t) { t.byte_offset; }
View from_dlpack(Tensor const& t) {
  auto refuse = [](std::string const& what) { throw std::invalid_argument("the DLPack tensor " + what); };
  if (t.device.device_type != dlpack::cpu && t.device.device_type != dlpack::cuda_host)
    refuse("lies on device type " + std::to_string(static_cast<int>(t.device.device_type)) + ": copy it to the CPU first");
  constexpr auto want = detail::dlpack_type(View::type);
  if (t.dtype.code != want.code || t.dtype.bits != want.bits || t.dtype.lanes != want.lanes)
    refuse("has elements of type " + detail::dlpack_type_name(t.dtype.code, t.dtype.bits, t.dtype.lanes) + ", but the view wants " +
           detail::dlpack_type_name(want.code, want.bits, want.lanes) + ": convert it first");
  dims shape, stride;
  if (!t.shape && t.ndim > 0) refuse("has no shape: its producer did not fill it in");
  if (t.ndim >= 0 && t.ndim <= max_rank)
    for (int i = 0; i < t.ndim; ++i) shape.push_back(static_cast<long>(t.shape[i]));
  if (t.ndim != View::rank || !(shape == View::shape))
    refuse("has " + (t.ndim == shape.rank ? "shape " + to_string(shape) : std::to_string(t.ndim) + " axes") + ", but the view has " + to_string(View::shape));
  stride = contiguous_strides(shape);
  if (t.strides)
    for (int i = 0; i < t.ndim; ++i) stride.size[i] = static_cast<long>(t.strides[i]);
  for (int i = 0; i < t.ndim; ++i)
    if (shape.size[i] != 1 && stride.size[i] != View::stride.size[i])
      refuse("has strides " + to_string(stride) + ", but the view has " + to_string(View::stride) + ": make it contiguous, or name its strides in the view's type");
  if (!t.data) refuse("has no memory: its producer did not fill it in");
  auto* first = static_cast<std::byte*>(t.data) + t.byte_offset;
  if (reinterpret_cast<std::uintptr_t>(first) % alignof(typename View::value_type) != 0) refuse("is not aligned for its element type: copy it first");
  return View(reinterpret_cast<typename View::element_type*>(first));
}

// Takes over a managed tensor: the view is valid while this lives; the producer's deleter runs at the end. Where the
// tensor does not fit, from_dlpack's exception leaves it with the caller.
template <class View, class Managed = dlpack::managed_tensor> class dlpack_owner {
 public:
  explicit dlpack_owner(Managed* m) : view_(from_dlpack<View>(m->dl_tensor)), managed_(m) {}
  View as_view() const { return view_; }

 private:
  struct release {
    void operator()(Managed* m) const { if (m->deleter) m->deleter(m); }
  };
  View view_;
  std::unique_ptr<Managed, release> managed_;
};

// A view for another library, which calls the deleter; the memory stays the view's owner's and must outlive it.
template <class Managed = dlpack::managed_tensor, class T, class Shape, class Strides> Managed* to_dlpack(view<T, Shape, Strides> v) {
  return detail::make_dlpack<Managed>(v, 0);
}
// The tensor itself goes over, memory and all.
template <class Managed = dlpack::managed_tensor, class T, class Shape> Managed* to_dlpack(tensor<T, Shape>&& t) {
  auto v = t.as_view();
  return detail::make_dlpack<Managed>(v, std::move(t));
}

}  // namespace formwork

#include "formwork/tensor/dlpack.hpp"

#include "support/catch.hpp"

using namespace formwork;

namespace {

struct release {
  void operator()(dlpack::managed_tensor* m) const { m->deleter(m); }
};
using managed = std::unique_ptr<dlpack::managed_tensor, release>;

int deleted = 0;

}  // namespace

TEST_CASE("dlpack: a view goes out and comes back without a copy") {
  tensor<float, shape<2, 3>> t{1, 2, 3, 4, 5, 6};
  managed m(to_dlpack(t.transposed<1, 0>()));
  auto const& d = m->dl_tensor;
  CHECK(d.data == t.data());
  CHECK((d.device.device_type == 1 && d.device.device_id == 0));
  CHECK((d.ndim == 2 && d.shape[0] == 3 && d.shape[1] == 2 && d.strides[0] == 1 && d.strides[1] == 3));
  CHECK((d.dtype.code == 2 && d.dtype.bits == 32 && d.dtype.lanes == 1));
  auto v = from_dlpack<view<float, shape<3, 2>, strides<1, 3>>>(d);
  CHECK((v.data() == t.data() && v(2, 1) == 6.0f));
}

TEST_CASE("dlpack: a tensor goes over with its memory") {
  tensor<std::int32_t, shape<3>> t{1, 2, 3};
  auto* memory = t.data();
  managed m(to_dlpack(std::move(t)));
  CHECK(m->dl_tensor.data == memory);
  CHECK(static_cast<std::int32_t*>(m->dl_tensor.data)[2] == 3);
  CHECK((m->dl_tensor.dtype.code == 0 && m->dl_tensor.dtype.bits == 32));
}

TEST_CASE("dlpack: what does not fit is refused in a sentence") {
  tensor<float, shape<2, 3>> t;
  managed m(to_dlpack(t.as_view()));
  auto d = m->dl_tensor;
  using v = view<float, shape<2, 3>>;
  CHECK(from_dlpack<v>(d).data() == t.data());
  CHECK_THROWS_WITH((from_dlpack<view<float, shape<3, 2>>>(d)), "the DLPack tensor has shape [2, 3], but the view has [3, 2]");
  CHECK_THROWS_WITH((from_dlpack<view<float, shape<6>>>(d)), "the DLPack tensor has shape [2, 3], but the view has [6]");
  CHECK_THROWS_WITH((from_dlpack<view<std::int32_t, shape<2, 3>>>(d)), "the DLPack tensor has elements of type float32, but the view wants int32: convert it first");
  CHECK_THROWS_WITH((from_dlpack<view<float, shape<2, 3>, strides<4, 1>>>(d)), Catch::Contains("has strides [3, 1], but the view has [4, 1]"));
  d.device.device_type = 2;
  CHECK_THROWS_WITH(from_dlpack<v>(d), "the DLPack tensor lies on device type 2: copy it to the CPU first");
  d = m->dl_tensor;
  d.byte_offset = 2;
  CHECK_THROWS_WITH(from_dlpack<v>(d), "the DLPack tensor is not aligned for its element type: copy it first");
  d.byte_offset = 4;
  CHECK(from_dlpack<v>(d).data() == t.data() + 1);
  d = m->dl_tensor;
  d.ndim = 100;
  CHECK_THROWS_WITH(from_dlpack<v>(d), "the DLPack tensor has 100 axes, but the view has [2, 3]");
  d = m->dl_tensor;
  d.shape = nullptr;
  CHECK_THROWS_WITH(from_dlpack<v>(d), "the DLPack tensor has no shape: its producer did not fill it in");
  d = m->dl_tensor;
  d.data = nullptr;
  CHECK_THROWS_WITH(from_dlpack<v>(d), "the DLPack tensor has no memory: its producer did not fill it in");
  d = m->dl_tensor;
  d.strides = nullptr;
  CHECK(from_dlpack<v>(d).data() == t.data());
}

TEST_CASE("dlpack: an owner calls the producer's deleter once, and not where the tensor is refused") {
  float memory[2] = {1, 2};
  std::int64_t size = 2;
  dlpack::managed_tensor m{{memory, {1, 0}, 1, {2, 32, 1}, &size, nullptr, 0}, nullptr, [](dlpack::managed_tensor*) { ++deleted; }};
  deleted = 0;
  CHECK_THROWS((dlpack_owner<view<float, shape<3>>>(&m)));
  CHECK(deleted == 0);
  {
    dlpack_owner<view<const float, shape<2>>> o(&m);
    auto moved = std::move(o);
    CHECK(moved.as_view()(1) == 2.0f);
  }
  CHECK(deleted == 1);
}

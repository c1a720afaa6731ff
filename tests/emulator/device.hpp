// A device that runs every launch in the emulator, on memory of the host. The queue of a step points to settings.
#pragma once

#include <string_view>

#include "formwork/backend/cuda/cuda_kernels.hpp"
#include "formwork/backend/host_session.hpp"
#include "lane.hpp"

namespace formwork::emulator {

struct launcher {
  using session = host_session;
  template <class Launch, int N> static void launch(gpu::kernel_arguments<N> const& a, void* queue) {
    static constexpr gpu::launch_shape shape = Launch::shape;
    settings how = queue ? *static_cast<const settings*>(queue) : settings{};
    if (how.only && std::string_view(how.only) != Launch::name) how.wrong = fault::none, how.count = nullptr;
    struct call { gpu::kernel_arguments<N> const& a; } c{a};
    run({.blocks = shape.blocks, .threads = shape.threads, .shared_bytes = shape.shared_bytes}, how, Launch::name,
        [](void* p, fibre& f) {
          lane l(f);
          Launch::run(l, static_cast<call*>(p)->a);
        },
        &c);
  }
};

template <class Options = gpu::options<>> using device = gpu::device<launcher, Options>;

}  // namespace formwork::emulator

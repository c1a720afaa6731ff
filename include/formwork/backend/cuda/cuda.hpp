// The CUDA backend: a device that a training run or a step can name. Only CUDA compilers see it.
#pragma once

#include "cuda_kernels.hpp"
#include "session.hpp"

#if defined(__CUDACC__)

#include "runtime.hpp"

namespace formwork {

// tf32: products of f32 values read 19 of their 32 bits, as PyTorch's allow_tf32. exact: every bit, on the CUDA cores.
using cuda_device = gpu::device<gpu::launcher, gpu::options<gpu::f32_products::tf32>>;
using cuda_exact_device = gpu::device<gpu::launcher, gpu::options<gpu::f32_products::exact>>;

}  // namespace formwork

#endif  // __CUDACC__

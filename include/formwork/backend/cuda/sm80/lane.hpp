// A CUDA thread of any GPU since compute capability 8.0: cp.async, ldmatrix and mma.sync, each in one function (PTX ISA
// 8.0, sections 9.7.8.24, 9.7.14). Only CUDA compilers see this file.
#pragma once

#if defined(__CUDACC__)

#include <cuda_runtime.h>

#include "../lane.hpp"

namespace formwork::gpu::sm80 {

namespace detail {
FORMWORK_DEVICE std::byte* block_memory() {
  extern __shared__ __align__(128) std::byte memory[];
  return memory;
}

FORMWORK_DEVICE std::uint32_t shared_address(const void* p) { return static_cast<std::uint32_t>(__cvta_generic_to_shared(p)); }
}  // namespace detail

struct lane {
  FORMWORK_DEVICE int thread() const { return static_cast<int>(threadIdx.x); }
  FORMWORK_DEVICE long block() const { return static_cast<long>(blockIdx.x); }
  FORMWORK_DEVICE std::byte* shared() const { return detail::block_memory(); }

  FORMWORK_DEVICE void sync() const { __syncthreads(); }
  FORMWORK_DEVICE void sync_warp() const { __syncwarp(); }

  template <class T> FORMWORK_DEVICE T shuffle(T x, int from) const { return __shfl_sync(0xffffffffu, x, from); }
  template <class T> FORMWORK_DEVICE T shuffle_xor(T x, int bits) const { return __shfl_xor_sync(0xffffffffu, x, bits); }
  FORMWORK_DEVICE bool any(bool p) const { return __any_sync(0xffffffffu, p) != 0; }

  template <int Bytes> FORMWORK_DEVICE void copy_async(void* to, const void* from, int count) const {
    if constexpr (Bytes == 16)
      asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(detail::shared_address(to)), "l"(from), "r"(count) : "memory");
    else
      asm volatile("cp.async.ca.shared.global [%0], [%1], %3, %2;" ::"r"(detail::shared_address(to)), "l"(from), "r"(count), "n"(Bytes) : "memory");
  }
  FORMWORK_DEVICE void copy_commit() const { asm volatile("cp.async.commit_group;" ::: "memory"); }
  template <int Pending> FORMWORK_DEVICE void copy_wait() const { asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory"); }

  FORMWORK_DEVICE void load_matrices(std::uint32_t (&r)[4], const void* row) const {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(detail::shared_address(row)) : "memory");
  }
  FORMWORK_DEVICE void load_matrices_transposed(std::uint32_t (&r)[4], const void* row) const {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(detail::shared_address(row)) : "memory");
  }

  template <class Operand> FORMWORK_DEVICE void multiply_add(float (&d)[4], std::uint32_t const (&a)[4], std::uint32_t const (&b)[2]) const {
    if constexpr (std::same_as<Operand, bf16>)
      asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
          : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    else if constexpr (std::same_as<Operand, f16>)
      asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
          : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    else
      asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
          : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }

  FORMWORK_DEVICE float exp2(float x) const {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
  }
};

}  // namespace formwork::gpu::sm80

#endif  // __CUDACC__

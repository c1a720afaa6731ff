// Build-wide settings: the library's only macros stand here, and what the compiler must be told is asked for.
#pragma once

#if __cplusplus < 202002L
#error "formwork: these headers are C++20; compile with -std=c++20 (CMake: the targets formwork::formwork and formwork::cuda do)"
#endif
#if defined(__CUDACC__)
#if __CUDACC_VER_MAJOR__ * 100 + __CUDACC_VER_MINOR__ < 1204
#error "formwork: this nvcc cannot compile these headers; take that of the CUDA Toolkit 12.4 or later"
#elif !defined(__CUDACC_RELAXED_CONSTEXPR__)
#error "formwork: compile with --expt-relaxed-constexpr -Xcudafe --max_cost_constexpr_call=2000000000 (CMake: the target formwork::cuda does)"
#endif
#endif

// FORMWORK_FN: a function that is usable on the host and, under a CUDA compiler, in device code.
#if defined(__CUDACC__)
#define FORMWORK_FN __host__ __device__
#else
#define FORMWORK_FN
#endif

// FORMWORK_DEVICE: a part of a CUDA kernel; any other compiler sees an ordinary function, so that a kernel can be run lane
// by lane on the host.
#if defined(__CUDACC__)
#define FORMWORK_DEVICE __device__ __forceinline__
#else
#define FORMWORK_DEVICE inline
#endif

// FORMWORK_UNROLL: the loop that follows, of a kernel for GPUs, has a constant length, and its array elements are registers.
// FORMWORK_KEEP_LOOP: it stays a loop, however short: its body fills the registers.
#if defined(__CUDACC__)
#define FORMWORK_UNROLL _Pragma("unroll")
#define FORMWORK_KEEP_LOOP _Pragma("unroll 1")
#else
#define FORMWORK_UNROLL
#define FORMWORK_KEEP_LOOP
#endif

// FORMWORK_UNROLL_HOST: the same in a kernel for CPUs, of a loop of at most 32 turns. nvcc hands the pragma on to the
// host's compiler, but says that it does not know it.
#if defined(__CUDACC__)
#define FORMWORK_UNROLL_HOST \
  _Pragma("nv_diagnostic push") _Pragma("nv_diag_suppress 1675") _Pragma("GCC unroll 32") _Pragma("nv_diagnostic pop")
#else
#define FORMWORK_UNROLL_HOST _Pragma("GCC unroll 32")
#endif

// FORMWORK_INLINE: a kernel's inner function, which must vanish into its caller.
#define FORMWORK_INLINE [[gnu::always_inline]] inline

// FORMWORK_INLINE_LAMBDA: the same for a lambda; it stands after the parameters.
#define FORMWORK_INLINE_LAMBDA __attribute__((always_inline))

// FORMWORK_HIDDEN: kernels and launchers stay private to the shared object that instantiates them.
#define FORMWORK_HIDDEN [[gnu::visibility("hidden")]]

// FORMWORK_VECTOR_BYTES: width of one SIMD register of the instruction set this file is compiled for.
#if defined(__AVX512F__)
#define FORMWORK_VECTOR_BYTES 64
#elif defined(__AVX__)
#define FORMWORK_VECTOR_BYTES 32
#else
#define FORMWORK_VECTOR_BYTES 16
#endif

namespace formwork {

inline constexpr int version_major = 0, version_minor = 1, version_patch = 0;

inline constexpr long long KiB = 1024, MiB = 1024 * KiB, GiB = 1024 * MiB;

}  // namespace formwork

// cuBLASLt: a bf16 product with one of its epilogues, as the peer of a fused product.
#pragma once

#include <cublasLt.h>

#include "device.hpp"

namespace formwork::bench {

inline void check_lt(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  std::fprintf(stderr, "%s failed: %s\n", what, cublasGetStatusString(status));
  std::exit(1);
}

// C[M, N] = epilogue(A B + added) in bf16, rows one after the other, sums in f32; right: B is stored [N, K]. Its columns
// are what cuBLASLt calls rows, since to it everything is transposed: C' = B' A'.
class cublaslt_product {
 public:
  struct memory {
    const void *a, *b;
    void* c;
    const void* added = nullptr;  // [M, N]
    void* bias = nullptr;         // [N], or its gradient
    void* kept = nullptr;         // [M, N]: what GELU was applied to
  };
  static constexpr std::size_t workspace_bytes = std::size_t{32} << 20;

  cublaslt_product(long m, long n, long k, bool right, cublasLtEpilogue_t epilogue, memory const& of) : memory_(of), workspace_(workspace_bytes) {
    check_lt(cublasLtCreate(&handle_), "cublasLtCreate");
    check_lt(cublasLtMatmulDescCreate(&product_, CUBLAS_COMPUTE_32F, CUDA_R_32F), "cublasLtMatmulDescCreate");
    const cublasOperation_t turned = right ? CUBLAS_OP_T : CUBLAS_OP_N;
    set(CUBLASLT_MATMUL_DESC_TRANSA, turned);
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
    if (of.bias) set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, of.bias);
    if (of.kept) {
      set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, of.kept);
      set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, static_cast<std::int64_t>(n));
    }
    layout(b_, right ? k : n, right ? n : k);
    layout(a_, k, m);
    layout(c_, n, m);
    cublasLtMatmulPreference_t preference = nullptr;
    check_lt(cublasLtMatmulPreferenceCreate(&preference), "cublasLtMatmulPreferenceCreate");
    const std::size_t most = workspace_bytes;
    check_lt(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &most, sizeof(most)), "cublasLtMatmulPreferenceSetAttribute");
    int found = 0;
    cublasLtMatmulHeuristicResult_t best{};
    const auto status = cublasLtMatmulAlgoGetHeuristic(handle_, product_, b_, a_, c_, c_, preference, 1, &best, &found);
    cublasLtMatmulPreferenceDestroy(preference);
    ready_ = status == CUBLAS_STATUS_SUCCESS && found == 1;
    algorithm_ = best.algo;
  }
  cublaslt_product(cublaslt_product const&) = delete;
  ~cublaslt_product() {
    for (auto l : {a_, b_, c_}) cublasLtMatrixLayoutDestroy(l);
    cublasLtMatmulDescDestroy(product_);
    cublasLtDestroy(handle_);
  }

  // false: cuBLASLt has no kernel for this product.
  bool ready() const { return ready_; }

  void operator()(cudaStream_t stream) const {
    const float one = 1, zero = 0;
    check_lt(cublasLtMatmul(handle_, product_, &one, memory_.b, b_, memory_.a, a_, memory_.added ? &one : &zero, memory_.added ? memory_.added : memory_.c, c_, memory_.c, c_, &algorithm_,
                            workspace_.p, workspace_bytes, stream),
             "cublasLtMatmul");
  }

 private:
  template <class T> void set(cublasLtMatmulDescAttributes_t what, T const& value) { check_lt(cublasLtMatmulDescSetAttribute(product_, what, &value, sizeof(value)), "cublasLtMatmulDescSetAttribute"); }
  static void layout(cublasLtMatrixLayout_t& l, long rows, long columns) {
    check_lt(cublasLtMatrixLayoutCreate(&l, CUDA_R_16BF, static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(columns), rows), "cublasLtMatrixLayoutCreate");
  }

  memory memory_;
  device_memory workspace_;
  cublasLtHandle_t handle_ = nullptr;
  cublasLtMatmulDesc_t product_ = nullptr;
  cublasLtMatrixLayout_t a_ = nullptr, b_ = nullptr, c_ = nullptr;
  cublasLtMatmulAlgo_t algorithm_{};
  bool ready_ = false;
};

}  // namespace formwork::bench

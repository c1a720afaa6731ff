// A loop around two tensor core instructions whose operands come from shared memory: what bench/cuda/loops must find.
__global__ void product(float* out, int tiles) {
  __shared__ unsigned memory[4096];
  for (int i = threadIdx.x; i < 4096; i += 32) memory[i] = 0;
  __syncthreads();
  const unsigned row = static_cast<unsigned>(__cvta_generic_to_shared(memory)) + threadIdx.x * 16;
  float sum[2][4] = {};
#pragma unroll 1
  for (int t = 0; t < tiles; ++t) {
    unsigned a[4];
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];" : "=r"(a[0]), "=r"(a[1]), "=r"(a[2]), "=r"(a[3]) : "r"(row + t * 512));
#pragma unroll
    for (int j = 0; j < 2; ++j)
      asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
          : "+f"(sum[j][0]), "+f"(sum[j][1]), "+f"(sum[j][2]), "+f"(sum[j][3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(a[j]), "r"(a[2 + j]));
  }
  for (int j = 0; j < 2; ++j)
    for (int i = 0; i < 4; ++i) out[(j * 4 + i) * 32 + threadIdx.x] = sum[j][i];
}

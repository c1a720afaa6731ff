#include "gpu/record.cuh"

namespace formwork::testing {
run_record gpt_tf32() { return record_run<training<gpt<tiny_gpt>, adamw, batch<2>, tf32>>(); }
}  // namespace formwork::testing

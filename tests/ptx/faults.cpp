// The machine for PTX itself: what it computes, what it refuses to read, and that it reports what a GPU would fault at.
#include <algorithm>
#include <numeric>

#include "ptx/machine.hpp"
#include "support/catch.hpp"

using namespace formwork;

namespace {

std::string entry(std::string const& body, std::string const& shared = "") {
  return ".version 8.0\n.target sm_80\n.address_size 64\n" + shared +
         ".visible .entry k(\n.param .u64 in,\n.param .u64 out\n)\n.maxntid 128, 1, 1\n{\n"
         ".reg .pred %p<9>; .reg .b32 %r<40>; .reg .f32 %f<40>; .reg .b64 %rd<20>; .reg .b16 %rs<9>;\n"
         "ld.param.u64 %rd1, [in]; ld.param.u64 %rd2, [out]; mov.u32 %r1, %tid.x; mul.wide.u32 %rd3, %r1, 4;\n"
         "add.s64 %rd4, %rd1, %rd3; add.s64 %rd5, %rd2, %rd3;\n" +
         body + "\nret;\n}\n";
}

// One block of so many threads, each with a word in and a word out.
struct run_of {
  std::vector<std::uint32_t> in, out;
  explicit run_of(unsigned threads) : in(threads), out(threads, 0xcdcdcdcd) { std::iota(in.begin(), in.end(), 1); }
  void operator()(std::string const& text, std::uint64_t seed = 1, std::size_t shared_bytes = 0) {
    const ptx::module m = ptx::read_module(text);
    ptx::launch l{.what = &m.kernels.at(0), .threads = static_cast<unsigned>(in.size()), .shared_bytes = shared_bytes, .arguments = std::vector<std::byte>(16)};
    const void* pointers[] = {in.data(), out.data()};
    std::memcpy(l.arguments.data(), pointers, 16);
    ptx::run(l, {{reinterpret_cast<std::uintptr_t>(in.data()), 4 * in.size()}, {reinterpret_cast<std::uintptr_t>(out.data()), 4 * out.size()}}, seed);
  }
};
std::string complaint(std::string const& text, unsigned threads = 32, std::size_t shared_bytes = 0) {
  try {
    run_of run(threads);
    run(text, 1, shared_bytes);
  } catch (std::runtime_error const& e) {
    return e.what();
  }
  return "";
}
bool contains(std::string const& text, const char* part) { return text.find(part) != std::string::npos; }

// The results for several orders of the warps.
std::vector<std::vector<std::uint32_t>> results(std::string const& text, unsigned threads, std::size_t shared_bytes = 0) {
  std::vector<std::vector<std::uint32_t>> all;
  for (std::uint64_t seed = 1; seed <= 16; ++seed) {
    run_of run(threads);
    run(text, seed, shared_bytes);
    all.push_back(run.out);
  }
  return all;
}
bool all_equal(std::vector<std::vector<std::uint32_t>> const& r) {
  return std::all_of(r.begin(), r.end(), [&](auto const& x) { return x == r.front(); });
}

const std::string memory = ".extern .shared .align 16 .b8 memory[];\n";
const std::string of_thread = "mov.u32 %r2, memory; shl.b32 %r3, %r1, 2; add.s32 %r4, %r2, %r3;\n";

}  // namespace

TEST_CASE("lanes part and meet again") {
  // Odd threads take another way, and as many turns of a loop as their number says; then all add up over the warp.
  run_of run(32);
  run(entry("ld.global.u32 %r2, [%rd4]; and.b32 %r3, %r1, 1; setp.eq.s32 %p1, %r3, 0; @%p1 bra EVEN;\n"
            "mov.u32 %r5, 0;\nTURN: add.s32 %r2, %r2, 100; add.s32 %r5, %r5, 1; setp.lt.u32 %p2, %r5, %r1; @%p2 bra TURN; bra.uni MEET;\n"
            "EVEN: add.s32 %r2, %r2, 7;\nMEET: mov.u32 %r9, %r2;\n"
            "shfl.sync.bfly.b32 %r6|%p3, %r9, 16, 31, -1; add.s32 %r9, %r9, %r6;\n"
            "shfl.sync.bfly.b32 %r6|%p3, %r9, 8, 31, -1; add.s32 %r9, %r9, %r6;\n"
            "shfl.sync.bfly.b32 %r6|%p3, %r9, 4, 31, -1; add.s32 %r9, %r9, %r6;\n"
            "shfl.sync.bfly.b32 %r6|%p3, %r9, 2, 31, -1; add.s32 %r9, %r9, %r6;\n"
            "shfl.sync.bfly.b32 %r6|%p3, %r9, 1, 31, -1; add.s32 %r9, %r9, %r6;\nst.global.u32 [%rd5], %r9;"));
  std::uint32_t sum = 0;
  for (std::uint32_t t = 0; t < 32; ++t) sum += t + 1 + (t % 2 ? 100 * t : 7);
  for (auto x : run.out) CHECK(x == sum);
}
TEST_CASE("numbers: rounding, bytes, halves") {
  run_of run(32);
  // 1 + 2^-24 rounded down and to the nearest even; -2.5 to an integer by truncation; the bytes of a word turned round.
  run(entry("mov.f32 %f1, 0f33800000; mov.f32 %f2, 0f3F800000; fma.rm.f32 %f3, %f1, %f2, %f2; setp.eq.f32 %p1, %f3, 0f3F800000;\n"
            "mov.f32 %f4, 0fC0200000; cvt.rzi.s32.f32 %r2, %f4; setp.eq.s32 %p2, %r2, -2; and.pred %p3, %p1, %p2;\n"
            "cvt.rn.bf16.f32 %rs1, 0f3F80FFFF; cvt.u32.u16 %r3, %rs1; setp.eq.s32 %p4, %r3, 16257; and.pred %p3, %p3, %p4;\n"
            "mov.b32 %r4, {%rs1, %rs1}; shr.u32 %r5, %r4, 16; setp.eq.s32 %p4, %r5, %r3; and.pred %p3, %p3, %p4;\n"
            "prmt.b32 %r6, 67305985, 0, 291; setp.eq.s32 %p4, %r6, 16909060; and.pred %p3, %p3, %p4;\n"
            "bfe.s32 %r7, 240, 4, 4; setp.eq.s32 %p4, %r7, -1; and.pred %p3, %p3, %p4;\n"
            "shf.l.wrap.b32 %r8, -2147483648, 1, 4; setp.eq.s32 %p4, %r8, 24; and.pred %p3, %p3, %p4;\n"
            "shf.r.wrap.b32 %r8, 16, 3, 4; setp.eq.s32 %p4, %r8, 805306369; and.pred %p3, %p3, %p4;\n"
            "lop3.b32 %r8, 12, 10, 6, 150; setp.eq.s32 %p4, %r8, 0; and.pred %p3, %p3, %p4;\n"  // exclusive or of three
            "popc.b32 %r8, 255; setp.eq.s32 %p4, %r8, 8; and.pred %p3, %p3, %p4;\n"
            "clz.b32 %r8, 255; setp.eq.s32 %p4, %r8, 24; and.pred %p3, %p3, %p4;\n"
            "rem.s32 %r8, -7, 3; setp.eq.s32 %p4, %r8, -1; and.pred %p3, %p3, %p4;\n"
            "bfi.b32 %r8, 5, 240, 8, 4; setp.eq.s32 %p4, %r8, 1520; and.pred %p3, %p3, %p4;\n"
            "max.f32 %f5, 0f7FC00000, 0f3F800000; setp.eq.f32 %p4, %f5, 0f3F800000; and.pred %p3, %p3, %p4;\n"
            "max.NaN.f32 %f5, 0fBF800000, 0f3F800000; setp.eq.f32 %p4, %f5, 0f3F800000; and.pred %p3, %p3, %p4;\n"
            "min.NaN.f32 %f5, 0fBF800000, 0f3F800000; setp.eq.f32 %p4, %f5, 0fBF800000; and.pred %p3, %p3, %p4;\n"
            "max.NaN.f32 %f5, 0f7FC00000, 0f3F800000; setp.nan.f32 %p4, %f5, %f5; and.pred %p3, %p3, %p4;\n"
            "cvt.rn.bf16x2.f32 %r8, 0f40000000, 0f3F800000; setp.eq.s32 %p4, %r8, 1073758080; and.pred %p3, %p3, %p4;\n"
            "cvt.rn.f16.f32 %rs2, 0f3F800000; cvt.u32.u16 %r8, %rs2; setp.eq.s32 %p4, %r8, 15360; and.pred %p3, %p3, %p4;\n"
            "selp.u32 %r9, 1, 0, %p3; st.global.u32 [%rd5], %r9;"));
  for (auto x : run.out) CHECK(x == 1);
}
TEST_CASE("addresses: outside of every allocation, not aligned, beyond the block's memory") {
  CHECK(complaint(entry("ld.global.u32 %r2, [%rd4]; st.global.u32 [%rd5], %r2;")) == "");
  CHECK(contains(complaint(entry("ld.global.u32 %r2, [%rd4+4];")), "is in no allocation, but 128 bytes from the start of one of 128"));
  CHECK(contains(complaint(entry("mov.b64 %rd7, 64; st.global.u32 [%rd7], %r1;")), "is in no allocation"));
  CHECK(contains(complaint(entry("ld.global.v2.u32 {%r2, %r3}, [%rd4];")), "is not a multiple of 8"));
  CHECK(complaint(entry(of_thread + "st.shared.u32 [%r4], %r1;", memory), 32, 128) == "");
  CHECK(contains(complaint(entry(of_thread + "st.shared.u32 [%r4], %r1;", memory), 32, 124), "beyond the block's 124 bytes"));
  CHECK(contains(complaint(entry("ld.param.u64 %rd7, [out+8];")), "the kernel's arguments have 16 bytes"));
}
TEST_CASE("a barrier: threads see what others wrote, without it the order of warps decides") {
  const std::string write = of_thread + "ld.global.u32 %r5, [%rd4]; st.shared.u32 [%r4], %r5;\n";
  const std::string read = "sub.s32 %r6, 127, %r1; shl.b32 %r7, %r6, 2; add.s32 %r8, %r2, %r7; ld.shared.u32 %r9, [%r8]; st.global.u32 [%rd5], %r9;";
  const auto with = results(entry(write + "bar.sync 0;\n" + read, memory), 128, 512);
  CHECK(all_equal(with));
  for (std::uint32_t t = 0; t < 128; ++t) CHECK(with[0][t] == 128 - t);
  CHECK_FALSE(all_equal(results(entry(write + read, memory), 128, 512)));
}
TEST_CASE("an asynchronous copy lands late, if nobody waits, and zeros where nothing is read") {
  const std::string begin = of_thread + "mov.u32 %r20, 7; st.shared.u32 [%r4], %r20;\ncp.async.ca.shared.global [%r4], [%rd4], 4, 4; cp.async.commit_group;\n";
  const std::string end = "ld.shared.u32 %r9, [%r4]; st.global.u32 [%rd5], %r9;";
  const auto waited = results(entry(begin + "cp.async.wait_group 0;\n" + end, memory), 32, 128);
  CHECK(all_equal(waited));
  CHECK(waited[0][5] == 6);
  CHECK_FALSE(all_equal(results(entry(begin + end, memory), 32, 128)));
  CHECK_FALSE(all_equal(results(entry(begin + "cp.async.wait_group 1;\n" + end, memory), 32, 128)));
  const auto zeros = results(entry(of_thread + "cp.async.ca.shared.global [%r4], [%rd4], 4, 0; cp.async.commit_group; cp.async.wait_group 0;\n" + end, memory), 32, 128);
  CHECK(all_equal(zeros));
  CHECK(zeros[0][5] == 0);
}
TEST_CASE("lanes that do not come: at a shuffle, at a barrier") {
  CHECK(contains(complaint(entry("setp.lt.u32 %p1, %r1, 16; @%p1 bra AWAY; shfl.sync.bfly.b32 %r6|%p3, %r1, 1, 31, -1;\nAWAY: st.global.u32 [%rd5], %r1;")),
                 "the other lanes of the warp do not come here"));
  CHECK(contains(complaint(entry("setp.lt.u32 %p1, %r1, 16; @%p1 shfl.sync.bfly.b32 %r6|%p3, %r1, 1, 31, -1;")), "some lanes pass by what the warp does together"));
  CHECK(contains(complaint(entry("setp.lt.u32 %p1, %r1, 16; @%p1 bar.sync 0;")), "some lanes of the warp pass by a barrier"));
}
TEST_CASE("what is not known is refused when it is read") {
  CHECK(contains(complaint(entry("atom.global.add.u32 %r2, [%rd5], 1;")), "PTX line 13: atom.global.add.u32 is not known"));
  CHECK(contains(complaint(entry("mov.u32 %r2, %r99;")), "'%r99' was never declared"));
  CHECK(contains(complaint(entry("bra NOWHERE;")), "'NOWHERE' was never declared"));
  CHECK(contains(complaint(entry("ld.surface.u32 %r2, [%rd4];")), "ld.surface.u32 is not known"));
  CHECK(contains(complaint(entry("ld.local.u32 %r2, [%r4];")), "ld.local.u32 is not known"));
  CHECK(contains(complaint(entry("mov.u32 %r2, 1")), "';' was expected before 'ret'"));
}

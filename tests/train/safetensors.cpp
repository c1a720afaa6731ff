// safetensors: what is written is read back, and every malformed file is one sentence.
#include <formwork/train/safetensors.hpp>

#include <cstring>
#include <random>

#include "safetensors_check.hpp"
#include "support/catch.hpp"
#include "temporary_folder.hpp"

using namespace formwork::train;
using formwork::dtype;
using formwork_test::check_safetensors;
using formwork_test::read_text;
using formwork_test::temporary_folder;
using formwork_test::write_text;
using Catch::Contains;
using Catch::Matchers::EndsWith;

namespace {
// A file from a header and data; the length is the header's unless another one is claimed.
std::string framed(std::string_view json, std::string_view data = {}, std::uint64_t claimed = UINT64_MAX) {
  const std::uint64_t length = claimed == UINT64_MAX ? json.size() : claimed;
  std::string file(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) file[i] = static_cast<char>(length >> (8 * i) & 0xff);
  return file.append(json).append(data);
}
std::string verdict(std::string_view file) {
  const std::vector<char> exact(file.begin(), file.end());  // so that a sanitizer sees the first byte beyond
  return check_safetensors(std::as_bytes(std::span(exact)));
}
std::span<const std::byte> bytes_of(const auto& values) { return std::as_bytes(std::span(values)); }

const std::vector<float> weights{1.f, -2.5f, 3e-30f, 4.f, 5.f, 6.f};
const std::vector<std::uint8_t> small{7, 8, 9};
const std::vector<double> wide{1e300, -0.0};

std::vector<safetensors_source> sources() {
  return {{.name = "block.up.weight", .type = dtype::f32, .shape = {2, 3}, .data = bytes_of(weights)},
          {.name = "bytes \"\\ \x01 \xc3\xa4", .type = dtype::u8, .shape = {3}, .data = bytes_of(small)},
          {.name = "empty", .type = dtype::bf16, .shape = {4, 0}, .data = {}},
          {.name = "unaligned", .type = dtype::f64, .shape = {2}, .data = bytes_of(wide)},
          {.name = "scalar", .type = dtype::f32, .shape = {}, .data = bytes_of(weights).first(4)}};
}
}  // namespace

TEST_CASE("safetensors: round trip of tensors, names, metadata, unaligned data") {
  temporary_folder folder;
  const auto path = folder / "m.safetensors";
  write_safetensors(path, sources(), {{"step", "12"}, {"text \n \xf0\x9f\x98\x80", "\"quoted\\\"\x1f"}, {"bad", "\xff"}});
  const safetensors_file file(path);
  file.verify();
  REQUIRE(file.tensors().size() == 5);
  CHECK(file.metadata().at("step") == "12");
  CHECK(file.metadata().at("text \n \xf0\x9f\x98\x80") == "\"quoted\\\"\x1f");
  CHECK(file.metadata().at("bad") == "\xef\xbf\xbd");
  CHECK(read_text(path).find("{\"__metadata__\"") == 8);
  for (const auto& source : sources()) {
    INFO(source.name);
    std::vector<std::byte> copy(source.data.size());
    file.copy(source.name, source.type, source.shape, copy);
    CHECK(std::ranges::equal(copy, source.data));
  }
  const auto whole = read_text(path);
  CHECK(verdict(whole).empty());
  std::uint64_t length;
  std::memcpy(&length, whole.data(), 8);
  CHECK(length % 8 == 0);
  CHECK(file.find("unaligned")->begin % 8 != 0);

  std::vector<std::byte> to(24);
  const std::vector<std::uint64_t> right{2, 3}, wrong{3, 2};
  CHECK_THROWS_WITH(file.copy("none", dtype::f32, right, to), Contains("has no tensor 'none'; use a file of this model."));
  CHECK_THROWS_WITH(file.copy("block.up.weight", dtype::bf16, right, to), Contains("as F32, but the model has BF16"));
  CHECK_THROWS_WITH(file.copy("block.up.weight", dtype::f32, wrong, to), Contains("with the shape [2, 3], but the model has [3, 2]"));
}

TEST_CASE("safetensors: every changed byte of the data is found by the checksum") {
  temporary_folder folder;
  const auto path = folder / "m.safetensors";
  write_safetensors(path, sources());
  const auto whole = read_text(path);
  const auto data_bytes = 24u + 3 + 16 + 4;
  for (std::size_t i = whole.size() - data_bytes; i < whole.size(); ++i)
    for (int bit = 0; bit < 8; bit += 3) {
      auto damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ 1 << bit);
      write_text(path, damaged);
      REQUIRE_THROWS_WITH(safetensors_file(path).verify(), EndsWith("is damaged: its data do not fit its checksum; use another file."));
    }
  checksum parts;  // the sum does not depend on how the bytes arrive
  const auto bytes = as_bytes(whole);
  for (std::size_t i = 0, some = 0; i < bytes.size(); i += some, some = (some * 7 + 3) % 50)
    parts.add(bytes.subspan(i, std::min(some, bytes.size() - i)));
  CHECK(parts.value() == checksum_of(bytes));
  CHECK(checksum_of(bytes.first(64)) != checksum_of(bytes.first(63)));
}

TEST_CASE("safetensors: a writer refuses what cannot stand in a file, and keeps the old one") {
  temporary_folder folder;
  const auto path = folder / "m.safetensors";
  write_safetensors(path, sources());
  const auto old = read_text(path);
  auto twice = sources();
  twice[1].name = twice[0].name;
  CHECK_THROWS_WITH(write_safetensors(path, twice), Contains("'block.up.weight' appears twice"));
  auto misfit = sources();
  misfit[0].shape = {7};
  CHECK_THROWS_WITH(write_safetensors(path, misfit), Contains("do not fit its bytes"));
  auto reserved = sources();
  reserved[0].name = "__metadata__";
  CHECK_THROWS_AS(write_safetensors(path, reserved), std::invalid_argument);
  reserved[0].name = "\xff";
  CHECK_THROWS_WITH(write_safetensors(path, reserved), Contains("not UTF-8"));
  CHECK(read_text(path) == old);
  CHECK_THROWS_WITH(safetensors_file(folder / "none"), Contains("No such file or directory; check the path."));
  write_text(folder / "nothing", "");
  CHECK_THROWS_WITH(safetensors_file(folder / "nothing"), Contains("shorter than 8 bytes"));
}

TEST_CASE("safetensors: what the format allows is accepted") {
  const std::string_view good[] = {
      R"({})", R"({}     )", R"({"__metadata__":{}})", "{\t\"__metadata__\" :\r\n{ \"a\" : \"b\" } }",
      R"({"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})",
      R"({"a":{"dtype":"F64","shape":[18446744073709551615,18446744073709551615,0],"data_offsets":[0,0]}})",
      R"({"\u00e4\ud83d\ude00\n\/":{"data_offsets":[0,0],"shape":[3,0,2],"dtype":"BF16"}})"};
  for (const auto json : good) {
    INFO(json);
    CHECK(verdict(framed(json)) == "");
  }
  CHECK(verdict(framed(R"({"b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})", "123456")) == "");
  json_reader reader(R"("\u00e4\ud83d\ude00\n\/\u0041")");
  CHECK(reader.string() == "\xc3\xa4\xf0\x9f\x98\x80\n/A");
}

TEST_CASE("safetensors: each malformed header has its sentence") {
  const auto tensor = [](std::string_view fields) { return "{\"a\":{" + std::string(fields) + "}}"; };
  struct { std::string file, sentence; } const cases[] = {
      {"1234567", "shorter than 8 bytes"},
      {framed("{}", {}, 100'000'001), "more than 100000000"},
      {framed("{}", {}, UINT64_MAX - 1), "more than 100000000"},
      {framed("{}", {}, 3), "claims 3 bytes, but only 2 follow"},
      {framed(""), "does not begin with '{'"},
      {framed(" {}"), "does not begin with '{'"},
      {framed("{"), "expects a string at byte 1"},
      {framed("{}x"), "expects the end at byte 2"},
      {framed("{\"a\""), "expects ':' at byte 4"},
      {framed("{,}"), "expects a string"},
      {framed("{\"__metadata__\":{},}"), "expects a string at byte 19"},
      {framed("{\"a"), "expects the end of a string"},
      {framed("{\"a\\"), "expects the end of a string"},
      {framed("{\"\\x\":1}"), "an escape that JSON has"},
      {framed("{\"\\u12g4\":1}"), "four hexadecimal digits"},
      {framed("{\"\\u12"), "four hexadecimal digits"},
      {framed("{\"\\ud800\":1}"), "the second surrogate of a pair"},
      {framed("{\"\\ud800\\u0041\":1}"), "the second surrogate of a pair"},
      {framed("{\"\\udc00\":1}"), "no lone surrogate"},
      {framed("{\"\xff\":1}"), "text in UTF-8"},
      {framed("{\"\xc0\x80\":1}"), "text in UTF-8"},
      {framed("{\"\xed\xa0\x80\":1}"), "text in UTF-8"},
      {framed("{\"\n\":1}"), "text in UTF-8"},
      {framed(R"({"__metadata__":{"a":1}})"), "expects a string"},
      {framed(R"({"__metadata__":{"a":"1","a":"2"}})"), "metadata has the key 'a' twice"},
      {framed(R"({"__metadata__":{},"__metadata__":{}})"), "two entries '__metadata__'"},
      {framed(tensor("")), "lacks one of dtype, shape and data_offsets"},
      {framed(tensor(R"("dtype":"F32","shape":[1])")), "lacks one of"},
      {framed(tensor(R"("dtype":"F32","dtype":"F32")")), "has two fields 'dtype'"},
      {framed(tensor(R"("dtype":"F32","colour":[])")), "has a field 'colour'"},
      {framed(tensor(R"("dtype":"F31","shape":[0],"data_offsets":[0,0])")), "unknown type 'F31'"},
      {framed(tensor(R"("dtype":"F32","shape":[-1],"data_offsets":[0,0])")), "expects an integer"},
      {framed(tensor(R"("dtype":"F32","shape":[1.0],"data_offsets":[0,4])"), "1234"), "expects an integer"},
      {framed(tensor(R"("dtype":"F32","shape":[01],"data_offsets":[0,4])"), "1234"), "without leading zeros"},
      {framed(tensor(R"("dtype":"F32","shape":[[[[1]]]],"data_offsets":[0,4])"), "1234"), "expects an integer"},
      {framed(tensor(R"("dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,0])")), "below 2^64"},
      {framed(tensor(R"("dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0])")), "more than 2^64 bytes"},
      {framed(tensor(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0])")), "more than 2^64 bytes"},
      {framed(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0])"), "1234"), "expects ','"},
      {framed(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,4,8])"), "1234"), "expects ']'"},
      {framed(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])"), "123"), "outside the file's data of 3 bytes"},
      {framed(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])"), "1234"), "outside the file's data"},
      {framed(tensor(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])"), "1234"), "holds 4 bytes, but its type and shape need 8"},
      {framed(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[1,5])"), "12345"), "begins at byte 1 of the data, but the one before ends at 0"},
      {framed(tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])"), "12345"), "end at byte 4 of the data, which has 5"},
      {framed(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})", "1234"),
       "'b' begins at byte 2 of the data, but the one before ends at 3"},
      {framed(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", "12"),
       "two tensors have the name 'a'"},
  };
  for (const auto& [file, sentence] : cases) {
    INFO(file);
    CHECK_THAT(verdict(file), Contains(sentence));
  }
  // A deep nest costs no stack.
  CHECK_THAT(verdict(framed("{\"a\":" + std::string(1'000'000, '['))), Contains("expects '{'"));
}

TEST_CASE("safetensors: mutated files are refused or harmless") {
  temporary_folder folder;
  write_safetensors(folder / "m", sources(), {{"step", "12"}});
  const std::string whole = read_text(folder / "m");
  const std::uint64_t header = whole.size() - 47 - 8;
  const std::string_view numbers[] = {"0", "1", "18446744073709551615", "9223372036854775808", "4294967296", "-1", "1e9", "24", "27"};
  std::mt19937 random(1);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  int accepted = 0, refused = 0;
  for (int round = 0; round < 6000; ++round) {
    std::string file = whole;
    for (std::size_t edits = 1 + below(3); edits-- > 0;) switch (below(6)) {
      case 0: { char& c = file[below(file.size())]; c = static_cast<char>(c ^ 1 << below(8)); break; }
      case 1: file.resize(1 + below(file.size())); break;
      case 2: file.resize(std::max<std::size_t>(8, file.size())); for (std::size_t i = 0, n = header - 4 + below(9); i < 8; ++i) file[i] = static_cast<char>(n >> (8 * i)); break;
      case 3: file.insert(below(file.size()), 1, "{}[]\",:\\0u"[below(10)]); break;
      case 4: file.erase(below(file.size()), 1 + below(4)); break;
      case 5: {  // one number becomes another, and the length follows
        std::size_t at = file.size() > 8 ? file.find_first_of("0123456789", 8 + below(file.size() - 8)) : std::string::npos;
        if (at == std::string::npos || at >= 8 + header) break;
        std::size_t end = file.find_first_not_of("0123456789", at);
        if (end == std::string::npos) break;
        const auto with = numbers[below(std::size(numbers))];
        const std::uint64_t length = header + with.size() - (end - at);
        file.replace(at, end - at, with);
        for (std::size_t i = 0; i < 8; ++i) file[i] = static_cast<char>(length >> (8 * i));
        break;
      }
    }
    if (file.empty()) file = "x";
    (verdict(file).empty() ? accepted : refused) += 1;
  }
  CHECK(accepted > 100);  // flips inside the data and in names change nothing of the structure
  CHECK(refused > 4000);
  for (std::size_t size = 0; size < whole.size(); ++size) REQUIRE(!verdict(std::string_view(whole).substr(0, size)).empty());
}

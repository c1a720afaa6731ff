// csv_log: the record of a training run, one line per logged step, that outlives crashes and continues on resume.
#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "atomic_file.hpp"
#include "file.hpp"

namespace formwork::train {

// NaN stands for a number that was not measured; its field is empty.
struct log_row {
  static constexpr double none = std::numeric_limits<double>::quiet_NaN();

  std::uint64_t step = 0;           // optimizer steps done
  std::uint64_t tokens = 0;         // seen since the beginning of training
  double loss = none;               // nats per token, of the training batch
  double validation_loss = none;    // nats per token
  double learning_rate = none;
  double gradient_norm = none;      // before clipping
  double tokens_per_second = none;
  double seconds = none;            // of training, earlier runs of the same log included
};

namespace detail {
inline constexpr std::string_view csv_head = "step,tokens,loss,validation_loss,learning_rate,gradient_norm,tokens_per_second,seconds";
inline constexpr std::array csv_fields{&log_row::loss, &log_row::validation_loss, &log_row::learning_rate,
                                       &log_row::gradient_norm, &log_row::tokens_per_second, &log_row::seconds};

// The shortest text that reads back as the same number, whatever the locale.
void append_number(std::string& line, auto value) {
  char text[32];
  line.append(text, std::to_chars(text, text + sizeof text, value).ptr);
}
inline std::string csv_line(const log_row& row) {
  std::string line;
  append_number(line, row.step);
  append_number(line += ',', row.tokens);
  for (const auto field : csv_fields) {
    line += ',';
    if (!std::isnan(row.*field)) append_number(line, row.*field);
  }
  return line += '\n';
}
bool take_number(std::string_view& text, auto& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return error == std::errc();
}
// A line without its end, or nothing when it is no whole row.
inline std::optional<log_row> csv_row(std::string_view line) {
  const auto comma = [&] {
    if (!line.starts_with(',')) return false;
    line.remove_prefix(1);
    return true;
  };
  log_row row;
  if (!take_number(line, row.step) || !comma() || !take_number(line, row.tokens)) return std::nullopt;
  for (const auto field : csv_fields)
    if (!comma() || (!line.empty() && !line.starts_with(',') && !take_number(line, row.*field))) return std::nullopt;
  return line.empty() ? std::optional(row) : std::nullopt;
}
}  // namespace detail

// The whole rows of a log, in its order. A torn last line, as a crash may leave it, is left out; a file with another
// first line, or with anything else between its rows, is not a log and throws file_error.
inline std::vector<log_row> read_csv_log(const std::filesystem::path& path) {
  const mapped_file file(path);
  std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  std::vector<log_row> rows;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos && (number > 1 || detail::csv_head.starts_with(text))) break;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (number == 1) {
      if (line != detail::csv_head)
        throw file_error(quoted(path) + " is not the log of a training run; move it away or name another file.");
      continue;
    }
    const auto row = detail::csv_row(line);
    if (!row) throw file_error(quoted(path) + " is damaged at line " + std::to_string(number) + "; repair it or move it away.");
    rows.push_back(*row);
  }
  return rows;
}

class csv_log {
 public:
  // Begins a new record; a file of that name is replaced, unless a run is writing it.
  static csv_log create(const std::filesystem::path& path) { return csv_log(path, locked(path), {}); }
  // Goes on with the record of an earlier run, less the rows behind `step`, which will be written anew; a missing
  // file is begun. Throws file_error, and leaves the file alone, when it is no log, or another run's that goes on.
  static csv_log resume(const std::filesystem::path& path, std::uint64_t step) {
    descriptor before = locked(path);
    std::vector<log_row> rows;
    if (std::filesystem::exists(path)) rows = read_csv_log(path);
    std::erase_if(rows, [&](const log_row& row) { return row.step > step; });
    return csv_log(path, std::move(before), std::move(rows));
  }

  // Writes the row at once, so that a crash of this process loses at most the row it is writing. When the disk is
  // full, file_error is thrown and the file ends with the row before.
  void append(const log_row& row) {
    const std::string line = detail::csv_line(row);
    if (const int error = write_fully(file_.get(), as_bytes(line))) {
      // Where the torn line cannot be cut off, the next reader leaves it out.
      [[maybe_unused]] const int cut = ::ftruncate(file_.get(), size_);
      fail(path_, "cannot be extended (the rows so far are kept)", error);
    }
    size_ += static_cast<off_t>(line.size());
    rows_.push_back(row);
  }
  // Makes the rows outlive a power failure as well; called beside a checkpoint.
  void sync() {
    if (::fdatasync(file_.get()) != 0 && errno != EINVAL) fail(path_, "cannot be written", errno);
  }

  // Every row of the record, those of earlier runs included.
  const std::vector<log_row>& rows() const { return rows_; }

 private:
  // The file as it stands, for this run alone; nothing where there is none.
  static descriptor locked(const std::filesystem::path& path) {
    descriptor file = open_descriptor(path, O_WRONLY | O_APPEND | O_NONBLOCK);
    if (file && !lock_alone(file))
      throw file_error(quoted(path) + " is being written by another run; stop that one or name another folder.");
    return file;
  }
  // `before`, the lock of the file that is replaced, is held until the new one has its own.
  csv_log(const std::filesystem::path& path, descriptor before, std::vector<log_row> rows) : path_(path), rows_(std::move(rows)) {
    std::string text(detail::csv_head);
    text += '\n';
    for (const auto& row : rows_) text += detail::csv_line(row);
    write_atomically(path, text);
    file_ = locked(path);
    if (!file_) fail(path, "cannot be written", errno);
    before.close();
    size_ = static_cast<off_t>(text.size());
  }

  std::filesystem::path path_;
  std::vector<log_row> rows_;
  descriptor file_;
  off_t size_ = 0;  // bytes of whole rows
};

}  // namespace formwork::train

// loader: shuffled batches of windows for training, prepared by a thread ahead of their use.
#pragma once

#include <algorithm>
#include <concepts>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "permutation.hpp"

namespace formwork::train {

// All the state of a loader: which epoch, and how many of its windows were handed out. It belongs into the
// checkpoint; a loader of the same data and options that starts here goes on with the same batches.
struct data_position {
  std::uint64_t epoch = 0, index = 0;
  bool operator==(const data_position&) const = default;
};

struct loader_options {
  std::uint64_t context = 0;  // tokens of a window
  std::uint64_t batch = 0;    // windows of a batch
  std::uint64_t seed = 0;
  data_position start = {};
  std::uint64_t ahead = 2;    // batches prepared in advance
};

// Views of one batch, row-major (batch, context); a target is the token that follows its input in the text.
struct token_batch {
  std::span<const std::int32_t> inputs, targets;
};

namespace detail {
// The window that begins at `first`: context inputs, and the same shifted by one as targets.
template <std::integral Token>
void fill_window(std::span<const Token> tokens, std::uint64_t first, std::span<std::int32_t> inputs, std::span<std::int32_t> targets) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    inputs[i] = static_cast<std::int32_t>(tokens[first + i]);
    targets[i] = static_cast<std::int32_t>(tokens[first + i + 1]);
  }
}
inline void check_window(std::uint64_t tokens, std::uint64_t context, std::uint64_t batch) {
  if (context == 0 || batch == 0) throw std::invalid_argument("A batch needs a context and a batch size of at least 1; choose them above 0.");
  if (tokens < context + 1)
    throw std::invalid_argument("The text has " + std::to_string(tokens) + " tokens, but a context of " + std::to_string(context) + " needs " +
                                std::to_string(context + 1) + "; name more text or choose a smaller context.");
}
}  // namespace detail

// An epoch cuts the tokens, from a random offset below `context` on, into windows side by side, and visits each of
// them exactly once in the order of a permutation; offset and permutation follow from (seed, epoch). A batch
// may take its last rows from the next epoch, so no window is left out. The tokens must outlive the loader.
// After construction neither thread allocates memory.
template <std::integral Token = std::uint8_t>
class loader {
 public:
  loader(std::span<const Token> tokens, const loader_options& options) : tokens_(tokens), options_(options) {
    detail::check_window(tokens.size(), options.context, options.batch);
    if (options.ahead == 0) throw std::invalid_argument("A loader prepares at least 1 batch in advance; choose ahead >= 1.");
    enter(options.start.epoch);
    if (options.start.index > order_.size())
      throw std::invalid_argument("The position " + std::to_string(options.start.index) + " lies beyond the " + std::to_string(order_.size()) +
                                  " windows of its epoch; resume with the text, context and seed that the run began with.");
    filling_ = handed_out_ = options.start;
    slots_.resize(options.ahead + 1);  // and the one that is in use
    for (auto& slot : slots_) {
      slot.inputs.resize(options.batch * options.context);
      slot.targets.resize(options.batch * options.context);
    }
    worker_ = std::jthread([this] { work(); });
  }
  loader(const loader&) = delete;
  loader& operator=(const loader&) = delete;
  ~loader() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
  }

  // The next batch; it stays valid until the next call.
  token_batch next() {
    std::unique_lock lock(mutex_);
    if (in_use_) {  // the batch of the call before is free now
      --ready_;
      in_use_ = false;
      changed_.notify_all();
    }
    changed_.wait(lock, [&] { return ready_ > 0; });
    in_use_ = true;
    const slot& filled = slots_[taken_++ % slots_.size()];
    handed_out_ = filled.after;
    return {filled.inputs, filled.targets};
  }

  // Behind the last batch that next() gave: what a checkpoint keeps.
  data_position position() const { return handed_out_; }
  // Windows of one epoch; epochs differ by at most one.
  std::uint64_t windows(std::uint64_t epoch) const { return (tokens_.size() - 1 - offset(epoch)) / options_.context; }

 private:
  struct slot {
    std::vector<std::int32_t> inputs, targets;
    data_position after;
  };

  // Below `context`, and such that one window is left.
  std::uint64_t offset(std::uint64_t epoch) const {
    const std::uint64_t choices = std::min(options_.context, tokens_.size() - options_.context);
    return mix64(mix64(options_.seed ^ 0x6f66667365740000u) + epoch) % choices;
  }
  void enter(std::uint64_t epoch) {
    offset_ = offset(epoch);
    order_ = permutation(windows(epoch), options_.seed, epoch);
  }
  void fill(slot& to) {
    for (std::uint64_t row = 0; row < options_.batch; ++row) {
      if (filling_.index >= order_.size()) {
        filling_ = {filling_.epoch + 1, 0};
        enter(filling_.epoch);
      }
      const std::uint64_t first = offset_ + order_(filling_.index++) * options_.context;
      const std::size_t at = row * options_.context;
      detail::fill_window(tokens_, first, std::span(to.inputs).subspan(at, options_.context),
                          std::span(to.targets).subspan(at, options_.context));
    }
    to.after = filling_;
  }
  void work() {
    for (std::uint64_t made = 0;; ++made) {
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stop_ || ready_ < slots_.size(); });
        if (stop_) return;
      }
      fill(slots_[made % slots_.size()]);
      {
        const std::lock_guard lock(mutex_);
        ++ready_;
      }
      changed_.notify_all();
    }
  }

  std::span<const Token> tokens_;
  loader_options options_;
  permutation order_;                 // of the epoch that is being filled; the worker's after construction
  std::uint64_t offset_ = 0;
  data_position filling_, handed_out_;
  std::vector<slot> slots_;           // a ring: filled and taken in turn
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t ready_ = 0;           // slots that are filled, the one in use included
  std::uint64_t taken_ = 0;
  bool in_use_ = false, stop_ = false;
  std::jthread worker_;               // last: joined before anything it uses goes
};
template <class Token> loader(std::span<const Token>, loader_options) -> loader<Token>;

struct evaluation_options {
  std::uint64_t context = 0, batch = 0;
  std::uint64_t at_most = 0;  // windows; 0: all of them. Fewer are spread evenly over the text.
};

// The windows of a validation text, side by side from its beginning, always the same ones in the same order.
// The last batch is filled up with the first windows again: `rows` says how many of its rows count. The last
// tokens, fewer than a context, are left out. The tokens must outlive it.
template <std::integral Token = std::uint8_t>
class evaluation_set {
 public:
  struct batch_view {
    std::span<const std::int32_t> inputs, targets;  // row-major (batch, context)
    std::uint64_t rows;                             // that count, from the first
  };

  evaluation_set(std::span<const Token> tokens, const evaluation_options& options) : tokens_(tokens), options_(options) {
    detail::check_window(tokens.size(), options.context, options.batch);
    all_ = (tokens.size() - 1) / options.context;
    windows_ = options.at_most == 0 ? all_ : std::min(all_, options.at_most);
    inputs_.resize(options.batch * options.context);
    targets_.resize(options.batch * options.context);
  }

  std::uint64_t windows() const { return windows_; }
  std::uint64_t batches() const { return (windows_ + options_.batch - 1) / options_.batch; }
  std::uint64_t full_batches() const { return windows_ / options_.batch; }

  // Batch number `index` < batches(); it stays valid until the next call.
  batch_view operator[](std::uint64_t index) {
    for (std::uint64_t row = 0; row < options_.batch; ++row) {
      const std::uint64_t window = (index * options_.batch + row) % windows_;
      // window x all / windows, without a product above 64 bits
      const std::uint64_t spread = window * (all_ / windows_) + window * (all_ % windows_) / windows_;
      const std::size_t at = row * options_.context;
      detail::fill_window(tokens_, spread * options_.context, std::span(inputs_).subspan(at, options_.context),
                          std::span(targets_).subspan(at, options_.context));
    }
    return {inputs_, targets_, std::min(options_.batch, windows_ - index * options_.batch)};
  }

 private:
  std::span<const Token> tokens_;
  evaluation_options options_;
  std::uint64_t all_ = 0, windows_ = 0;
  std::vector<std::int32_t> inputs_, targets_;
};
template <class Token> evaluation_set(std::span<const Token>, evaluation_options) -> evaluation_set<Token>;

}  // namespace formwork::train

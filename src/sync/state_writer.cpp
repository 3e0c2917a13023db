// SPDX-License-Identifier: Apache-2.0
#include "state_writer.hpp"

#include <algorithm>

namespace tap::sync {

namespace {

// STATEs may be a tenth of the RECORDs, or this. A quarter of that is for STATEs that are not due; the rest
// is for those that are, and for the last one.
constexpr std::uint64_t kAlwaysAllowed = 1'000'000;
constexpr std::uint64_t kRecordsPerState = 10;
constexpr std::uint64_t kShareOfCheap = 4;

}  // namespace

StateWriter::StateWriter(const config::Config& config, singer::State& state, singer::Writer& writer,
                         Clock::time_point now)
    : every_records_(config.state_every_rows),
      every_time_(config.state_every_time),
      state_(state),
      writer_(writer),
      last_state_(now) {}

bool StateWriter::is_cheap() {
  if (!state_size_) {
    state_size_ = to_text(state_.document()).size();
  }
  const std::uint64_t allowed = std::max(kAlwaysAllowed, writer_.record_bytes() / kRecordsPerState);
  return (state_bytes_ + *state_size_) * kShareOfCheap <= allowed;
}

void StateWriter::write(Clock::time_point now) {
  state_size_ = writer_.state(state_.document());
  state_bytes_ += *state_size_;
  last_state_ = now;
  records_ = 0;
  is_postponed_ = false;
}

void StateWriter::write_if_worthwhile(Clock::time_point now) {
  if (is_due() || is_time(now) || is_cheap()) {
    write(now);
  } else {
    is_postponed_ = true;
  }
}

void StateWriter::write_postponed(Clock::time_point now) {
  if (is_postponed_) {
    write(now);
  }
}

}  // namespace tap::sync

// SPDX-License-Identifier: Apache-2.0
#include "commit_visibility.hpp"

#include <chrono>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/base/log.hpp>
#include <tap/base/signals.hpp>

namespace tap::sync {

namespace {

constexpr std::chrono::milliseconds kPollInterval{2};
constexpr std::chrono::seconds kWarnAfter{10};

}  // namespace

void CommitVisibility::note_row_to_read() {
  if (!current_.empty() && (noted_.empty() || noted_.back() != current_)) {
    noted_.push_back(current_);
  }
}

void CommitVisibility::await_current(TableLookup& lookup) {
  if (!current_.empty()) {
    await(lookup, {current_});
    current_.clear();
  }
}

void CommitVisibility::await_noted(TableLookup& lookup) {
  if (!noted_.empty()) {
    await(lookup, noted_);
    noted_.clear();
  }
}

void CommitVisibility::await(TableLookup& lookup, const std::vector<std::string>& xids) const {
  const auto began = std::chrono::steady_clock::now();
  bool has_warned = false;
  while (!lookup.are_visible(xids)) {
    if (!has_warned && std::chrono::steady_clock::now() - began > kWarnAfter) {
      has_warned = true;
      log::warn(
          "waiting for transactions {} to become visible: WAL has their commits, but queries do not see them "
          "yet; check whether the server waits for a standby (synchronous_standby_names)",
          fmt::join(xids, ", "));
    }
    if (action_) {
      action_();
    }
    signals::sleep_for(kPollInterval);
  }
}

}  // namespace tap::sync

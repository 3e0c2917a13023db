// SPDX-License-Identifier: Apache-2.0
#include "retrying_connection.hpp"

#include <algorithm>
#include <chrono>

#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>
#include <tap/base/signals.hpp>

namespace tap::sync {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstWait{500};
constexpr milliseconds kLongestWait{30'000};

milliseconds wait_before(unsigned retry) {
  constexpr unsigned most_doublings = 10;
  return std::min(kFirstWait * (1U << std::min(retry, most_doublings)), kLongestWait);
}

}  // namespace

pg::Connection& RetryingConnection::connect(const std::string& name) {
  if (!connection_ || name_ != name) {
    connection_.reset();
    connection_.emplace(server_, name);
    if (!has_connected_) {
      log::info("connected to {}: {}", connection_->description(), connection_->protection());
    }
    name_ = name;
    has_connected_ = true;
  }
  return *connection_;
}

void RetryingConnection::drop_if_large() {
  if (connection_ && connection_->retained_memory() > pg::Connection::kMostRetained) {
    drop();
  }
}

void RetryingConnection::wait_or_give_up(const Error& fault, const std::string& stream, bool has_advanced) {
  drop();
  if (has_advanced) {
    retries_ = 0;
  }
  if (!has_connected_ || retries_ >= config_.max_retries) {
    if (has_connected_ && retries_ > 0) {
      log::warn("{}: giving up: {} not advanced the bookmark (max_retries)", stream,
                retries_ == 1 ? "1 retry has" : fmt::format("{} retries have", retries_));
    }
    throw;
  }
  const milliseconds wait = wait_before(retries_);
  ++retries_;
  log::warn("{}: {}; trying again in {:.1f} s ({} of {})", stream, fault.what(),
            std::chrono::duration<double>(wait).count(), retries_, config_.max_retries);
  signals::sleep_for(wait);
}

}  // namespace tap::sync

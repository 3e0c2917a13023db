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

constexpr milliseconds kFirstDelay{500};
constexpr milliseconds kMaxDelay{30'000};

milliseconds retry_delay(unsigned retry) {
  constexpr unsigned max_doublings = 10;
  return std::min(kFirstDelay * (1U << std::min(retry, max_doublings)), kMaxDelay);
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
    server_version_ = connection_->version().text();
    has_connected_ = true;
  }
  return *connection_;
}

void RetryingConnection::drop_if_large() {
  if (connection_ && connection_->retained_memory() > pg::Connection::kMostRetained) {
    drop();
  }
}

void RetryingConnection::wait_or_give_up(const Error& error, const std::string& stream, bool has_advanced) {
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
  const milliseconds wait = retry_delay(retries_);
  ++retries_;
  log::warn("{}: {}; trying again in {:.1f} s ({} of {})", stream, error.what(),
            std::chrono::duration<double>(wait).count(), retries_, config_.max_retries);
  signals::sleep_for(wait);
}

}  // namespace tap::sync

// SPDX-License-Identifier: Apache-2.0
#include "txid_snapshot.hpp"

#include <algorithm>
#include <charconv>

#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>

namespace tap::sync {

namespace {

// Transaction IDs wrap around: half of them are older than a given one, the other half are newer.
constexpr std::uint32_t kHalfOfIds = std::uint32_t{1} << 31U;

/// Reads the number at the start of the text, and removes it and the character after it.
std::uint64_t take_number(std::string_view& text) {
  std::uint64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc()) {
    throw Error(ExitCode::run_failed,
                fmt::format("the server sent a malformed transaction snapshot, at \"{}\"", text));
  }
  text.remove_prefix(std::min(text.size(), static_cast<std::size_t>(end - text.data()) + 1));
  return number;
}

}  // namespace

TxidSnapshot::TxidSnapshot(std::string_view snapshot) {
  take_number(snapshot);
  next_ = take_number(snapshot);
  while (!snapshot.empty()) {
    in_progress_.push_back(take_number(snapshot));
  }
}

bool TxidSnapshot::contains(std::string_view xid) const {
  std::uint32_t number = 0;
  const auto [end, problem] = std::from_chars(xid.data(), xid.data() + xid.size(), number);
  if (problem != std::errc() || end != xid.data() + xid.size()) {
    return false;
  }
  const std::uint32_t before_next = static_cast<std::uint32_t>(next_) - number;  // wraps around
  return before_next > 0 && before_next <= kHalfOfIds &&
         std::ranges::find(in_progress_, next_ - before_next) == in_progress_.end();
}

}  // namespace tap::sync

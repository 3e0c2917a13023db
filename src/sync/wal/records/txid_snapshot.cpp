// SPDX-License-Identifier: Apache-2.0
#include "txid_snapshot.hpp"

#include <algorithm>
#include <charconv>

#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>

namespace tap::sync {

namespace {

constexpr std::uint32_t kHalf = std::uint32_t{1} << 31U;  // of all numbers: these are older, the others newer

/// The number that the text begins with, which is taken off it with the character behind.
std::uint64_t take_number(std::string_view& text) {
  std::uint64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc()) {
    throw Error(ExitCode::run_failed, fmt::format("the server's snapshot cannot be read at \"{}\"", text));
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

bool TxidSnapshot::have(std::string_view xid) const {
  std::uint32_t number = 0;
  const auto [end, problem] = std::from_chars(xid.data(), xid.data() + xid.size(), number);
  if (problem != std::errc() || end != xid.data() + xid.size()) {
    return false;
  }
  const std::uint32_t before_next = static_cast<std::uint32_t>(next_) - number;  // numbers go round
  return before_next > 0 && before_next <= kHalf &&
         std::ranges::find(in_progress_, next_ - before_next) == in_progress_.end();
}

}  // namespace tap::sync

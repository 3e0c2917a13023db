// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tap::sync {

/// How far reading WAL is, for the progress line.
struct WalProgress {
  std::uint64_t read_bytes = 0;    ///< by this run
  std::uint64_t left_bytes = 0;    ///< to the end of WAL
  std::uint64_t behind_bytes = 0;  ///< from the bookmarks to the end of WAL
  /// The age of the transaction that the bookmarks are in front of or at the end of; nothing if they are
  /// beyond the last one, or if its age is not known.
  std::optional<std::chrono::seconds> behind_time{};
  std::chrono::duration<double> elapsed{};  ///< since this run began to read
};

/// `2.0 MB of WAL read, 6.0 MB left, about 30 s; bookmark 6.1 MB and 45 s behind`; empty at the end of WAL.
std::string to_text(const WalProgress& progress);

/// The age of a transaction. `commit_time` is in the text format of timestamptz in UTC, `server_clock` in
/// microseconds since 2000-01-01 UTC. Nothing if the text has another form.
std::optional<std::chrono::seconds> age_of(std::string_view commit_time, std::int64_t server_clock);

}  // namespace tap::sync

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <tap/base/json.hpp>
#include <tap/pgtypes/lsn.hpp>
#include <tap/singer/state.hpp>
#include <tap/sync/plan.hpp>

namespace tap::sync {

/// What a run did with one stream.
struct StreamReport {
  /// Takes over what the copy of the stream, in another thread, has noted.
  void note_copy(const StreamReport& copied);

  enum class Status {
    incomplete,  ///< the run ended before the stream was done, perhaps before it began
    succeeded,
    failed
  };

  std::string id;    ///< tap_stream_id
  std::string name;  ///< in messages
  singer::ReplicationMethod method = singer::ReplicationMethod::full_table;
  Status status = Status::incomplete;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;  ///< of the RECORD lines
  std::chrono::duration<double> took{};
  std::string error;   ///< of a failed stream
  Json bookmark = {};  ///< null if it is not known what was written last
};

/// How far a run read the WAL of one database.
struct WalReport {
  std::string database;
  std::string slot;
  Lsn lsn;                       ///< the position of the bookmarks
  std::uint64_t read_bytes = 0;  ///< by this run
  std::uint64_t left_bytes = 0;  ///< from `lsn` to the end of WAL that the server last reported
};

/// What a run did, also if it failed. Filled while the run goes; nothing is counted per row.
struct RunReport {
  /// The streams of the run, none of which has begun.
  void begin(const std::vector<StreamPlan>& plans, const singer::State& state);
  /// The report of a stream of begin().
  StreamReport& stream(const std::string& id) { return streams[positions.at(id)]; }
  void fail(const std::string& id, std::string_view error);
  /// Stores the bookmarks of all streams.
  void note_bookmarks(const singer::State& state);
  /// The target has not received all of the output.
  void forget_bookmarks();

  [[nodiscard]] std::size_t count(StreamReport::Status status) const;
  [[nodiscard]] std::uint64_t rows() const;
  [[nodiscard]] std::uint64_t bytes() const;

  std::vector<StreamReport> streams;
  std::vector<WalReport> wal;
  std::string server_version;                              ///< empty before a connection was made
  std::unordered_map<std::string, std::size_t> positions;  ///< in `streams`, by id
};

}  // namespace tap::sync

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tap/pg/connection.hpp>
#include <tap/singer/writer.hpp>

#include "range_queue.hpp"
#include "row_projection.hpp"
#include "table_scan.hpp"

namespace tap::sync {

/// What several connections read at the same time.
struct ParallelCopy {
  RangeQueue queue;
  std::vector<TableQuery> queries;  ///< of each partition in the queue
  const RowProjection& projection;
  const singer::RecordFrame& frame;
  std::string stream;  ///< for messages
};

/// Reads all ranges, in one thread per connection, which encodes the rows. The calling thread writes: `write`
/// gets whole RECORD lines, and `reached` each position once everything before it was written, in order. The
/// connections must be in transactions with the same snapshot. If the system starts fewer threads, the other
/// connections stay idle.
///
/// Throws what pg::CopyReader, RowProjection, `write` and `reached` throw, and Interrupted, after all threads
/// have ended. That takes a second at most. The connections are then unusable.
void read_in_parallel(ParallelCopy copy, const std::vector<pg::Connection*>& connections,
                      const std::function<void(std::string_view lines, std::uint64_t rows)>& write,
                      const std::function<void(const RangeQueue::Position&)>& reached);

/// Opens up to `count` connections to the server of `connection`, which must be in a transaction: they use
/// its snapshot, and hold the locks that `queries` need. If the server refuses one, logs why, with `stream`,
/// and returns fewer. Throws Interrupted.
std::vector<std::unique_ptr<pg::Connection>> open_readers(pg::Connection& connection,
                                                          const std::string& database,
                                                          const std::vector<TableQuery>& queries,
                                                          std::size_t count, const std::string& stream);

}  // namespace tap::sync

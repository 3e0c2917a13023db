// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include <tap/pg/connection.hpp>
#include <tap/pg/replication_stream.hpp>

namespace tap::sync {

/// The error with which the server ended a replication stream that it had started.
class ReplicationError : public pg::ServerError {
 public:
  explicit ReplicationError(const pg::ServerError& error) : pg::ServerError(error) {}

  /// True if the server cannot decode a change: the output plugin or the output function of a type failed.
  /// False for other errors, for example if WAL was removed.
  [[nodiscard]] bool is_about_change() const;
  /// True if a type has no send function, so that its values have no binary format.
  [[nodiscard]] bool is_about_binary() const;
  /// True if a publication did not exist at the position in WAL that is read.
  [[nodiscard]] bool is_about_publication() const;
};

/// ReplicationStream::next(), but throws ReplicationError instead of ServerError.
pg::ReplicationStream::Event next_event(pg::ReplicationStream& replication,
                                        std::chrono::milliseconds timeout);

}  // namespace tap::sync

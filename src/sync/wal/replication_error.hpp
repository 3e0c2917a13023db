// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include <tap/pg/connection.hpp>
#include <tap/pg/replication_stream.hpp>
#include <tap/pgtypes/lsn.hpp>

#include "output_plugin.hpp"

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

/// What moves the slot past a transaction that the server cannot decode, and restarts the streams that then
/// lack changes.
std::string skip_advice(const WalSource& source, pg::ServerVersion version);

/// Throws the Error for a publication that the server does not have at the changes after `received`.
[[noreturn]] void refuse_publication(pg::Connection& connection, const WalSource& source, Lsn received,
                                     const ReplicationError& error);

}  // namespace tap::sync

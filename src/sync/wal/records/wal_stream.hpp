// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <tap/pg/catalog/replica_identity.hpp>
#include <tap/singer/writer.hpp>
#include <tap/sync/plan.hpp>

#include "change_schema.hpp"

namespace tap::sync {

/// A stream whose changes are read from the log.
struct WalStream {
  /// Looks the table up. Throws StreamError if it is not there.
  WalStream(const StreamPlan& stream, pg::Connection& connection, const config::Config& config,
            const Json& bookmark, const std::string& time_extracted);

  /// Looks the table up again: the log has a column that it had not. True if its SCHEMA is another now.
  bool look_again(pg::Connection& connection, const config::Config& config);
  /// All rows of before are gone. The stream must have a version.
  void start_new_version(const std::string& time_extracted);
  void set_sequence(std::int64_t sequence);
  /// The name of the table itself; its changes may come under those of its partitions.
  [[nodiscard]] pg::TableName own_name() const;
  /// Changes of other tables are this stream's, too.
  [[nodiscard]] bool has_partitions() const;
  /// Says so if the table is not the one that was followed before.
  void warn_if_another(Oid before) const;
  /// Says which columns are not synced since the catalog does not know them, once each.
  void warn_of_new_columns();
  /// Says which changes the log will not have, and what mends that.
  void warn_of_gaps() const;

  const StreamPlan& plan;
  Lsn bookmark;  ///< transactions up to here have been sent
  std::optional<std::int64_t> version;
  pg::Relation relation;
  Json partitions;  ///< when it was looked up first, see log_partitions.hpp
  ChangeSchema shape;
  Json schema;  ///< as it was sent
  singer::RecordFrame frame;
  std::string closing;                      ///< the frame's end without a sequence
  std::vector<pg::ReplicaIdentity> tables;  ///< itself, then what inherits from it
  std::vector<std::string> key;             ///< columns that name a row, for reading it again; may be empty
  std::set<std::string, std::less<>>
      unknown;  ///< columns of the log that the table did not have when looked at
  std::set<std::string, std::less<>> missing;   ///< columns of the table that were not in the log then
  std::set<std::string, std::less<>> left_out;  ///< new columns that the user has been told of
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;      ///< of their lines
  bool keys_may_cross = false;  ///< a key that is gone may be another row's by the end of the transaction
  bool failed = false;
  bool warned_of_unchanged = false;  ///< TOAST columns that are left out
  bool warned_of_virtual = false;    ///< generated columns that are left out
};

}  // namespace tap::sync

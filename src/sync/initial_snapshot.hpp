// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <tap/base/json.hpp>
#include <tap/pg/catalog/tables.hpp>
#include <tap/pg/connection.hpp>
#include <tap/pg/timeline.hpp>
#include <tap/pgtypes/lsn.hpp>

namespace tap::sync {

/// Where WAL is followed from after a copy.
struct FollowFrom {
  Lsn lsn;
  std::optional<pg::Timeline> timeline{};  ///< of `lsn`, if the server has named it for replication
};

/// The snapshot for the initial copy of a log-based stream, and its position in WAL.
struct InitialSnapshot {
  FollowFrom from;  ///< changes that end after it are read from WAL; some may be in the copy as well
  /// Of the exported snapshot, which the copy imports at once. Empty if none could be exported: any snapshot
  /// taken later will do, and the changes in between are sent twice.
  std::string name;
  /// The snapshot exists as long as this does, even if another copy replaces it.
  std::shared_ptr<const void> kept_by{};
};

/// Opens the snapshot of a new copy. Copies share one, but not the one named `unusable`: the session that
/// keeps it was lost, or the table was changed after it was taken. The connection is not in a transaction.
using OpenInitialSnapshot = std::function<InitialSnapshot(pg::Connection&, const std::string& unusable)>;

/// What reading WAL requires of the initial copy of a table. Both functions are empty for a stream that is
/// not log-based.
struct InitialSnapshotHooks {
  OpenInitialSnapshot open;
  /// Brings the bookmark of a finished copy to where WAL is followed from, and adds the table's partitions.
  /// `snapshot_xmax` is the first transaction ID that the copy's snapshot has not seen.
  std::function<void(Json& bookmark, const pg::Relation&, const FollowFrom&, std::uint64_t snapshot_xmax)>
      finish;
};

}  // namespace tap::sync

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include <tap/base/json.hpp>
#include <tap/pg/catalog/slots.hpp>
#include <tap/pg/catalog/tables.hpp>
#include <tap/pgtypes/lsn.hpp>

namespace tap::sync {

/// The snapshot for the initial copy of a log-based stream, and its position in WAL.
struct InitialSnapshot {
  Lsn lsn;  ///< changes that end after it are read from WAL; some may be in the copy as well
  /// To be imported by the copy and released then. Null if no snapshot could be exported: any snapshot taken
  /// later will do, and the changes in between are sent twice.
  std::unique_ptr<pg::ExportedSnapshot> snapshot;
};

/// Opens the snapshot of a new copy. The connection is not in a transaction.
using OpenInitialSnapshot = std::function<InitialSnapshot(pg::Connection&)>;

/// What reading WAL requires of the initial copy of a table. Both functions are empty for a stream that is
/// not log-based.
struct InitialSnapshotHooks {
  OpenInitialSnapshot open;
  /// Brings the bookmark of a finished copy to where WAL is followed from: `lsn`, and the table's partitions.
  /// `snapshot_xmax` is the first transaction ID that the copy's snapshot has not seen.
  std::function<void(Json& bookmark, const pg::Relation&, Lsn lsn, std::uint64_t snapshot_xmax)> finish;
};

}  // namespace tap::sync

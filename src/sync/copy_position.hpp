// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tap/base/json.hpp>
#include <tap/base/lsn.hpp>
#include <tap/pg/tables.hpp>

namespace tap::sync {

/// Where a row is in its table's file: page and place on it (manual: System Columns, ctid).
struct Ctid {
  std::uint32_t block = 0;
  std::uint16_t offset = 0;

  auto operator<=>(const Ctid&) const = default;
};

/// How far the copy of a table has come. What it says has been sent: of the leaves in `done` every row, of
/// `leaf` every row up to `ctid`, as `snapshot` saw them. The rest of `leaf`, the other leaves, and what
/// transactions that `snapshot` did not see have written, are still to come.
struct CopyPosition {
  std::string snapshot;  ///< text of txid_current_snapshot(): "xmin:xmax:xip"
  Oid leaf = 0;
  Oid relfilenode = 0;  ///< of `leaf`: ctids are good in this file only
  Ctid ctid;
  std::vector<Oid> done;
  std::optional<Lsn> lsn;  ///< of a log-based stream's first copy: where the log goes on from

  [[nodiscard]] bool is_done(Oid oid) const;
};

/// As the bookmark keeps it under `copy`. Nothing if the value is not such a position.
Json to_json(const CopyPosition& position);
std::optional<CopyPosition> read_position(const Json& copy);

/// Why a copy cannot go on from `position`, for the log; empty if it can. `snapshot` is the current one.
std::string obstacle_to_resume(const CopyPosition& position, const pg::Relation& relation,
                               const std::string& snapshot);

/// The condition for the rows of `leaf` that are still to come; empty for all of them.
std::string rows_to_come(const CopyPosition& position, const pg::Leaf& leaf);
/// The condition for the rows that no transaction older than `xmin` (a 32-bit transaction ID) has written.
std::string written_since(std::uint32_t xmin);

}  // namespace tap::sync

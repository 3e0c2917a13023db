// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <vector>

#include <tap/change/change.hpp>
#include <tap/pgtypes/lsn.hpp>

#include "commit_visibility.hpp"
#include "table_lookup.hpp"
#include "wal_stream.hpp"

namespace tap::sync {

/// The TRUNCATEs of one transaction. Singer can only empty a whole stream, by a new version of it.
class Truncates {
 public:
  explicit Truncates(CommitVisibility& visibility) : visibility_(visibility) {}

  /// Notes a TRUNCATE at `lsn`. True if it has emptied the stream, so that a new version must begin: the
  /// stream has versions, and all of its tables were truncated by the same command. Throws what TableLookup
  /// does.
  bool add(TableLookup& lookup, const WalStream& stream, const change::Change& change, Lsn lsn);
  /// Ends the transaction: warns of truncated tables whose rows stay in the target. True if a stream was
  /// emptied.
  bool end_transaction();
  /// Forgets the transaction.
  void clear();

 private:
  struct Truncate {
    const WalStream* stream;
    Lsn lsn;
    pg::TableName table;

    bool operator==(const Truncate&) const = default;
  };

  bool has_emptied(TableLookup& lookup, const WalStream& stream, Lsn lsn) const;

  CommitVisibility& visibility_;
  std::vector<Truncate> truncates_;
  std::map<const WalStream*, Lsn> emptied_;  ///< and the LSN of the command that did it
};

}  // namespace tap::sync

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>

#include <tap/base/json.hpp>
#include <tap/sync/slots/publications.hpp>

#include "publication_plan.hpp"

namespace tap::sync {

// A log-based stream's bookmark records through which rows of the catalog its tables are published. A table
// that was removed from its publications and added again is published through others: changes made in between
// are missing. A row that is still there has been there all the time.

/// What to record if changes of the stream are not published: it needs a full refresh, even if they are
/// published again when the next run begins.
Json record_of_gap();

/// Makes and checks the records of streams.
class PublicationRecords {
 public:
  /// `facts` must outlive this object.
  explicit PublicationRecords(const PublicationFacts& facts);

  /// What to record now, before changes are read: by the OID of each table, a list of rows that publish all
  /// changes that the stream needs, or one list for each of "insert", "update" and "delete". A table without
  /// a replica identity needs only "insert". "where" is the row filter that the rows sent so far meet, if
  /// any.
  [[nodiscard]] Json record_of(const PublishedStream& stream) const;
  /// An error of the stream if changes since its position may be missing, though its tables are published
  /// now.
  [[nodiscard]] std::optional<PublicationFinding> gap_of(const PublishedStream& stream) const;

 private:
  /// How many actions the stream needs of the table: only inserts, or all.
  [[nodiscard]] std::size_t count_actions(const pg::PublishedTable& table) const;
  /// How the table is published now, if not through a recorded row; null if all actions are as recorded.
  /// `filter`: see row_filter_of().
  [[nodiscard]] const pg::PublishedAs* newly_published(const pg::PublishedTable& table, const Json& recorded,
                                                       const std::string& filter) const;

  const PublicationFacts& facts_;
  std::set<const pg::PublishedTable*> with_updates_;  ///< updates of them are needed
};

}  // namespace tap::sync

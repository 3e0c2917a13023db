// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <tap/pg/catalog/tables.hpp>
#include <tap/pg/connection.hpp>

#include "row_projection.hpp"
#include "sync/bookmark.hpp"
#include "sync/stream_output.hpp"

namespace tap::sync {

/// The rows whose replication key is at or above the bookmark, in its order. No STATE has a key below which
/// rows are unsent, or an infinite one, after which no key would come. Result without a key come while there
/// is no bookmark, before the others.
class Incremental {
 public:
  Incremental(const StreamPlan& plan, const config::Config& config, StreamOutput& output)
      : plan_(plan), config_(config), output_(output) {}

  /// Reads from the bookmark to the end, see FullTable::attempt().
  void attempt(pg::Connection& connection);

 private:
  /// One query of a run.
  struct Part {
    std::string condition;
    bool moves_bookmark;
  };

  void read_all(pg::Connection& connection);
  void begin(const RowProjection& shape);
  /// `key >= literal`. The server gives the literal the key's own type.
  std::string compare_key(const char* comparison, const std::string& literal) const;
  std::vector<Part> parts(pg::Connection& connection, const pg::Relation& relation);
  std::string up_to_limit(pg::Connection& connection, const std::string& above);
  void read_part(pg::Connection& connection, const Part& part, const RowProjection& shape,
                 const singer::RecordFrame& frame);
  void note_key();
  /// Says, once, that a key has no place in the order of keys to come. `row` stands before its first field.
  void warn_of_infinite_key(Cursor row, const RowProjection& shape, std::string_view key);

  const StreamPlan& plan_;
  const config::Config& config_;
  StreamOutput& output_;

  std::string time_extracted_;
  std::string table_;       ///< quoted, as is
  std::string key_;         ///< this, too
  std::string operators_;   ///< the schema of the key type's operators, this, too
  std::string last_value_;  ///< the key of the last row, in its wire's bytes
  bool reached_ = false;    ///< that there is one to note
  std::optional<value::Encoder> bookmark_encoder_;
  IsInfinite is_infinite_ = nullptr;  ///< null if the key's type has no infinity
  bool has_warned_of_infinity_ = false;
  std::optional<std::string> greatest_;  ///< the last key that the limit lets in; once a run
};

}  // namespace tap::sync

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
#include "table_transactions.hpp"

namespace tap::sync {

/// Copies the rows whose replication key is at or above the bookmark, ordered by it. Rows with a NULL key are
/// copied only while there is no bookmark, before the others.
///
/// All rows with keys below that of a STATE have been sent. A STATE never has an infinite key, because no
/// later key could exceed it, or text that is not UTF-8, which JSON cannot hold.
class Incremental {
 public:
  /// The arguments must outlive the object.
  Incremental(const StreamPlan& plan, const config::Config& config, TableTransactions& transactions,
              StreamOutput& output)
      : plan_(plan), config_(config), transactions_(transactions), output_(output) {}

  /// Copies from the bookmark to the end. Resumes and throws as FullTable::attempt() does.
  void attempt(pg::Connection& connection);

 private:
  /// One query of the copy.
  struct Part {
    std::string condition;
    bool moves_bookmark;
  };

  void copy_rows(pg::Connection& connection);
  /// Restarts the stream if the server compares keys in another order than it compared the bookmark in.
  void require_same_order(const pg::TableColumn& key);
  void begin_stream(const RowProjection& projection);
  /// `key >= literal`. The server gives the literal the type of the key.
  std::string compare_key(const char* comparison, const std::string& literal) const;
  std::vector<Part> parts(pg::Connection& connection, const pg::Relation& relation);
  /// The condition, with AND in front, that the config's `limit` adds; empty without a limit. `above` is the
  /// condition for the rows that count.
  std::string limit_condition(pg::Connection& connection, const std::string& above);
  void read_part(pg::Connection& connection, const Part& part, const RowProjection& projection,
                 const singer::RecordFrame& frame);
  /// Puts the last key into the bookmark.
  void save_key();
  /// What a key must be to become the bookmark, for a warning. Null if it can.
  [[nodiscard]] const char* unmet_condition(std::string_view key) const;
  /// Warns once per run of such a key. `row` stands before its first field.
  void warn_of_key(Cursor row, const RowProjection& projection, std::string_view key, const char* condition);

  const StreamPlan& plan_;
  const config::Config& config_;
  TableTransactions& transactions_;
  StreamOutput& output_;

  std::string time_extracted_;
  std::string table_;      ///< quoted and qualified
  std::string key_;        ///< quoted
  std::string operators_;  ///< quoted: the schema of the operators of the key's type
  std::string order_;      ///< of the keys, see key_order()
  std::string last_key_;   ///< of the last row, as the server sent it
  bool has_key_ = false;   ///< `last_key_` is not in the bookmark yet
  std::optional<value::Encoder> bookmark_encoder_;
  IsInfinite is_infinite_ = nullptr;  ///< null if the key's type has no infinity
  bool is_key_text_ = false;          ///< as value::is_sent_as_text()
  bool has_warned_of_key_ = false;
  std::optional<std::string> greatest_key_;  ///< the last key within the limit; looked up once per run
};

}  // namespace tap::sync

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <string>

namespace tap::pg {

/// A server's version and its features. Every query that only some versions support is chosen by these
/// functions.
class ServerVersion {
 public:
  /// `number` is the setting server_version_num: 90605 is 9.6.5, 180006 is 18.6.
  constexpr explicit ServerVersion(int number) : number_(number) {}

  friend constexpr auto operator<=>(ServerVersion, ServerVersion) = default;

  /// `9.6.5`, `18.6`.
  [[nodiscard]] std::string text() const;

  /// The function row_security_active().
  [[nodiscard]] constexpr bool has_row_security() const { return number_ >= 90500; }
  /// The second argument of current_setting().
  [[nodiscard]] constexpr bool has_optional_settings() const { return number_ >= 90600; }
  /// The setting idle_in_transaction_session_timeout.
  [[nodiscard]] constexpr bool has_idle_in_transaction_timeout() const { return number_ >= 90600; }
  /// Queries run by several processes, and the settings about it.
  [[nodiscard]] constexpr bool has_parallel_query() const { return number_ >= 90600; }
  /// What a session waits for, in pg_stat_activity.
  [[nodiscard]] constexpr bool has_wait_events() const { return number_ >= 90600; }
  /// The function pg_replication_slot_advance().
  [[nodiscard]] constexpr bool can_advance_slots() const { return number_ >= 110000; }
  /// Key columns and others in an index (INCLUDE).
  [[nodiscard]] constexpr bool has_covering_indexes() const { return number_ >= 110000; }
  /// TRUNCATE in the changes that are decoded.
  [[nodiscard]] constexpr bool publishes_truncate() const { return number_ >= 110000; }
  /// Generated columns.
  [[nodiscard]] constexpr bool has_generated_columns() const { return number_ >= 120000; }
  /// Partitioned tables in publications, and publish_via_partition_root.
  [[nodiscard]] constexpr bool publishes_partitioned_tables() const { return number_ >= 130000; }
  /// TID range scans: a condition on ctid reads only the blocks that it is about.
  [[nodiscard]] constexpr bool has_tid_range_scans() const { return number_ >= 140000; }
  /// Schemas, row filters and column lists in publications.
  [[nodiscard]] constexpr bool has_publication_filters() const { return number_ >= 150000; }
  /// Logical decoding on a standby.
  [[nodiscard]] constexpr bool decodes_on_standbys() const { return number_ >= 160000; }
  /// Failover slots, which are copied to standbys.
  [[nodiscard]] constexpr bool has_failover_slots() const { return number_ >= 170000; }
  /// publish_generated_columns. A replica identity must then be published entirely.
  [[nodiscard]] constexpr bool publishes_generated_columns() const { return number_ >= 180000; }
  /// The option `binary` of the output plugin pgoutput.
  [[nodiscard]] constexpr bool sends_binary_changes() const { return number_ >= 140000; }
  /// Virtual generated columns, and NOT NULL constraints that are NOT VALID.
  [[nodiscard]] constexpr bool has_virtual_columns() const { return number_ >= 180000; }
  /// Logical decoding with wal_level=replica: the first logical slot raises effective_wal_level.
  [[nodiscard]] constexpr bool decodes_at_level_replica() const { return number_ >= 190000; }

 private:
  int number_;
};

/// The oldest servers for copies of tables and for log-based replication.
inline constexpr ServerVersion kOldestForCopies{90300};
inline constexpr ServerVersion kOldestForLogBased{100006};

}  // namespace tap::pg

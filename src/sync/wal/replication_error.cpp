// SPDX-License-Identifier: Apache-2.0
#include "replication_error.hpp"

#include <string_view>

#include <spdlog/fmt/fmt.h>

#include <tap/pg/catalog/slots.hpp>
#include <tap/pg/quote.hpp>
#include <tap/sync/slots/publications.hpp>

namespace tap::sync {

namespace {

/// SQL that moves the slot past a transaction.
std::string skip_remedy(const WalSource& source, pg::ServerVersion version) {
  if (version.can_advance_slots()) {
    return fmt::format("run SELECT pg_catalog.pg_replication_slot_advance({}, pg_catalog.{}())",
                       pg::quote_literal(source.slot),
                       source.is_standby ? "pg_last_wal_replay_lsn" : "pg_current_wal_lsn");
  }
  return fmt::format("drop the slot with {}, create it again with {}", pg::drop_slot_statement(source.slot),
                     pg::create_slot_statement({source.slot, source.plugin}));
}

}  // namespace

bool ReplicationError::is_about_change() const {
  constexpr const char* data_exceptions = "22";
  return sqlstate().starts_with(data_exceptions) || sqlstate() == "54000" || sqlstate() == "0A000" ||
         sqlstate() == "XX000";
}

bool ReplicationError::is_about_binary() const {
  return sqlstate() == "42883";
}

bool ReplicationError::is_about_publication() const {
  return sqlstate() == "42704";
}

pg::ReplicationStream::Event next_event(pg::ReplicationStream& replication,
                                        std::chrono::milliseconds timeout) {
  try {
    return replication.next(timeout);
  } catch (const pg::ServerError& error) {
    throw ReplicationError(error);
  }
}

std::string skip_advice(const WalSource& source, pg::ServerVersion version) {
  return fmt::format("{}, then run with --full-refresh for the streams of database {}",
                     skip_remedy(source, version), source.database);
}

void refuse_publication(pg::Connection& connection, const WalSource& source, Lsn received,
                        const ReplicationError& error) {
  std::string remedy = fmt::format("to skip them, {}", skip_advice(source, connection.version()));
  for (const std::string& name : source.publications) {
    const bool is_it = std::string_view(error.what()).find('"' + name + '"') != std::string_view::npos;
    if (const auto drop = is_it ? drop_advice(connection, source.publications, name) : std::nullopt) {
      remedy = *drop;
    }
  }
  throw Error(
      ExitCode::log_based_unprepared,
      fmt::format("{}: the publication is newer than the changes after {} in replication slot {}, which "
                  "cannot be read without it; {}",
                  error.what(), to_text(received), source.slot, remedy));
}

}  // namespace tap::sync

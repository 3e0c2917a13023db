// SPDX-License-Identifier: Apache-2.0
#include "wal_stream.hpp"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>
#include <tap/sync/validation.hpp>

#include "partition_list.hpp"
#include "sync/bookmark.hpp"
#include "sync/bookmark_lsn.hpp"

namespace tap::sync {

WalStream::WalStream(const StreamPlan& stream, pg::Connection& connection, const config::Config& config,
                     const Json& state, const std::string& time_extracted)
    : plan(stream),
      bookmark(bookmark_lsn(state).value_or(Lsn())),
      version(version_of(state)),
      relation(pg::find_relation(connection, stream.stream.schema_name, stream.stream.table)),
      partitions(partitions_of(relation)),
      shape(stream, relation, config),
      schema(shape.schema(stream.stream.schema, config)),
      frame(stream.name, version, time_extracted),
      closing(frame.after),
      tables(pg::replica_identities(connection, {own_name()}).front()) {
  if (tables.empty()) {  // dropped since it was found
    pg::refuse_missing_table(connection, stream.stream.schema_name, stream.stream.table);
  }
  require_logged(tables);
  warn_of_partition_changes(connection, plan, relation, state);
  warn_if_another(bookmark_relation(state).value_or(relation.oid));
  warn_of_new_columns();
  key = tables.front().is_full || tables.front().identity.empty() ? plan.stream.key_properties
                                                                  : tables.front().identity;
  keys_may_cross = !plan.stream.key_properties.empty() && std::ranges::any_of(tables, [](const auto& table) {
    return table.is_full && table.defers_keys;
  });
}

bool WalStream::look_again(pg::Connection& connection, const config::Config& config) {
  const Oid before = relation.oid;
  try {
    relation = pg::in_one_snapshot(connection, [&] {
      return pg::find_relation(connection, plan.stream.schema_name, plan.stream.table);
    });
  } catch (const pg::ServerError&) {
    throw;
  } catch (const StreamError&) {
    return false;  // dropped meanwhile: what the log has of it goes out as it was
  }
  shape = ChangeSchema(plan, relation, config);
  warn_if_another(before);
  warn_of_new_columns();
  Json now = shape.schema(plan.stream.schema, config);
  std::swap(schema, now);
  return schema != now;
}

void WalStream::start_new_version(const std::string& time_extracted) {
  version = next_version(*version);
  frame = singer::RecordFrame(plan.name, version, time_extracted);
  closing = frame.after;
}

void WalStream::set_sequence(std::int64_t sequence) {
  frame.after = fmt::format("}},\"sequence\":{}{}", sequence, std::string_view(closing).substr(1));
}

void WalStream::warn_if_another(Oid before) const {
  if (before != relation.oid) {
    log::warn(
        "{0}: the table is another one than before (made anew, or swapped by renaming): the log has what has "
        "changed in it since it got the name; for rows of before, and those that went with the other one: "
        "--full-refresh {0}",
        plan.stream.id);
  }
}

void WalStream::warn_of_new_columns() {
  for (const ChangeColumn& column : shape.columns()) {
    if (column.is_new && !column.synced && left_out.insert(column.name).second) {
      log::warn("{}: column {} is not in the catalog, it is left out: run discovery again to sync it",
                plan.stream.id, column.name);
    }
  }
}

pg::TableName WalStream::own_name() const {
  return {plan.stream.schema_name, plan.stream.table};
}

bool WalStream::has_partitions() const {
  return tables.size() > 1 || tables.front().is_partitioned;
}

void WalStream::warn_of_gaps() const {
  sync::warn_of_gaps(plan, tables,
                     [&](const Problem& problem) { log::warn("{}: {}", plan.stream.id, to_text(problem)); });
}

}  // namespace tap::sync

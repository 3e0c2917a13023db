// SPDX-License-Identifier: Apache-2.0
#include "wal_stream.hpp"

#include <algorithm>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>
#include <tap/pg/quote.hpp>
#include <tap/sync/validation.hpp>

#include "recorded_partitions.hpp"
#include "sync/bookmark.hpp"
#include "sync/bookmark_lsn.hpp"

namespace tap::sync {

namespace {

bool has_deferred_full_identity(const pg::ReplicaIdentity& table) {
  return table.is_full && table.defers_keys;
}

}  // namespace

WalStream::WalStream(const StreamPlan& stream, WalTable table, const config::Config& config,
                     const Json& state, const std::string& time_extracted)
    : plan(stream),
      bookmark(bookmark_lsn(state).value_or(Lsn())),
      version(version_of(state)),
      relation(std::move(table.relation)),
      partitions(partition_oids(relation)),
      change_schema(stream, relation, config),
      schema(change_schema.record_schema(stream.stream.schema, config)),
      frame(stream.name, version, time_extracted),
      frame_end(frame.after),
      tables(std::move(table.tables)) {
  warn_if_replaced(bookmark_relation(state).value_or(relation.oid));
  warn_of_new_columns();
  const pg::ReplicaIdentity& own = tables.front();
  key_columns = own.is_full || own.identity.empty() ? plan.stream.key_properties : own.identity;
  keys_may_overlap =
      !plan.stream.key_properties.empty() && std::ranges::any_of(tables, has_deferred_full_identity);
}

bool WalStream::look_up(TableLookup& lookup, const config::Config& config) {
  auto found = lookup.find_relation(table_name());
  if (!found) {
    return false;
  }
  const Oid previous = std::exchange(relation, *std::move(found)).oid;
  change_schema = ChangeSchema(plan, relation, config);
  warn_if_replaced(previous);
  warn_of_new_columns();
  // Columns come and go: look up again when a change differs from this answer.
  std::erase_if(unknown_columns, [&](const std::string& name) { return change_schema.contains(name); });
  std::erase_if(missing_columns, [&](const std::string& name) { return !change_schema.contains(name); });
  const Json previous_schema = std::exchange(schema, change_schema.record_schema(plan.stream.schema, config));
  return schema != previous_schema;
}

void WalStream::start_new_version(const std::string& time_extracted) {
  version = next_version(*version);
  frame = singer::RecordFrame(plan.name, version, time_extracted);
  frame_end = frame.after;
}

void WalStream::set_sequence(std::int64_t sequence) {
  frame.after = fmt::format("}},\"sequence\":{}{}", sequence, std::string_view(frame_end).substr(1));
}

pg::TableName WalStream::table_name() const {
  return {plan.stream.schema_name, plan.stream.table};
}

bool WalStream::has_partitions() const {
  return tables.size() > 1 || tables.front().is_partitioned;
}

bool WalStream::is_known(const change::Change& change, const change::Field& field) const {
  const pg::ReplicaIdentity& own = tables.front();
  return field.value.data() != nullptr || !own.is_partitioned || change.table != own.name.table ||
         change.schema != own.name.schema;
}

RowKey WalStream::row_key(const std::vector<change::Field>& fields,
                          const std::vector<change::Field>& others) {
  RowKey key;
  for (const std::string& name : key_columns) {
    const change::Field* field = find_field(fields, name);
    field = field == nullptr ? find_field(others, name) : field;
    if (field == nullptr || field->value.data() == nullptr) {
      return {};
    }
    std::size_t hint = 0;
    const ChangeColumn* const column = change_schema.find(name, hint);
    if (column == nullptr && field->format == change::Field::Format::binary) {
      return {};
    }
    key.emplace_back(name,
                     column == nullptr ? std::string(field->value) : change_schema.key_text(*column, *field));
  }
  return key;
}

void WalStream::warn_if_replaced(Oid previous) const {
  if (previous != relation.oid) {
    log::warn(
        "{0}: the table was replaced (created again, or swapped by renaming), and WAL has only the changes "
        "made "
        "since then; to sync its other rows and remove those of the previous table, run once with "
        "--full-refresh {0}",
        plan.stream.id);
  }
}

void WalStream::warn_of_new_columns() {
  for (const ChangeColumn& column : change_schema.columns()) {
    if (column.is_new && !column.is_synced && reported_columns.insert(column.name).second) {
      log::warn("{}: column {} is not in the catalog and is left out; run discovery again to sync it",
                plan.stream.id, column.name);
    }
  }
}

void WalStream::warn_of_left_out(const std::vector<ChangeColumn*>& left_out, const change::Change& change) {
  const auto find_first = [&](bool is_in_wal) {
    const auto column = std::ranges::find(left_out, is_in_wal, &ChangeColumn::is_in_wal);
    return column == left_out.end() ? nullptr : *column;
  };
  if (const ChangeColumn* const column = find_first(false);
      column != nullptr && !std::exchange(has_warned_of_virtual, true)) {
    log::warn(
        "{}: virtual generated column {} is left out of records, since WAL does not have it and the row "
        "cannot be read by its key",
        plan.stream.id, column->name);
  }
  if (const ChangeColumn* const column = find_first(true);
      column != nullptr && !std::exchange(has_warned_of_unchanged, true)) {
    const auto table = std::ranges::find_if(tables, [&](const pg::ReplicaIdentity& known) {
      return known.name.schema == change.schema && known.name.table == change.table;
    });
    const bool refuses_full = table == tables.end() ? tables.front().refuses_full : table->refuses_full;
    log::warn(
        "{}: column {} is left out of records of updates that do not change it, since WAL does not have it{}",
        plan.stream.id, column->name,
        refuses_full ? ""
                     : fmt::format("; run ALTER TABLE {} REPLICA IDENTITY FULL",
                                   pg::quote_qualified(change.schema, change.table)));
  }
}

void WalStream::warn_of_delete_without_key(const change::Change& change) {
  if (has_warned_of_key) {
    return;
  }
  const auto& keys = plan.stream.key_properties;
  const auto missing = std::ranges::find_if(keys, [&](const std::string& name) {
    const change::Field* const field = find_field(change.identity, name);
    return field == nullptr || !is_known(change, *field);
  });
  if (missing == keys.end()) {
    return;
  }
  has_warned_of_key = true;
  const bool is_reported = std::ranges::any_of(tables, [&](const pg::ReplicaIdentity& table) {
    return !table.is_partitioned && !table.identifies_by(keys);
  });
  if (!is_reported) {  // by warn_of_missing_changes()
    log::warn(
        "{0}: deletes lack key column {1}, which was not in the replica identity when they were made, so "
        "that their rows stay in the target: to remove them, run once with --full-refresh {0}",
        plan.stream.id, *missing);
  }
}

void WalStream::warn_of_missing_changes(const std::set<pg::TableName>& without_updates) const {
  sync::warn_of_missing_changes(plan, tables, without_updates, [&](const Problem& problem) {
    log::warn("{}: {}", plan.stream.id, to_text(problem));
  });
}

}  // namespace tap::sync

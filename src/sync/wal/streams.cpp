// SPDX-License-Identifier: Apache-2.0
#include "streams.hpp"

#include <algorithm>
#include <utility>

#include <tap/base/log.hpp>
#include <tap/sync/slots/publications.hpp>
#include <tap/sync/slots/server_requirements.hpp>
#include <tap/sync/validation.hpp>

#include "sync/bookmark_lsn.hpp"
#include "sync/stream_errors.hpp"
#include "sync/wal/records/recorded_partitions.hpp"
#include "sync/wal/records/server_lookup.hpp"

namespace tap::sync {

WalStreams::WalStreams(const config::Config& config, std::vector<const StreamPlan*> plans,
                       singer::State& state)
    : config_(config), plans_(std::move(plans)), state_(state) {}

void WalStreams::look_up(pg::Connection& connection, const WalSource& source, singer::Writer& writer,
                         const std::string& time_extracted) {
  if (!streams_.empty()) {
    return;
  }
  failed_.clear();
  std::vector<pg::TableName> names;
  for (const StreamPlan* plan : plans_) {
    names.push_back({plan->stream.schema_name, plan->stream.table});
  }
  auto tables = find_wal_tables(connection, names);
  const auto publications = source.plugin == kPgoutput ? std::optional(source.publications) : std::nullopt;
  std::deque<WalStream> found;
  for (std::size_t i = 0; i < plans_.size(); ++i) {
    const StreamPlan& plan = *plans_[i];
    isolate_stream_errors(
        [&] {
          if (!tables[i]) {
            pg::refuse_missing_table(connection, names[i]);
          }
          require_changes_in_wal(tables[i]->tables);
          const Json& bookmark = state_.bookmark(plan.stream.id);
          check_partition_changes(connection, plan, tables[i]->relation, bookmark, publications);
          found.emplace_back(plan, *std::move(tables[i]), config_, bookmark, time_extracted);
        },
        [&](const Error& error) { fail(plan, error); });
  }
  streams_ = std::move(found);
  for (const WalStream& stream : streams_) {
    stream.warn_of_missing_changes(source.without_updates);
    writer.schema(stream.plan.name, stream.schema, stream.plan.stream.key_properties, {"lsn"});
  }
}

void WalStreams::fail(WalStream& stream, const Error& error) {
  if (!std::exchange(stream.failed, true)) {
    fail(stream.plan, error);
  }
}

void WalStreams::fail(const StreamPlan& plan, const Error& error) {
  log::error("stream {}: {}", plan.stream.id, message_with_hint(error));
  failed_.push_back({plan.stream.id, error.what()});
}

bool WalStreams::have_all_failed() const {
  return std::ranges::all_of(streams_, &WalStream::failed);
}

Lsn WalStreams::start() const {
  std::optional<Lsn> minimum;
  for (const WalStream& stream : streams_) {
    if (!stream.failed) {
      minimum = minimum ? std::min(*minimum, stream.bookmark) : stream.bookmark;
    }
  }
  return minimum.value();
}

std::vector<StreamPosition> WalStreams::positions() const {
  std::vector<StreamPosition> positions;
  for (const WalStream& stream : streams_) {
    if (!stream.failed) {
      positions.push_back({.stream = stream.plan.stream.id,
                           .lsn = stream.bookmark,
                           .timeline = bookmark_timeline(state_.bookmark(stream.plan.stream.id))});
    }
  }
  return positions;
}

bool WalStreams::need_next_transaction_id() const {
  return std::ranges::any_of(streams_, [](const WalStream& stream) {
    return needs_next_transaction_id(stream.relation, stream.partitions);
  });
}

void WalStreams::update_bookmarks(Lsn written, std::optional<std::uint64_t> next_transaction_id,
                                  std::int64_t sequence) {
  for (WalStream& stream : streams_) {
    Json& bookmark = state_.bookmark(stream.plan.stream.id);
    if (!stream.failed) {
      stream.bookmark = std::max(stream.bookmark, written);
      if (!timeline_.empty()) {
        bookmark[kTimelineKey] = timeline_;
      }
    }
    bookmark["lsn"] = stream.bookmark.value;
    bookmark["table_oid"] = stream.relation.oid;
    record_partitions(
        bookmark, stream.partitions,
        needs_next_transaction_id(stream.relation, stream.partitions) ? next_transaction_id : std::nullopt);
    if (stream.version) {
      bookmark["version"] = *stream.version;
    }
    if (config_.log.sequence && sequence > 0) {
      bookmark["sequence"] = sequence;
    }
  }
}

void WalStreams::record_publications(const std::map<std::string, Json>& records, Lsn end) {
  for (const WalStream& stream : streams_) {
    const auto record = records.find(stream.plan.stream.id);
    if (record != records.end() && !stream.failed && stream.bookmark >= end) {
      state_.bookmark(stream.plan.stream.id)[kPublicationsKey] = record->second;
    }
  }
}

}  // namespace tap::sync

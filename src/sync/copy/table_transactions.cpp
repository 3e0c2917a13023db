// SPDX-License-Identifier: Apache-2.0
#include "table_transactions.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>
#include <tap/base/signals.hpp>
#include <tap/pg/quote.hpp>

namespace tap::sync {

namespace {

constexpr std::size_t kLargestBatch = 64;
constexpr std::uint64_t kSmallTable = std::uint64_t{1} << 20U;  // bytes
// Other sessions wait so long at most for a lock on a table that has been read already.
constexpr std::chrono::seconds kLongestShared{1};

constexpr int kImmediateAttempts = 5;
constexpr std::chrono::seconds kTimeout{60};

std::chrono::milliseconds wait_before_attempt(int attempt) {
  using std::chrono::milliseconds;
  constexpr milliseconds first{10};
  constexpr milliseconds longest{500};
  constexpr int most_doublings = 6;
  return attempt < kImmediateAttempts
             ? milliseconds(0)
             : std::min(longest, first * (1 << std::min(attempt - kImmediateAttempts, most_doublings)));
}

pg::TableName table_of(const StreamPlan& stream) {
  return {stream.stream.schema_name, stream.stream.table};
}

std::string quoted_name(const StreamPlan& stream) {
  return pg::quote_qualified(stream.stream.schema_name, stream.stream.table);
}

/// Locks everything that the stream's rows are read from, see pg::lock_relation(), and checks its row filter.
bool lock(pg::Connection& connection, pg::Relation& relation, const StreamPlan& stream) {
  const std::string table = quoted_name(stream);
  if (!pg::lock_relation(connection, relation, table, stream.columns, true)) {
    return false;
  }
  require_valid_row_filter(connection, stream);
  return stream.where.empty() || pg::lock_relation(connection, relation, from_item(stream, table),
                                                   stream.columns, true, to_sql(stream.where));
}

/// Begins a transaction in an exported snapshot. False if the session that keeps the snapshot was lost.
bool import_snapshot(pg::Connection& connection, const std::string& begin, const std::string& name) {
  // invalid_parameter_value and undefined_object (before and since 17), and object_not_in_prerequisite_state.
  constexpr std::array codes = {"22023", "42704", "55000"};
  try {
    connection.execute(begin + fmt::format("SET TRANSACTION SNAPSHOT {}", pg::quote_literal(name)));
    return true;
  } catch (const pg::ServerError& error) {
    if (std::ranges::find(codes, error.sqlstate()) == codes.end()) {
      throw;
    }
    log::debug("cannot import the snapshot: {}", error.what());
    return false;
  }
}

/// A table may have been created after the snapshot of the current transaction, which this ends.
bool exists_now(pg::Connection& connection, const pg::TableName& table) {
  connection.execute("ROLLBACK");
  return pg::find_relations(connection, {table}).front().has_value();
}

/// A view or a policy may call functions that change settings. So may a row filter.
bool keeps_settings(const pg::Relation& relation) {
  using enum pg::RelationKind;
  return (relation.kind == table || relation.kind == partitioned || relation.kind == materialized_view) &&
         !relation.has_row_security;
}

}  // namespace

TableTransactions::TableTransactions(std::vector<const StreamPlan*> streams, std::size_t batch_size)
    : streams_(std::move(streams)), batch_size_(batch_size) {
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    positions_.emplace(streams_[i], i);
  }
}

pg::Relation TableTransactions::open(pg::Connection& connection, const StreamPlan& stream,
                                     const OpenInitialSnapshot& open_snapshot, bool is_alone) {
  if (is_open_) {
    const bool is_current = connection.is_in_transaction();  // else a new connection has replaced it
    // A row filter may read other tables, and so wait for other locks.
    if (auto relation = is_current && !is_alone && stream.where.empty()
                            ? open_in_current(connection, stream, open_snapshot != nullptr)
                            : std::nullopt) {
      return *std::move(relation);
    }
    batch_size_ = std::max<std::size_t>(opened_, 1);
    if (is_current) {
      roll_back(connection);
    }
  }
  const auto deadline = Clock::now() + kTimeout;
  std::string unusable_snapshot;
  // An attempt may wait long for a lock, so a few are always made.
  for (int i = 0; i <= kImmediateAttempts || Clock::now() < deadline; ++i) {
    try {
      auto relation = begin(connection, stream, open_snapshot, unusable_snapshot);
      if (relation && lock(connection, *relation, stream)) {
        note_opened(stream, *relation);
        return *std::move(relation);
      }
    } catch (const pg::ServerError& error) {
      // A name in the snapshot was dropped or renamed since, unless a view itself is broken.
      if (!pg::is_missing_name(error) || i >= kImmediateAttempts) {
        throw;
      }
    }
    roll_back(connection);
    signals::sleep_for(wait_before_attempt(i + 1));
  }
  throw StreamError(fmt::format(
      "table {} kept changing while it was being opened (for {} s or more); run again once the schema change "
      "has finished",
      quoted_name(stream), kTimeout.count()));
}

std::optional<pg::Relation> TableTransactions::begin(pg::Connection& connection, const StreamPlan& stream,
                                                     const OpenInitialSnapshot& open_snapshot,
                                                     std::string& unusable) {
  forget();
  const std::vector<const StreamPlan*> batch = streams_to_look_up(stream);
  std::vector<pg::TableName> names;
  names.reserve(batch.size());
  for (const StreamPlan* each : batch) {
    names.push_back(table_of(*each));
  }
  InitialSnapshot initial;
  bool is_first = true;
  if (open_snapshot) {
    is_first = unusable.empty();
    initial = open_snapshot(connection, unusable);
    follow_from_ = initial.from;
    unusable = initial.name;
  }
  is_open_ = true;
  has_snapshot_ = open_snapshot != nullptr;
  began_ = Clock::now();
  const std::string begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ";
  if (initial.name.empty()) {
    connection.pin_settings(true, begin);
  } else if (import_snapshot(connection, begin, initial.name)) {
    connection.pin_settings(true);
  } else {
    return std::nullopt;
  }
  auto relations = pg::find_relations(connection, names);
  if (!relations.front()) {
    if (!initial.name.empty() && is_first && exists_now(connection, names.front())) {
      return std::nullopt;
    }
    pg::refuse_missing_table(connection, names.front());
  }
  for (std::size_t i = 1; i < batch.size(); ++i) {
    if (relations[i]) {
      looked_up_.emplace(batch[i], *std::move(relations[i]));
    }
  }
  return std::move(relations.front());
}

std::vector<const StreamPlan*> TableTransactions::streams_to_look_up(const StreamPlan& stream) const {
  std::vector<const StreamPlan*> batch = {&stream};
  const auto position = positions_.find(&stream);
  for (std::size_t i = position == positions_.end() ? streams_.size() : position->second + 1;
       i < streams_.size() && batch.size() < batch_size_; ++i) {
    const StreamPlan& next = *streams_[i];
    if (next.database != stream.database) {
      break;
    }
    batch.push_back(&next);
  }
  return batch;
}

std::optional<pg::Relation> TableTransactions::open_in_current(pg::Connection& connection,
                                                               const StreamPlan& stream, bool has_snapshot) {
  const auto found = looked_up_.find(&stream);
  if (found == looked_up_.end() || has_snapshot != has_snapshot_ || Clock::now() - began_ > kLongestShared) {
    return std::nullopt;
  }
  pg::Relation relation = std::move(found->second);
  looked_up_.erase(found);
  try {
    // Waiting here would hold locks on other tables, and could be part of a deadlock.
    if (pg::lock_relation(connection, relation, quoted_name(stream), stream.columns, false) &&
        pg::total_bytes(relation) <= kSmallTable) {
      note_opened(stream, relation);
      return relation;
    }
  } catch (const pg::ServerError& error) {
    log::debug("{}: opening the table in a transaction of its own: {}", stream.stream.id, error.what());
  }
  return std::nullopt;
}

void TableTransactions::note_opened(const StreamPlan& stream, const pg::Relation& relation) {
  const auto position = positions_.find(&stream);
  next_ = position == positions_.end() || position->second + 1 == streams_.size()
              ? nullptr
              : streams_[position->second + 1];
  ++opened_;
  may_be_shared_ =
      pg::total_bytes(relation) <= kSmallTable && keeps_settings(relation) && stream.where.empty();
}

void TableTransactions::finish(pg::Connection& connection) {
  if (may_be_shared_ && looked_up_.contains(next_) && Clock::now() - began_ <= kLongestShared) {
    return;
  }
  // To look tables up in vain takes as much time as not to have looked them up.
  batch_size_ = std::clamp<std::size_t>(may_be_shared_ && looked_up_.empty() ? 2 * batch_size_ : opened_, 1,
                                        kLargestBatch);
  connection.execute("COMMIT");
  forget();
}

void TableTransactions::roll_back(pg::Connection& connection) {
  connection.execute("ROLLBACK");
  forget();
}

const SnapshotOrigin& TableTransactions::origin(pg::Connection& connection) {
  if (!origin_) {
    origin_ = read_snapshot_origin(connection);
  }
  return *origin_;
}

void TableTransactions::configure(pg::Connection& connection, const std::string& settings) {
  if (settings_ != settings) {
    connection.execute(settings);
    settings_ = settings;
  }
}

void TableTransactions::forget() {
  is_open_ = false;
  has_snapshot_ = false;
  opened_ = 0;
  may_be_shared_ = true;
  next_ = nullptr;
  settings_.clear();
  looked_up_.clear();
  origin_.reset();
  follow_from_.reset();
}

}  // namespace tap::sync

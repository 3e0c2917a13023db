// SPDX-License-Identifier: Apache-2.0
// Shared by the tests that turn changes into lines: tables, streams and changes in a few words, and the
// written lines.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include <tap/change/change.hpp>
#include <tap/singer/writer.hpp>

#include "catch.hpp"
#include "fake_lookup.hpp"
#include "sync/wal/records/record_writer.hpp"
#include "sync/wal/records/wal_stream.hpp"

namespace tap::sync {

using Strings = std::vector<std::string>;
using Fields = std::vector<change::Field>;

inline const change::Field null_of(std::string_view name) {
  return {name, {}};
}

inline change::Change change_of(change::Change::Kind kind, std::string_view table, Fields columns,
                                Fields identity) {
  change::Change made;
  made.kind = kind;
  made.schema = "public";
  made.table = table;
  made.columns = std::move(columns);
  made.identity = std::move(identity);
  made.commit_time = "2024-05-01 12:30:00+00";
  made.xid = "100";
  return made;
}
inline change::Change insert_into(std::string_view table, Fields row) {
  return change_of(change::Change::Kind::insert, table, std::move(row), {});
}
inline change::Change update_of(std::string_view table, Fields row, Fields old = {}) {
  return change_of(change::Change::Kind::update, table, std::move(row), std::move(old));
}
inline change::Change delete_from(std::string_view table, Fields old) {
  return change_of(change::Change::Kind::remove, table, {}, std::move(old));
}
inline change::Change truncate_of(std::string_view table) {
  return change_of(change::Change::Kind::truncate, table, {}, {});
}

inline pg::TableColumn column(const std::string& name, const std::string& type) {
  const std::map<std::string, Oid> oids = {{"integer", 23}, {"text", 25}, {"bytea", 17}, {"date", 1082}};
  pg::TableColumn made;
  made.name = name;
  made.type = oids.at(type);
  made.type_name = type;
  return made;
}

inline pg::Relation relation(std::vector<pg::TableColumn> columns, Oid oid = 1000) {
  pg::Relation made;
  made.oid = oid;
  made.columns = std::move(columns);
  made.types[23].name = "int4";
  made.types[25].name = "text";
  made.types[17].name = "bytea";
  made.types[1082].name = "date";
  return made;
}

/// A table as pg_class and its replica identity show it; the identity is the column id.
inline pg::ReplicaIdentity identity(const std::string& table) {
  pg::ReplicaIdentity made;
  made.name = {"public", table};
  made.identity = {"id"};
  return made;
}

/// The plan of stream public.NAME with its key column id. The columns are in the catalog as text, id as
/// integer.
inline StreamPlan plan_of(const std::string& name, const std::vector<std::string>& columns) {
  StreamPlan plan;
  plan.name = name;
  plan.columns = columns;
  plan.method = singer::ReplicationMethod::log_based;
  plan.stream.id = "shop-public-" + name;
  plan.stream.name = plan.stream.table = name;
  plan.stream.schema_name = "public";
  plan.stream.key_properties = {"id"};
  Json properties = Json::object();
  for (const std::string& column : columns) {
    properties[column] = {{"type", column == "id" ? "integer" : "string"}};
    plan.stream.columns.push_back({column, true, ""});
  }
  plan.stream.schema = {{"type", "object"}, {"properties", properties}};
  return plan;
}

constexpr std::int64_t kVersion = 9'000'000'000'000;  // after any clock, so that the next one is known

/// Everything between a change and its lines, with a fake server.
class Records {
 public:
  Records() : file_(memfd_create("lines", 0)), writer_(file_) { REQUIRE(file_ >= 0); }
  ~Records() { close(file_); }
  Records(const Records&) = delete;
  Records& operator=(const Records&) = delete;

  config::Config config;
  FakeLookup lookup;
  CommitVisibility visibility;
  std::deque<StreamPlan> plans;
  std::deque<WalStream> streams;
  Strings errors;  ///< of streams that failed during a backfill

  /// Adds a stream of a table that is `relation` now. Without `tables` it has no partitions.
  WalStream& add(const StreamPlan& plan, const pg::Relation& relation,
                 std::vector<pg::ReplicaIdentity> tables = {},
                 const std::string& bookmark = R"({"lsn":1,"version":9000000000000})") {
    const std::string& name = plan.stream.table;
    if (tables.empty()) {
      tables = {identity(name)};
    }
    lookup.relations[name] = relation;
    lookup.partitions[name] = tables;
    plans.push_back(plan);
    streams.emplace_back(plans.back(), WalTable{relation, std::move(tables)}, config,
                         parse_json(bookmark, "test"), "2024-05-01T12:00:00Z");
    return streams.back();
  }

  /// Made at its first use, so that a test can set the config before.
  RecordWriter& records() {
    if (!records_) {
      records_.emplace(config, writer_, visibility, "2024-05-01T12:00:00Z",
                       [this](WalStream& stream, const Error& error) {
                         stream.failed = true;
                         errors.emplace_back(error.what());
                       });
    }
    return *records_;
  }

  void write(WalStream& stream, const change::Change& change, Lsn lsn = Lsn{0x10}) {
    records().write(lookup, stream, change, lsn);
  }

  /// The lines that were written since the last call; pending ones are not.
  Strings lines() {
    writer_.flush();
    const auto size = static_cast<std::size_t>(lseek(file_, 0, SEEK_END));
    std::string text(size - read_, '\0');
    REQUIRE(pread(file_, text.data(), text.size(), static_cast<off_t>(read_)) ==
            static_cast<ssize_t>(text.size()));
    read_ = size;
    Strings lines;
    for (std::size_t start = 0; start < text.size();) {
      const std::size_t end = text.find('\n', start);
      lines.push_back(text.substr(start, end - start));
      start = end + 1;
    }
    return lines;
  }
  /// The same with pending lines.
  Strings all_lines() {
    records().write_pending(lookup);
    return lines();
  }

 private:
  int file_;
  std::size_t read_ = 0;
  singer::Writer writer_;
  std::optional<RecordWriter> records_;
};

/// The RECORD of stream t with these columns.
inline std::string record(const std::string& columns) {
  return R"({"type":"RECORD","stream":"t","record":{)" + columns +
         R"(},"version":9000000000000,"time_extracted":"2024-05-01T12:00:00Z"})";
}

}  // namespace tap::sync

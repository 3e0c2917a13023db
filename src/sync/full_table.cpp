// SPDX-License-Identifier: Apache-2.0
#include "full_table.hpp"

#include <chrono>

#include <spdlog/fmt/fmt.h>

#include <tap/base/clock.hpp>
#include <tap/pg/copy_reader.hpp>
#include <tap/pg/settings.hpp>

#include "row_shape.hpp"
#include "stream_schema.hpp"

namespace tap::sync {

namespace {

using Clock = std::chrono::steady_clock;

/// Where a row is in its file: page and place on it.
struct Ctid {
  std::uint32_t block = 0;
  std::uint16_t offset = 0;
};

/// Reads the tid that leads a row (manual: tidsend gives block and offset).
Ctid read_ctid(Cursor& row) {
  row.i32();  // its size
  Ctid ctid;
  ctid.block = row.u32();
  ctid.offset = row.u16();
  return ctid;
}

/// One copy of one table, from SCHEMA to the last STATE.
class FullTable {
 public:
  FullTable(pg::Connection& connection, const StreamPlan& plan, const config::Config& config, singer::State& state,
            singer::Writer& writer)
      : connection_(connection), plan_(plan), config_(config), state_(state), writer_(writer) {}

  std::uint64_t run() {
    connection_.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; " + pg::pin_settings(true));
    const pg::Relation relation = pg::find_relation(connection_, plan_.stream.schema_name, plan_.stream.table);
    const RowShape shape(plan_, relation, config_.values);
    const std::int64_t version = start(shape);

    const singer::RecordFrame frame(plan_.name, version, utc_now());
    if (relation.leaf_by_leaf) {
      for (const pg::Leaf& leaf : relation.leaves) {
        read(leaf, relation, shape, frame);
      }
    } else {
      const std::string name = pg::quote_qualified(plan_.stream.schema_name, plan_.stream.table);
      read_rows(fmt::format("SELECT {} FROM {}", shape.select_list(), name), nullptr, shape, frame);
    }
    finish(version);
    connection_.execute("COMMIT");
    return rows_;
  }

 private:
  Json& bookmark() { return state_.bookmark(plan_.stream.id); }

  std::int64_t start(const RowShape& shape) {
    const bool first_run = !bookmark().contains("version");
    const std::int64_t version = epoch_milliseconds();
    bookmark()["version"] = version;
    bookmark().erase("xmin");
    bookmark().erase("copy");
    state_.set_currently_syncing(plan_.stream.id);
    writer_.schema(plan_.name, stream_schema(plan_.stream, shape.columns(), config_.values),
                   plan_.stream.key_properties, {});
    write_state();
    if (first_run) {
      writer_.activate_version(plan_.name, version);
    }
    const pg::Rows snapshot = connection_.query("SELECT pg_catalog.txid_current_snapshot() AS snapshot");
    snapshot_ = snapshot.text(0, snapshot.column("snapshot"));
    return version;
  }

  /// One leaf, in the order of its file where it has one.
  void read(const pg::Leaf& leaf, const pg::Relation& relation, const RowShape& shape,
            const singer::RecordFrame& frame) {
    const bool only = relation.kind == pg::RelationKind::table || relation.kind == pg::RelationKind::partitioned;
    const std::string query = fmt::format("SELECT {}{} FROM {}{}", leaf.has_ctid ? "ctid, " : "",
                                          shape.select_list(), only ? "ONLY " : "", leaf.name);
    read_rows(query, leaf.has_ctid ? &leaf : nullptr, shape, frame);
  }

  /// The rows of a query. Those of a `leaf` begin with their ctid.
  void read_rows(const std::string& query, const pg::Leaf* leaf, const RowShape& shape,
                 const singer::RecordFrame& frame) {
    constexpr std::uint64_t look_at_clock = 64;  // rows between two looks
    pg::CopyReader reader(connection_, query);
    while (const auto bytes = reader.next()) {
      Cursor row(*bytes);
      row.i16();  // the number of fields
      const Ctid ctid = leaf == nullptr ? Ctid() : read_ctid(row);
      writer_.record(frame, [&](Buffer& out) { shape.append(row, out); });
      ++rows_;
      ++rows_since_state_;
      if (rows_since_state_ >= config_.state_every_rows ||
          (rows_since_state_ % look_at_clock == 0 && Clock::now() - last_state_ >= config_.state_every_time)) {
        if (leaf != nullptr) {
          note_position(*leaf, ctid);
        }
        write_state();
      }
    }
  }

  void note_position(const pg::Leaf& leaf, const Ctid& ctid) {
    Json copy = Json::object();
    copy["snapshot"] = snapshot_;
    copy["leaf"] = leaf.oid;
    copy["relfilenode"] = leaf.relfilenode;
    copy["position"] = fmt::format("({},{})", ctid.block, ctid.offset);
    bookmark()["copy"] = std::move(copy);
  }

  void write_state() {
    writer_.state(state_.document());
    rows_since_state_ = 0;
    last_state_ = Clock::now();
  }

  void finish(std::int64_t version) {
    writer_.activate_version(plan_.name, version);
    bookmark().erase("copy");
    if (!plan_.stream.is_view) {
      bookmark()["xmin"] = nullptr;
    }
    state_.set_currently_syncing(std::nullopt);
    write_state();
  }

  pg::Connection& connection_;
  const StreamPlan& plan_;
  const config::Config& config_;
  singer::State& state_;
  singer::Writer& writer_;

  std::string snapshot_;
  std::uint64_t rows_ = 0;
  std::uint64_t rows_since_state_ = 0;
  Clock::time_point last_state_;
};

}  // namespace

std::uint64_t copy_full_table(pg::Connection& connection, const StreamPlan& plan, const config::Config& config,
                              singer::State& state, singer::Writer& writer) {
  return FullTable(connection, plan, config, state, writer).run();
}

}  // namespace tap::sync

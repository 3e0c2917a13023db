// SPDX-License-Identifier: Apache-2.0
#include "units.hpp"

#include <algorithm>
#include <string_view>

#include <spdlog/fmt/fmt.h>

#include "assignment.hpp"

namespace tap::sync {

namespace {

using singer::ReplicationMethod;

constexpr double kStreamBytes = 65'536;  // looking up a table takes as long as reading about that much

/// The usual width in bytes of a value of a type, by the catalog's name of it.
double usual_width(std::string_view type) {
  constexpr double unknown = 32;  // text, above all
  constexpr double document = 200;
  constexpr double list = 64;
  constexpr std::pair<std::string_view, double> widths[] = {
      {"boolean", 1},          {"smallint", 2},    {"integer", 4},    {"bigint", 8}, {"real", 4},
      {"double precision", 8}, {"timestamp", 8},   {"date", 4},       {"time", 8},   {"uuid", 16},
      {"numeric", 12},         {"json", document}, {"xml", document},
  };
  if (type.ends_with("[]")) {
    return list;
  }
  const auto* const found =
      std::ranges::find_if(widths, [&](const auto& width) { return type.starts_with(width.first); });
  return found == std::end(widths) ? unknown : found->second;
}

bool may_be_log_based(const singer::Stream& stream, const StreamFacts& facts) {
  const auto method =
      stream.replication_method ? singer::find_method(*stream.replication_method) : facts.default_method;
  const bool is_unknown = !method && !stream.replication_method && !stream.is_view;
  return method == ReplicationMethod::log_based || is_unknown;
}

/// True if log-based streams with and without a database may be of the same one.
bool is_database_unknown(const std::vector<singer::Stream>& streams, const StreamFacts& facts) {
  return facts.database.empty() && std::ranges::any_of(streams, [&](const singer::Stream& stream) {
           return stream.selected && stream.database.empty() && may_be_log_based(stream, facts);
         });
}

/// The name of the unit that the stream belongs to.
std::string unit_of(const singer::Stream& stream, const StreamFacts& facts, bool has_one_wal) {
  const std::string& database = stream.database.empty() ? facts.database : stream.database;
  if (may_be_log_based(stream, facts)) {
    return fmt::format("WAL of database {}", has_one_wal ? "" : database);
  }
  const auto size = facts.sizes.find(stream.id);
  return size == facts.sizes.end() ? stream.id : fmt::format("{} in {}", size->second.root, database);
}

}  // namespace

double estimate_bytes(const singer::Stream& stream) {
  constexpr double row_header = 28;
  double row = row_header;
  for (const singer::Column& column : stream.columns) {
    row += column.synced ? usual_width(column.sql_datatype) : 0;
  }
  return kStreamBytes + static_cast<double>(stream.rows) * row;
}

double bytes_of(const singer::Stream& stream, const StreamFacts& facts) {
  const auto size = facts.sizes.find(stream.id);
  return size == facts.sizes.end() ? estimate_bytes(stream)
                                   : kStreamBytes + static_cast<double>(size->second.bytes);
}

std::vector<std::optional<std::size_t>> assign_streams(const std::vector<singer::Stream>& streams,
                                                       const StreamFacts& facts, std::size_t parts) {
  const bool has_one_wal = is_database_unknown(streams, facts);
  std::vector<Unit> units;
  std::map<std::string, std::size_t> index_of;
  std::vector<std::optional<std::size_t>> unit_of_stream(streams.size());
  for (std::size_t i = 0; i < streams.size(); ++i) {
    const singer::Stream& stream = streams[i];
    if (!stream.selected) {
      continue;
    }
    const std::string name = unit_of(stream, facts, has_one_wal);
    const auto [unit, is_new] = index_of.emplace(name, units.size());
    if (is_new) {
      units.push_back({name, 0});
    }
    units[unit->second].bytes += bytes_of(stream, facts);
    unit_of_stream[i] = unit->second;
  }
  const std::vector<std::size_t> part_of_unit = assign_parts(units, parts);
  std::vector<std::optional<std::size_t>> assigned(streams.size());
  std::ranges::transform(unit_of_stream, assigned.begin(), [&](const auto& unit) {
    return unit ? std::optional(part_of_unit[*unit]) : std::nullopt;
  });
  return assigned;
}

}  // namespace tap::sync

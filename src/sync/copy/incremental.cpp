// SPDX-License-Identifier: Apache-2.0
#include "incremental.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include <tap/base/clock.hpp>
#include <tap/base/log.hpp>
#include <tap/base/text.hpp>
#include <tap/pg/copy_reader.hpp>
#include <tap/pg/quote.hpp>
#include <tap/sync/validation.hpp>

#include "columns/key_order.hpp"
#include "sync/bookmark.hpp"
#include "sync/parts/bookmark_order.hpp"
#include "table_scan.hpp"

namespace tap::sync {

namespace {

/// The encoding of bookmarks. The user's options for records could lose digits or days.
value::EncodingOptions bookmark_options() {
  value::EncodingOptions options;
  options.non_finite_numbers = value::EncodingOptions::NonFinite::string;
  options.out_of_range_dates = value::EncodingOptions::OutOfRange::string;
  return options;
}

/// An encoder's JSON as a bookmark. Long numbers become text, which the server accepts as well: a target that
/// reads numbers as doubles would return them rounded, so that the next run would skip rows, and some targets
/// refuse numbers beyond the range of a double.
Json bookmark_value(std::string_view json) {
  constexpr std::size_t longest_number = 300;  // a double's range ends at 308 digits
  constexpr auto exact_digits = std::numeric_limits<double>::digits10;
  if (json.front() == '"') {
    return parse_json(json, "replication_key_value");
  }
  if (json.size() > longest_number) {
    return json;
  }
  Json number = parse_json(json, "replication_key_value");
  const auto digits = std::ranges::count_if(json, [](char c) { return c >= '0' && c <= '9'; });
  return number.is_number_float() || digits <= exact_digits ? std::move(number) : Json(json);
}

/// Notes the row filter in the bookmark. Once it was changed, `where_changed` remains until a full refresh.
/// No filter may be followed by any: all rows have been sent.
void note_row_filter(Json& bookmark, const std::string& where) {
  const auto before = bookmark.find("where");
  const bool is_changed = before != bookmark.end() && before->is_string() && *before != where;
  if (!bookmark_text(bookmark)) {  // all rows are to be read
    bookmark.erase("where_changed");
  } else if (is_changed) {
    bookmark["where_changed"] = true;
  }
  bookmark.erase("where");
  if (!where.empty()) {
    bookmark["where"] = where;
  }
}

/// Notes the order that a value is compared in from now on. That of a number needs no note.
void note_order(Json& bookmark, const std::string& order) {
  const auto value = bookmark.find("replication_key_value");
  bookmark.erase(kKeyOrder);
  if (value != bookmark.end() && value->is_string()) {
    bookmark[kKeyOrder] = order;
  }
}

/// True if the server refuses the bookmark as a value of the key's type (manual: Error Codes, class 22).
bool is_invalid_value(const pg::ServerError& error) {
  constexpr std::array codes = {"22P02", "22007", "22008", "22003", "42883"};
  return std::ranges::find(codes, error.sqlstate()) != codes.end();
}

}  // namespace

void Incremental::attempt(pg::Connection& connection) {
  output_.attempt([&] { copy_rows(connection); }, [&] { save_key(); });
}

void Incremental::copy_rows(pg::Connection& connection) {
  const pg::Relation relation = transactions_.open(connection, plan_);
  const pg::TableColumn& key = replication_key_column(plan_, relation.columns, relation.types);
  const value::Type type = value::resolve(relation.types, key.type, key.modifier);
  bookmark_encoder_.emplace(type, choose_format(type), bookmark_options(), key.name);
  table_ = pg::quote_qualified(plan_.stream.schema_name, plan_.stream.table);
  key_ = pg::quote_identifier(key.name);
  operators_ = operator_schema(relation.types, key.type);
  is_infinite_ = infinity_test(relation.types, key.type);
  is_key_text_ = value::is_sent_as_text(type);
  order_ = key_order(connection, relation, key);
  require_same_order(key);

  const RowProjection projection(plan_, relation, config_.values);
  begin_stream(projection);
  const singer::RecordFrame frame(plan_.name, version_of(output_.bookmark()), time_extracted_);
  const auto bookmark = bookmark_text(output_.bookmark());
  if (bookmark && is_infinite_ != nullptr && is_infinite_text(*bookmark)) {
    log::warn(
        "{}: the bookmark is {}, so rows with a finite replication key are not read: run once with "
        "--full-refresh {}",
        plan_.stream.id, *bookmark, plan_.stream.id);
  }
  try {
    for (const Part& part : parts(connection, relation)) {
      read_part(connection, part, projection, frame);
    }
  } catch (const pg::ServerError& error) {
    if (!bookmark || !is_invalid_value(error)) {
      throw;
    }
    throw StreamError(
        fmt::format("the bookmark {} is not a value of replication key {}, whose type is now {}: restart "
                    "the stream with --full-refresh {} ({})",
                    *bookmark, key.name, key.type_name, plan_.stream.id, error.what()));
  }
  transactions_.finish(connection);
  save_key();
  note_order(output_.bookmark(), order_);  // of a value that another tap stored
  output_.end();
}

void Incremental::require_same_order(const pg::TableColumn& key) {
  Json& bookmark = output_.bookmark();
  const std::string before = changed_order(bookmark, order_);
  if (before.empty()) {
    return;
  }
  if (output_.has_begun()) {
    throw StreamError(
        fmt::format("the order of replication key {} changed from {} to {} during the run; run again",
                    key.name, before, order_));
  }
  log::warn(
      "{}: restarting from scratch: the order of replication key {} has changed from {} to {}, so that rows "
      "below the bookmark may not have been sent",
      plan_.stream.id, key.name, before, order_);
  reset_bookmark(bookmark);
  bookmark["last_replication_method"] = singer::method_name(plan_.method);
}

void Incremental::begin_stream(const RowProjection& projection) {
  if (output_.has_begun()) {
    return;
  }
  Json& bookmark = output_.bookmark();
  bookmark["replication_key"] = *plan_.stream.replication_key;
  note_row_filter(bookmark, to_sql(plan_.where));
  if (bookmark.contains("where_changed")) {
    log::warn(
        "{}: the row filter (where) was changed, so rows below the bookmark that an earlier filter left out "
        "are missing: run once with --full-refresh {}",
        plan_.stream.id, plan_.stream.id);
  }
  if (!bookmark.contains("version") && !bookmark_text(bookmark)) {
    renew_version(bookmark);
  }
  time_extracted_ = utc_now();
  output_.begin(projection.columns(), projection.new_properties(), {*plan_.stream.replication_key});
  if (const auto known = version_of(output_.bookmark())) {
    output_.activate_version(*known);
  }
}

std::string Incremental::compare_key(const char* comparison, const std::string& literal) const {
  return fmt::format("{} OPERATOR({}.{}) {}", key_, operators_, comparison, literal);
}

std::vector<Incremental::Part> Incremental::parts(pg::Connection& connection, const pg::Relation& relation) {
  const pg::TableColumn& key = replication_key_column(plan_, relation.columns, relation.types);
  const auto bookmark = bookmark_text(output_.bookmark());
  if (!bookmark) {
    // NOT NULL of a parent need not hold for its child tables, and NOT NULL of a foreign table is not
    // checked.
    if (key.not_null && relation.kind == pg::RelationKind::table && relation.partitions.size() == 1) {
      return {{"true" + limit_condition(connection, "true"), true}};
    }
    const std::string with_key = key_ + " IS NOT NULL";
    return {{key_ + " IS NULL", false}, {with_key + limit_condition(connection, with_key), true}};
  }
  const std::string at = pg::quote_literal(*bookmark);
  std::vector<Part> parts;
  if (config_.replication_key_lookback > 0) {
    const std::string from = lookback_start(relation.types, key.type, at, config_.replication_key_lookback);
    if (from.empty()) {
      log::warn("{}: replication_key_lookback has no effect on a key of type {}", plan_.stream.id,
                key.type_name);
    } else {
      parts.push_back({compare_key(">=", from) + " AND " + compare_key("<", at), false});
    }
  }
  parts.push_back({compare_key(">=", at) + limit_condition(connection, compare_key(">", at)), true});
  return parts;
}

// The greatest key is that of the last of `limit` rows above the bookmark. All rows with that key are sent;
// rows at the bookmark, which are sent again, do not count.
std::string Incremental::limit_condition(pg::Connection& connection, const std::string& above) {
  if (config_.limit == 0) {
    return "";
  }
  if (!greatest_key_) {
    const TableQuery keys(plan_, fmt::format("pg_catalog.format('%s', {}) AS key", key_), table_);
    const pg::Result last = connection.read_table(
        fmt::format("{} ORDER BY {} OFFSET {} LIMIT 1", keys.sql(above), key_, config_.limit - 1));
    if (last.is_empty()) {
      return "";
    }
    greatest_key_ = last.first().text("key");
  }
  return " AND " + compare_key("<=", pg::quote_literal(*greatest_key_));
}

void Incremental::read_part(pg::Connection& connection, const Part& part, const RowProjection& projection,
                            const singer::RecordFrame& frame) {
  const auto key_position = projection.position(*plan_.stream.replication_key);
  std::string query = TableQuery(plan_, projection.select_list(), table_).sql(part.condition);
  if (part.moves_bookmark) {
    query += " ORDER BY " + key_;
  }
  pg::CopyReader reader(connection, query);
  while (const auto bytes = reader.next()) {
    Cursor row(*bytes);
    projection.take_field_count(row);
    const Cursor fields = row;
    const bool state_is_due = output_.record(frame, [&](Buffer& out) { projection.append(row, out); });
    if (part.moves_bookmark) {
      const auto value = nth_field(fields, key_position);
      const char* const condition = value ? unmet_condition(*value) : nullptr;
      if (condition != nullptr) {
        warn_of_key(fields, projection, *value, condition);
      } else if (value) {
        last_key_ = *value;
        has_key_ = true;
      }
    }
    if (state_is_due) {
      save_key();
      output_.write_state();
    }
  }
}

const char* Incremental::unmet_condition(std::string_view key) const {
  if (is_infinite_ != nullptr && is_infinite_(key)) {
    return "finite";
  }
  return is_key_text_ && !is_utf8(key) ? "valid UTF-8" : nullptr;
}

void Incremental::warn_of_key(Cursor row, const RowProjection& projection, std::string_view key,
                              const char* condition) {
  if (std::exchange(has_warned_of_key_, true)) {
    return;
  }
  Buffer value;
  (*bookmark_encoder_)(key, value);
  // Built as JSON text: parsing would refuse some numbers and documents that a record can hold.
  constexpr std::size_t longest_id = 1000;  // bytes
  Buffer id;
  for (const std::string& name : plan_.stream.key_properties) {
    if (const std::size_t position = projection.position(name); position < projection.columns().size()) {
      id.push(id.size() == 0 ? '{' : ',');
      projection.append_column(row, position, id);
    }
  }
  id.append("}");
  const bool is_shown = id.view().front() == '{' && id.size() <= longest_id;
  log::warn(
      "{}: replication key {} is {} in {}: the bookmark stays at the largest {} key, and later runs send "
      "these rows again; give them a {} key",
      plan_.stream.id, *plan_.stream.replication_key, value.view(),
      is_shown ? fmt::format("the row with {}", id.view()) : "a row", condition, condition);
}

void Incremental::save_key() {
  if (!has_key_) {
    return;
  }
  Buffer json;
  (*bookmark_encoder_)(last_key_, json);
  Json& bookmark = output_.bookmark();
  set_key_value(bookmark, bookmark_value(json.view()));
  note_order(bookmark, order_);
  has_key_ = false;  // the next attempt may have another encoder
}

}  // namespace tap::sync

// SPDX-License-Identifier: Apache-2.0
#include <string_view>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include <tap/pg/quote.hpp>
#include <tap/pg/session_settings.hpp>

namespace tap::pg {

namespace {

// Values are SQL. All servers since 9.3 have these settings: an unknown one would abort the transaction.
constexpr std::pair<const char*, const char*> kSettings[] = {
    // Errors end statements, not sessions.
    {"exit_on_error", "off"},
    // A standby refuses serializable transactions.
    {"default_transaction_isolation", "'read committed'"},
    // The text of values, as the encoders of tap::value expect it.
    {"datestyle", "'ISO, MDY'"},
    {"intervalstyle", "'postgres'"},
    {"timezone", "'UTC'"},
    {"extra_float_digits", "3"},
    {"bytea_output", "'hex'"},
    {"xmloption", "'content'"},
    // What a row filter means.
    {"standard_conforming_strings", "on"},
    {"array_nulls", "on"},
    {"transform_null_equals", "off"},
    // A copy reads a table's file from the start.
    {"synchronize_seqscans", "off"},
    // A row filter that uses a GIN index finds all rows.
    {"gin_fuzzy_search_limit", "0"},
    // Names of types, and of what regclass and similar values refer to.
    {"quote_all_identifiers", "off"},
};

constexpr std::string_view kIdleInTransaction = "idle_in_transaction_session_timeout";

}  // namespace

std::string set_search_path(const char* path, bool local) {
  return fmt::format("SET {}search_path = {}; ", local ? "LOCAL " : "", path);
}

namespace {

/// Tests for each setting, because forks of PostgreSQL lack some settings of their version.
std::string pin_newer_settings(bool local) {
  // Cancels a query whose client is gone. Version 14+, only on operating systems where the server can notice.
  std::string sql = fmt::format(
      "SELECT pg_catalog.set_config('client_connection_check_interval', '1s', {}) "
      "WHERE pg_catalog.current_setting('client_connection_check_interval', true) IS NOT NULL "
      "AND pg_catalog.version() LIKE '%linux%'; ",
      local);
  // The WAL reader's second connection is idle for long, and a copy is a long transaction. Versions 14+ and
  // 17+.
  for (const char* const timeout : {"idle_session_timeout", "transaction_timeout"}) {
    sql += fmt::format(
        "SELECT pg_catalog.set_config('{0}', '0', {1}) "
        "WHERE pg_catalog.current_setting('{0}', true) IS NOT NULL; ",
        timeout, local);
  }
  return sql;
}

}  // namespace

Timeouts known_timeouts(Timeouts timeouts, ServerVersion version) {
  if (!version.has_idle_in_transaction_timeout()) {
    timeouts.erase(std::string(kIdleInTransaction));
  }
  return timeouts;
}

std::string pin_settings(const Timeouts& timeouts, ServerVersion version, bool local) {
  const char* const set = local ? "SET LOCAL" : "SET";
  std::string sql = set_search_path(kCatalogPath, local);  // before all statements that look names up
  // Then these: timeouts left by a pooler's other clients could end the rest.
  for (const auto& [name, value] : known_timeouts(timeouts, version)) {
    sql += fmt::format("{} {} = {}; ", set, name, quote_literal(value));
  }
  // A SQL_ASCII server cannot convert and would refuse to send bytes that are not UTF-8.
  sql += fmt::format(
      "SELECT pg_catalog.set_config('client_encoding', CASE pg_catalog.current_setting('server_encoding') "
      "WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END, {}); ",
      local);
  if (version.has_optional_settings()) {
    sql += pin_newer_settings(local);
  }
  for (const auto& [name, value] : kSettings) {
    sql += fmt::format("{} {} = {}; ", set, name, value);
  }
  return sql;
}

}  // namespace tap::pg

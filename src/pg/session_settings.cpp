// SPDX-License-Identifier: Apache-2.0
#include <string_view>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include <tap/pg/quote.hpp>
#include <tap/pg/session_settings.hpp>

namespace tap::pg {

namespace {

// Values are SQL. Only settings that servers since 9.3 have: an unknown one would end the transaction.
constexpr std::pair<const char*, const char*> kSettings[] = {
    // The text of values, which the encoders of the value room read.
    {"datestyle", "'ISO, MDY'"},
    {"intervalstyle", "'postgres'"},
    {"timezone", "'UTC'"},
    {"extra_float_digits", "3"},
    {"bytea_output", "'hex'"},
    {"xmloption", "'content'"},
    // A copy reads in the order of the file, from the start.
    {"synchronize_seqscans", "off"},
};

constexpr std::string_view kIdleInTransaction = "idle_in_transaction_session_timeout";

}  // namespace

std::string set_search_path(const char* path, bool local) {
  return fmt::format("SET {}search_path = {}; ", local ? "LOCAL " : "", path);
}

namespace {

/// Where the server has them: forks of PostgreSQL do not have all that their version would.
std::string pin_newer_settings(bool local) {
  // A tap that is gone, however it went, leaves no query running behind it. From version 14 on, where the
  // server's system lets it notice.
  std::string sql = fmt::format(
      "SELECT pg_catalog.set_config('client_connection_check_interval', '1s', {}) "
      "WHERE pg_catalog.current_setting('client_connection_check_interval', true) IS NOT NULL "
      "AND pg_catalog.version() LIKE '%linux%'; ",
      local);
  // A connection that looks things up for the log has nothing to do for long, and a copy takes its time. From
  // versions 14 and 17 on.
  for (const char* const timeout : {"idle_session_timeout", "transaction_timeout"}) {
    sql += fmt::format(
        "SELECT pg_catalog.set_config('{0}', '0', {1}) "
        "WHERE pg_catalog.current_setting('{0}', true) IS NOT NULL; ",
        timeout, local);
  }
  return sql;
}

}  // namespace

std::string pin_settings(const Timeouts& timeouts, ServerVersion version, bool local) {
  const char* const set = local ? "SET LOCAL" : "SET";
  std::string sql = set_search_path(kCatalogPath, local);  // before all that has to be looked up
  for (const auto& [name, value] :
       timeouts) {  // then these, since those that a pool has left cut off the rest
    if (name != kIdleInTransaction || version.has_idle_in_transaction_timeout()) {
      sql += fmt::format("{} {} = {}; ", set, name, quote_literal(value));
    }
  }
  // A SQL_ASCII server does not know what its bytes are, and would refuse to send those that are not UTF-8.
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

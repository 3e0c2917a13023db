// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace tap::pg {

class Tunnel;

/// How to reach and enter the server: libpq's connection keywords (manual: libpq, Parameter Key Words) with
/// their values. What is absent libpq takes from its environment, service and password files.
struct Server {
  std::map<std::string, std::string, std::less<>> keywords;
  std::shared_ptr<Tunnel> tunnel{};  ///< the way to it, if there is one; shared by all copies

  /// The database that is connected to when a caller names none; empty if only libpq knows.
  [[nodiscard]] std::string database() const;
  /// For messages, without secrets: `localhost:5432, database shop, user tap`; with a tunnel also
  /// `, through SSH jump.example.com:22`.
  [[nodiscard]] std::string describe(std::string_view database) const;
};

/// True for a connection keyword of the libpq we run with ("sslrootcert").
bool is_connection_keyword(std::string_view name);

/// What the environment says for `keyword` (PGHOST for `host`), which libpq uses if the config is silent;
/// empty if nothing.
std::string connection_default(std::string_view keyword);

}  // namespace tap::pg

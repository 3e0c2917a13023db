// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <tap/base/memory_file.hpp>

namespace tap::ssh {
class Tunnel;
}

namespace tap::pg {

/// The timeouts that each session sets, by the name of the setting, in the server's syntax: `lock_timeout`,
/// `5min`.
using Timeouts = std::map<std::string, std::string, std::less<>>;

/// How to connect and log in: libpq's connection keywords (manual: libpq, Parameter Key Words) with their
/// values, and what libpq does not do. libpq takes missing keywords from the environment, the service file
/// and the password file.
struct ConnectionSettings {
  std::map<std::string, std::string, std::less<>> keywords;
  Timeouts timeouts = {
      {"statement_timeout", "0"}, {"lock_timeout", "5min"}, {"idle_in_transaction_session_timeout", "0"}};
  /// A shell command that prints the password; run for each connection, since tokens expire. Empty: none.
  std::string password_command;

  /// How long the server may send nothing before a second connection asks what the first one's session does;
  /// 0: no limit.
  std::chrono::seconds silence{60};

  /// Sets a keyword of kFileKeywords. `value` is a path, or the contents of the file in PEM format.
  void set_file(const std::string& keyword, const std::string& value);
  /// Sets the keywords of a URI (manual: libpq, Connection URIs), also of SQLAlchemy's form:
  /// `postgresql+psycopg2://user:password@host:5432/shop?sslmode=require`. Returns false if it is not a valid
  /// URI.
  [[nodiscard]] bool take_url(const std::string& url);

  std::shared_ptr<ssh::Tunnel> tunnel{};  ///< null: connect directly; shared by all copies

  /// The database that is connected to when a caller names none; empty if only libpq knows.
  [[nodiscard]] std::string database() const;
  /// The role to log in as; empty if only libpq knows.
  [[nodiscard]] std::string user() const;
  /// For messages, without secrets: `localhost:5432, database shop, user tap`; with a tunnel also
  /// `, through SSH jump.example.com:22`.
  [[nodiscard]] std::string describe(std::string_view database) const;
  /// Replaces secrets, and the paths of files that were given as text, by their keywords in a message of
  /// libpq. Also replaces the path of a private key that does not exist: it may be the key itself.
  [[nodiscard]] std::string with_names(std::string message) const;

 private:
  std::map<std::string, std::shared_ptr<const MemoryFile>> texts_;  ///< by keyword
};

/// Returns settings that accept only the primary of several hosts, unless target_session_attrs is set. A
/// single host is not checked, since a later check reports a standby better than libpq does.
ConnectionSettings primary_of(ConnectionSettings server);

/// True for a connection keyword of the libpq in use ("sslrootcert").
bool is_connection_keyword(std::string_view name);
/// True for a keyword whose value must never be shown ("password").
bool is_secret_keyword(std::string_view name);
/// The keywords that decide how a session is protected, except sslmode and kFileKeywords.
std::span<const std::string_view> security_keywords();
/// The major version of libpq that introduced a keyword of security_keywords(); nothing for other keywords.
std::optional<int> libpq_of_security_keyword(std::string_view name);
/// The version of the libpq in use: `15.14`.
std::string libpq_version();

/// Keywords whose value is a file with a certificate, a key, or a revocation list.
inline constexpr std::array kFileKeywords = {"sslrootcert", "sslcert", "sslkey", "sslcrl"};
/// True if `value` can be given to libpq for one of kFileKeywords: as the path of a file, which may be
/// missing, or as a name that libpq knows. If not, it may be a key without its BEGIN line, and libpq would
/// print it. A missing sslkey is always refused, since its value may be a secret.
bool may_be_file(std::string_view keyword, const std::string& value);

/// Returns the value of the environment variable for `keyword` (PGHOST for `host`), which libpq uses if the
/// config does not set it; empty if the variable is not set.
std::string connection_default(std::string_view keyword);

}  // namespace tap::pg

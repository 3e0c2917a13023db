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

/// The server's timeouts for our sessions, by setting, as the server reads them: `lock_timeout` is `5min`.
using Timeouts = std::map<std::string, std::string, std::less<>>;

/// How to reach and enter the server: libpq's connection keywords (manual: libpq, Parameter Key Words) with
/// their values. What is absent libpq takes from its environment, service and password files.
struct ConnectionSettings {
  std::map<std::string, std::string, std::less<>> keywords;
  Timeouts timeouts = {
      {"statement_timeout", "0"}, {"lock_timeout", "5min"}, {"idle_in_transaction_session_timeout", "0"}};
  /// A shell command that prints the password; run for each connection, since tokens expire. Empty: none.
  std::string password_command;

  /// How long nothing may come from the server until it is asked, by a second connection, what the first one
  /// does there; 0: for ever.
  std::chrono::seconds silence{60};

  /// Sets a keyword that is a file's path (`sslrootcert`): `value` is that, or the file's text in PEM.
  void set_file(const std::string& keyword, const std::string& value);
  /// Takes keywords from a URI (manual: libpq, Connection URIs), of SQLAlchemy's form, too:
  /// `postgresql+psycopg2://user:password@host:5432/shop?sslmode=require`. False if it is none.
  [[nodiscard]] bool take_url(const std::string& url);

  std::shared_ptr<ssh::Tunnel> tunnel{};  ///< the way to it, if there is one; shared by all copies

  /// The database that is connected to when a caller names none; empty if only libpq knows.
  [[nodiscard]] std::string database() const;
  /// The role to log in as; empty if only libpq knows.
  [[nodiscard]] std::string user() const;
  /// For messages, without secrets: `localhost:5432, database shop, user tap`; with a tunnel also
  /// `, through SSH jump.example.com:22`.
  [[nodiscard]] std::string describe(std::string_view database) const;
  /// A message of libpq's, in which what was given as text, or is secret, is called by its keyword. So is
  /// what libpq calls the file of a private key if there is no such file: it may be the key.
  [[nodiscard]] std::string with_names(std::string message) const;

 private:
  std::map<std::string, std::shared_ptr<const MemoryFile>> texts_;  ///< by keyword
};

/// The same server, of whose several hosts only the primary will do, unless target_session_attrs is set. A
/// single host is taken as it is: that it is a standby is told better after connecting.
ConnectionSettings primary_of(ConnectionSettings server);

/// True for a connection keyword of the libpq we run with ("sslrootcert").
bool is_connection_keyword(std::string_view name);
/// True for one whose value must never be shown ("password").
bool is_secret_keyword(std::string_view name);
/// The keywords that decide how a session is protected, without sslmode and the files of certificates.
std::span<const std::string_view> security_keywords();
/// The major version that brought a keyword which decides how a session is protected; empty for others.
std::optional<int> libpq_of_security_keyword(std::string_view name);
/// The version of the libpq we run with: `15.14`.
std::string libpq_version();

/// Keywords whose value is a file with a certificate, a key, or a revocation list.
inline constexpr std::array kFileKeywords = {"sslrootcert", "sslcert", "sslkey", "sslcrl"};
/// True if `value` can be given to libpq for one of kFileKeywords: as the path of a file, which may be
/// missing, or as a name that libpq knows. If not, it may be a key without its BEGIN line, and libpq would
/// print it. A missing sslkey is always refused, since its value may be a secret.
bool may_be_file(std::string_view keyword, const std::string& value);

/// What the environment says for `keyword` (PGHOST for `host`), which libpq uses if the config is silent;
/// empty if nothing.
std::string connection_default(std::string_view keyword);

}  // namespace tap::pg

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace tap::pg {

/// Classifies libpq's message about a failed connection.
struct ConnectFailure {
  /// `message` is libpq's, at full verbosity.
  explicit ConnectFailure(std::string_view message);

  /// True if another attempt may succeed: the server is starting up, has too many connections or cannot be
  /// reached.
  [[nodiscard]] bool is_transient() const;
  /// True if the server refuses only this database: it does not exist, does not allow connections, or the
  /// role has no CONNECT privilege.
  [[nodiscard]] bool is_database_specific() const;

  std::string text;      ///< one line with the SQLSTATE, and what to do where libpq does not say
  std::string sqlstate;  ///< empty if the server sent none
};

}  // namespace tap::pg

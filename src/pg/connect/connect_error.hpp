// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace tap::pg {

/// Why there is no connection.
struct ConnectFailure {
  /// `message` is libpq's, at full verbosity.
  explicit ConnectFailure(std::string_view message);

  /// A later try may go well: the server is starting up, or has no free place, or was not reached at all.
  [[nodiscard]] bool is_transient() const;
  /// The server is there, but has no such database, or none that this user may enter or that lets anyone in.
  [[nodiscard]] bool is_database_specific() const;

  std::string text;      ///< one line, the SQLSTATE in it, and what to do if libpq does not say
  std::string sqlstate;  ///< empty if it was not the server that refused
};

}  // namespace tap::pg

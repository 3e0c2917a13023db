// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <tap/pg/connection_settings.hpp>
#include <tap/pg/result.hpp>

namespace tap::pg {

/// A connection for small queries on the catalog: one read-only transaction with one snapshot and the
/// settings of pin_settings(). To be used by one thread at a time.
class CatalogSession {
 public:
  /// Connects. Throws Error (ExitCode::cannot_connect) with the server's message, or Interrupted.
  CatalogSession(const ConnectionSettings& server, const std::string& database);
  ~CatalogSession();
  CatalogSession(const CatalogSession&) = delete;
  CatalogSession& operator=(const CatalogSession&) = delete;

  /// Runs one statement; `parameters` are bound to $1, $2, ... as text. Throws Error (ExitCode::run_failed).
  Result query(const std::string& sql, const std::vector<std::string>& parameters = {});

  /// Runs one query like query(), and calls `read` with some thousand rows at a time, so that memory does not
  /// grow with their number. `read` must not use the session.
  void query_in_parts(const std::string& sql, const std::vector<std::string>& parameters,
                      const std::function<void(const Result&)>& read);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace tap::pg

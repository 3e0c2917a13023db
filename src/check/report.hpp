// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <tap/check/check.hpp>
#include <tap/pg/connection.hpp>
#include <tap/pg/session_settings.hpp>

namespace tap::check {

/// The findings so far.
class Report {
 public:
  void ok(const std::string& subject, const std::string& found) { add(Severity::ok, subject, {found}); }
  void note(const std::string& subject, const Problem& problem) { add(Severity::note, subject, problem); }
  void warning(const std::string& subject, const Problem& problem) {
    add(Severity::warning, subject, problem);
  }
  void error(const std::string& subject, const Problem& problem, ExitCode code) {
    add(Severity::error, subject, problem, code);
  }

  /// Runs what a run does, too: an Error that it throws is a finding, and the answer is false.
  template <class Look>
  bool attempt(const std::string& subject, Look look) {
    try {
      look();
      return true;
    } catch (const Error& fault) {
      error(subject, fault.problem(), fault.code());
      return false;
    }
  }

  /// The same for queries of our own: in a transaction that can only read, and must come to an end.
  template <class Look>
  bool read(pg::Connection& connection, const std::string& subject, Look look) {
    return attempt(subject, [&] {
      connection.execute("BEGIN READ ONLY; " + pg::set_search_path(pg::kCatalogPath, true) +
                         "SET LOCAL statement_timeout = '60s'");
      try {
        look();
      } catch (const pg::ServerError&) {
        connection.execute("ROLLBACK");
        throw;
      }
      connection.execute("ROLLBACK");
    });
  }

  /// Adds the findings of another.
  void add(const Report& other) {
    findings_.insert(findings_.end(), other.findings_.begin(), other.findings_.end());
  }
  /// Adds findings on what may never be asked for: a note is the worst that they can be.
  void add_as_notes(const Report& optional);

  [[nodiscard]] const std::vector<Finding>& findings() const { return findings_; }

 private:
  void add(Severity severity, const std::string& subject, const Problem& problem,
           ExitCode code = ExitCode::done) {
    findings_.push_back({severity, subject, problem, code});
  }

  std::vector<Finding> findings_;
};

}  // namespace tap::check

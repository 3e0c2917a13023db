// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <tap/check/check.hpp>
#include <tap/pg/connection.hpp>
#include <tap/pg/session_settings.hpp>

namespace tap::check {

/// Collects findings.
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

  /// Calls `step`; an Error that it throws becomes a finding, and the result is false.
  template <class Step>
  bool attempt(const std::string& subject, Step step) {
    try {
      step();
      return true;
    } catch (const Error& fault) {
      error(subject, fault.problem(), fault.code());
      return false;
    }
  }

  /// The same in a read-only transaction with a time-out, for queries that a run does not make.
  template <class Step>
  bool read(pg::Connection& connection, const std::string& subject, Step step) {
    return attempt(subject, [&] {
      connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; " +
                         pg::set_search_path(pg::kCatalogPath, true) + "SET LOCAL statement_timeout = '60s'");
      try {
        step();
      } catch (const Error&) {
        if (connection.is_in_transaction()) {
          connection.execute("ROLLBACK");
        }
        throw;
      }
      connection.execute("ROLLBACK");
    });
  }

  /// Adds the findings of another report.
  void add(const Report& other) {
    findings_.insert(findings_.end(), other.findings_.begin(), other.findings_.end());
  }
  /// Adds the findings about an optional feature, with severity note at most.
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

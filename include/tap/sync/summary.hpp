// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <exception>
#include <optional>
#include <string>

#include <tap/base/error.hpp>
#include <tap/sync/parts/part.hpp>
#include <tap/sync/report.hpp>

namespace tap::sync {

/// The document of --summary, as docs/summary.md describes it.
class SummaryFile {
 public:
  /// Removes an earlier summary, so that none is taken for this run's if the process is killed. Throws Error
  /// (ExitCode::usage) if the file cannot be written or is not a regular one. A symbolic link is followed.
  /// Without a path nothing is written.
  SummaryFile(std::optional<std::string> path, const std::optional<Part>& part);

  /// Calls `work` with a report to fill and writes the summary, also if `work` throws. A summary that cannot
  /// be written is logged and does not change the exit code: rows and state have been written, and a retry
  /// would copy full tables again.
  template <class Work>
  ExitCode cover(Work work) {
    RunReport report;
    try {
      const ExitCode code = work(report);
      write(report, code);
      return code;
    } catch (...) {
      write_failure(report, std::current_exception());
      throw;
    }
  }

 private:
  void write(const RunReport& report, ExitCode code) const noexcept;
  void write_failure(const RunReport& report, const std::exception_ptr& failure) const noexcept;
  void write_document(const RunReport& report, int code, const Json& error) const;

  std::optional<std::string> path_;
  std::optional<Part> part_;
  std::string started_at_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

}  // namespace tap::sync

// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tap/base/clock.hpp>
#include <tap/base/file.hpp>
#include <tap/base/log.hpp>
#include <tap/base/output.hpp>
#include <tap/base/signals.hpp>
#include <tap/singer/replication_method.hpp>
#include <tap/sync/summary.hpp>

namespace tap::sync {

namespace {

double rounded(std::chrono::duration<double> time) {
  constexpr double per_second = 1000;
  return std::round(time.count() * per_second) / per_second;
}

const char* status_name(StreamReport::Status status) {
  switch (status) {
    case StreamReport::Status::succeeded:
      return "succeeded";
    case StreamReport::Status::failed:
      return "failed";
    case StreamReport::Status::incomplete:
      break;
  }
  return "incomplete";
}

const char* class_of(ExitCode code) {
  switch (code) {
    case ExitCode::usage:
      return "usage";
    case ExitCode::cannot_connect:
      return "connection";
    case ExitCode::log_based_unprepared:
      return "log_based_setup";
    case ExitCode::done:
    case ExitCode::run_failed:
      break;
  }
  return "run";
}

Json error_of(const char* kind, std::string_view message) {
  Json error = Json::object();
  error["class"] = kind;
  error["message"] = message;
  return error;
}

Json or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

Json to_json(const StreamReport& stream) {
  Json json = Json::object();
  json["tap_stream_id"] = stream.id;
  json["stream"] = stream.name;
  json["method"] = singer::method_name(stream.method);
  json["status"] = status_name(stream.status);
  json["rows"] = stream.rows;
  json["bytes"] = stream.bytes;
  json["seconds"] = rounded(stream.took);
  json["bookmark"] = stream.bookmark;
  json["error"] = or_null(stream.error);
  return json;
}

Json to_json(const WalReport& wal) {
  Json json = Json::object();
  json["database"] = wal.database;
  json["slot"] = wal.slot;
  json["lsn"] = to_text(wal.lsn);
  json["read_bytes"] = wal.read_bytes;
  json["left_bytes"] = wal.left_bytes;
  return json;
}

Json totals_of(const RunReport& report) {
  Json totals = Json::object();
  totals["streams"] = report.streams.size();
  totals["succeeded"] = report.count(StreamReport::Status::succeeded);
  totals["failed"] = report.count(StreamReport::Status::failed);
  totals["rows"] = report.rows();
  totals["bytes"] = report.bytes();
  return totals;
}

template <class Entry>
Json list(const std::vector<Entry>& entries) {
  Json list = Json::array();
  for (const Entry& entry : entries) {
    list.push_back(to_json(entry));
  }
  return list;
}

bool is_output(const struct stat& file, int descriptor) {
  struct stat output {};
  return ::fstat(descriptor, &output) == 0 && output.st_dev == file.st_dev && output.st_ino == file.st_ino;
}

/// Replacing a device, a pipe or the file that stdout is redirected to would destroy it.
void require_replaceable(const std::string& path) {
  struct stat file {};
  if (::stat(path.c_str(), &file) != 0) {
    return;  // writing it reports why
  }
  if (!S_ISREG(file.st_mode)) {
    throw Error(ExitCode::usage,
                fmt::format("{}: not a regular file, so it cannot be replaced; name another path", path));
  }
  if (is_output(file, STDOUT_FILENO) || is_output(file, STDERR_FILENO)) {
    throw Error(ExitCode::usage,
                fmt::format("{}: the output of the tap goes to this file; name another path", path));
  }
}

}  // namespace

SummaryFile::SummaryFile(std::optional<std::string> path, const std::optional<Part>& part)
    : path_(std::move(path)), part_(part), started_at_(utc_now()) {
  if (!path_) {
    return;
  }
  try {
    require_replaceable(*path_);
    path_ = follow_links(*path_);
    write_file(*path_, "");
  } catch (const Error& error) {
    throw Error(ExitCode::usage, fmt::format("--summary {}", error.what()));
  }
  std::remove(path_->c_str());
}

void SummaryFile::write(const RunReport& report, ExitCode code) const noexcept {
  const bool is_complete = code == ExitCode::done;
  try {
    const std::size_t failed = report.count(StreamReport::Status::failed);
    write_document(report, static_cast<int>(code),
                   is_complete ? Json()
                               : error_of("streams", fmt::format("{} of {} streams failed", failed,
                                                                 report.streams.size())));
  } catch (const std::exception& error) {
    log::error("--summary {}{}", error.what(), is_complete ? "; the sync itself is complete" : "");
  }
}

void SummaryFile::write_failure(const RunReport& report, const std::exception_ptr& failure) const noexcept {
  constexpr int of_signals = 128;
  constexpr int failed = static_cast<int>(ExitCode::run_failed);
  try {
    try {
      std::rethrow_exception(failure);
    } catch (const Interrupted& interrupted) {
      write_document(report, of_signals + interrupted.signal(), error_of("signal", interrupted.what()));
    } catch (const OutputStalled& stalled) {
      write_document(report, of_signals + stalled.signal(), error_of("signal", stalled.what()));
    } catch (const OutputError& error) {
      write_document(report, failed, error_of("output", error.what()));
    } catch (const Error& error) {
      write_document(report, static_cast<int>(error.code()), error_of(class_of(error.code()), error.what()));
    } catch (const std::exception& error) {
      write_document(report, failed, error_of("bug", error.what()));
    }
  } catch (const std::exception& error) {  // the failure of the run counts
    log::error("--summary {}", error.what());
  }
}

void SummaryFile::write_document(const RunReport& report, int code, const Json& error) const {
  if (!path_) {
    return;
  }
  Json summary = Json::object();
  summary["summary_version"] = 1;
  summary["tap"] = "tap-postgres " TAP_VERSION;
  summary["server_version"] = or_null(report.server_version);
  summary["started_at"] = started_at_;
  summary["ended_at"] = utc_now();
  summary["seconds"] = rounded(std::chrono::steady_clock::now() - started_);
  summary["exit_code"] = code;
  summary["error"] = error;
  summary["part"] = part_ ? Json{{"number", part_->number}, {"count", part_->count}} : Json();
  summary["totals"] = totals_of(report);
  summary["streams"] = list(report.streams);
  summary["wal"] = list(report.wal);
  write_file(*path_, to_text(summary, 2) + "\n");
}

}  // namespace tap::sync

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tap/base/error.hpp>
#include <tap/config/config.hpp>
#include <tap/pg/errors.hpp>
#include <tap/singer/writer.hpp>
#include <tap/sync/plan.hpp>

#include "progress.hpp"
#include "state_writer.hpp"

namespace tap::sync {

/// Writes the messages of one stream's copy, with STATEs at the intervals of the config and, unless they are
/// large, where the copy begins and ends. The constructor's arguments must outlive it.
class StreamOutput {
 public:
  StreamOutput(const StreamPlan& plan, const config::Config& config, StateWriter& states,
               singer::Writer& writer)
      : plan_(plan), config_(config), states_(states), writer_(writer), progress_(plan.stream.id) {}

  /// The stream's bookmark for the next STATE. Valid until a message is written.
  Json& bookmark() { return states_.state().bookmark(plan_.stream.id); }

  /// Runs one attempt of the copy. If `copy` throws, calls `save` to update the bookmark and writes a STATE,
  /// so that the target need not wait for the next attempt or run; after an error of this stream only, the
  /// next stream follows at once, so that a large STATE can wait. Writes nothing after OutputError.
  template <class Copy, class Save>
  void attempt(Copy copy, Save save) {
    try {
      copy();
    } catch (const singer::OutputError&) {
      throw;
    } catch (const StreamError&) {
      save();
      write_state_after_error(false);
      throw;
    } catch (const pg::PostgresError& error) {
      save();
      write_state_after_error(error.is_transient());
      throw;
    } catch (...) {
      save();
      write_state_after_error(true);
      throw;
    }
  }

  /// Writes SCHEMA, with the properties of `columns` and, by name, `new_properties`, which the catalog does
  /// not have, and a STATE with this stream as currently_syncing.
  void begin(const std::vector<std::string>& columns, const Json& new_properties,
             const std::vector<std::string>& bookmark_properties);
  /// True after begin().
  [[nodiscard]] bool has_begun() const { return begun_; }
  /// Writes ACTIVATE_VERSION, unless the config leaves it out.
  void activate_version(std::int64_t version) {
    if (config_.emit_activate_version) {
      writer_.activate_version(plan_.name, version);
    }
  }

  /// Writes a RECORD, see singer::Writer. True if a STATE is due: update the bookmark and call write_state().
  template <class Fill>
  bool record(const singer::RecordFrame& frame, Fill fill) {
    const std::size_t size = writer_.record(frame, fill);
    bytes_since_check_ += size;
    bytes_ += size;
    ++rows_;
    states_.note_records();
    return states_.is_due() || is_time();
  }
  /// Writes RECORD lines that another thread has encoded.
  void records(std::string_view lines, std::uint64_t rows) {
    writer_.part(lines);
    writer_.end_of_line();
    bytes_since_check_ += lines.size();
    bytes_ += lines.size();
    rows_ += rows;
    states_.note_records(rows);
    is_time();  // reports progress
  }
  /// True if a STATE is due now: for a copy that cannot write one after each record.
  [[nodiscard]] bool is_state_due() const { return states_.is_due() || states_.is_time(Clock::now()); }
  /// After how many more rows a STATE is due.
  [[nodiscard]] std::uint64_t rows_until_state() const { return states_.records_until_due(); }
  void write_state() { states_.write(); }
  /// Writes a STATE without currently_syncing.
  void end();

  /// For the progress line: the table's number of rows, 0 if it is unknown, and how many of them the position
  /// that the attempt begins at covers. How many rows a row filter lets pass is unknown.
  void expect(std::uint64_t rows, std::uint64_t covered) {
    expected_ = plan_.where.empty() ? rows : 0;
    covered_ = static_cast<std::int64_t>(covered) - static_cast<std::int64_t>(rows_);
  }
  /// Logs the metrics and a summary, unless begin() has not been called.
  void report_end(bool succeeded) const;

  [[nodiscard]] std::uint64_t rows() const { return rows_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] std::chrono::duration<double> elapsed() const { return progress_.elapsed(); }

 private:
  using Clock = Progress::Clock;

  /// Reading the clock takes time, so this does it once per 8 KiB of output.
  bool is_time() {
    constexpr std::size_t interval_bytes = 8192;
    if (bytes_since_check_ < interval_bytes) {
      return false;
    }
    bytes_since_check_ = 0;
    const auto now = Clock::now();
    progress_.report_if_due(now, rows_, [&] { return rest(); });
    report_metrics(now);
    return states_.is_time(now);
  }
  /// `is_last`: nothing may be written for long.
  void write_state_after_error(bool is_last);
  [[nodiscard]] std::string rest() const;
  void report_metrics(Clock::time_point now);

  const StreamPlan& plan_;
  const config::Config& config_;
  StateWriter& states_;
  singer::Writer& writer_;
  Progress progress_;
  bool begun_ = false;
  std::uint64_t rows_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t expected_ = 0;
  std::int64_t covered_ = 0;         ///< rows sent by earlier runs, less those of this run that do not count
  std::uint64_t reported_rows_ = 0;  ///< in METRIC lines
  Clock::time_point last_metric_ = Clock::now();
  std::size_t bytes_since_check_ = 0;
};

}  // namespace tap::sync

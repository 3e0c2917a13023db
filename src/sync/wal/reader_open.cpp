// SPDX-License-Identifier: Apache-2.0
// How a pass over the log begins: its streams, the plugin's options, the slot.
#include <algorithm>
#include <array>

#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>
#include <tap/pg/quote.hpp>
#include <tap/sync/slots/selection.hpp>
#include <tap/sync/slots/server_requirements.hpp>

#include "reader.hpp"
#include "sync/stream_errors.hpp"
#include "sync/wal/records/server_lookup.hpp"

namespace tap::sync {

namespace {

/// The option that a plugin does not know, by its problem `option "x" = "y" is unknown`.
std::string unknown_option(const pg::ServerError& error) {
  const std::string_view text = error.what();
  constexpr std::string_view before = "option \"";
  const auto start = text.find(before);
  if (error.sqlstate() != "22023" || start == std::string_view::npos) {
    return "";
  }
  const auto name = text.substr(start + before.size());
  return std::string(name.substr(0, name.find('"')));
}

/// What the run does without it.
const char* without_option(const std::string& option) {
  if (option == "format-version") {
    return "using format 1, which does not tell of TRUNCATE";
  }
  return option == "numeric-data-types-as-string" ? "NaN and infinities come as null" : "going on without it";
}

/// Without the others it cannot be told where a transaction ends, or when it was.
bool can_do_without(const std::string& option) {
  constexpr std::array options = {"format-version", "numeric-data-types-as-string", "include-xids",
                                  "include-types", "add-tables"};
  return std::ranges::find(options, option) != options.end();
}

}  // namespace

void WalReader::look_up_streams(pg::Connection& connection) {
  if (streams_.empty()) {
    failed_.clear();
    std::deque<WalStream> found;
    for (const StreamPlan* plan : plans_) {
      isolate_stream_errors(
          [&] {
            const Json& bookmark = state_.bookmark(plan->stream.id);
            found.emplace_back(*plan, find_wal_table(connection, *plan, bookmark), config_, bookmark,
                               time_extracted_);
          },
          [&](const Error& error) { fail(*plan, error); });
    }
    streams_ = std::move(found);
    if (old_format_ && !streams_.empty()) {
      log::info("by wal2json's format 1, which does not tell of TRUNCATE");
    }
    for (const WalStream& stream : streams_) {
      stream.warn_of_gaps();
      writer_.schema(stream.plan.name, stream.schema, stream.plan.stream.key_properties, {"lsn"});
    }
  }
  routes_.emplace(streams_, visibility_);
}

pg::ReplicationStream::Options WalReader::plugin_options() const {
  pg::ReplicationStream::Options options = {{"format-version", old_format_ ? "1" : "2"},
                                            {"include-lsn", "true"},
                                            {"include-timestamp", "true"},
                                            {"include-xids", "true"},
                                            {"include-types", "false"}};
  if (old_format_) {
    options.emplace_back("write-in-chunks", "true");
  }
  if (config_.values.non_finite_numbers == value::EncodingOptions::NonFinite::string) {
    options.emplace_back("numeric-data-types-as-string", "true");
  }
  std::string tables = only_known_tables_ ? routes_->known_tables() : routes_->tables_to_send();
  if (!tables.empty()) {
    options.emplace_back("add-tables", std::move(tables));
  }
  std::erase_if(options,
                [&](const auto& option) { return std::ranges::count(unknown_options_, option.first) > 0; });
  return options;
}

/// The server has failed to decode a transaction, and would again. If it is for a row of a table that is not
/// selected, it is left out: a run to the end of WAL knows all partitions up to there. One that follows WAL
/// without end would miss those that are still to be made.
void WalReader::leave_out_other_tables(const pg::Connection& connection, const pg::ServerError& error) {
  const std::string failed = fmt::format("the server cannot decode the transaction after {} in WAL ({})",
                                         to_text(reached_), error.what());
  if (!routes_->has_partitions() || only_known_tables_) {
    const std::string slot = pg::quote_literal(source_.slot);
    const std::string skip =
        connection.version().can_advance_slots()
            ? fmt::format(
                  "SELECT pg_catalog.pg_replication_slot_advance({}, pg_catalog.pg_current_wal_lsn())", slot)
            : fmt::format(
                  "drop the slot with SELECT pg_catalog.pg_drop_replication_slot({0}), create it again with "
                  "SELECT pg_catalog.pg_create_logical_replication_slot({0}, 'wal2json')",
                  slot);
    throw Error(
        ExitCode::run_failed,
        fmt::format(
            "{}: to go on without it, {}, then run with --full-refresh for the streams of database {}",
            failed, skip, source_.database));
  }
  if (!config_.log.stop_at_end) {
    throw Error(
        ExitCode::run_failed,
        fmt::format("{}: if this is about a table that is not selected, a run with `break_at_end_lsn: true` "
                    "gets past it",
                    failed));
  }
  log::warn("{}: trying again with the changes of selected tables only", failed);
  only_known_tables_ = true;
  wants_new_connections_ = true;
}

/// The server may have ended the stream by now, for a change that it cannot decode: throws that error if so.
void WalReader::throw_error_of(pg::ReplicationStream& log) {
  constexpr std::chrono::seconds patience{1};
  const auto until = Clock::now() + patience;
  while (Clock::now() < until &&
         next_event(log, std::chrono::milliseconds(0)) != pg::ReplicationStream::Event::nothing) {
  }
}

/// Others may have read the slot or made it anew since the run began. Now it is ours.
void WalReader::take_over_slot(pg::Connection& connection, pg::ReplicationStream& log) {
  const auto slot = pg::find_slot(connection, source_.slot);
  if (!slot || !slot->active) {
    throw_error_of(log);
    throw pg::TransientError(
        ExitCode::log_based_unprepared,
        fmt::format("replication slot {} is not in use on the server that lookups go to ({}): the hosts have "
                    "changed roles",
                    source_.slot, connection.description()));
  }
  std::vector<StreamPosition> positions;
  for (const WalStream& stream : streams_) {
    if (!stream.failed) {
      positions.push_back({stream.plan.stream.id, stream.bookmark});
    }
  }
  require_not_past(*slot, positions);
  log.set_confirmed(slot->confirmed_flush);
}

std::unique_ptr<pg::ReplicationStream> WalReader::open(pg::Connection& connection) {
  // A failed stream keeps its bookmark: reading from there again would not get any further.
  std::optional<Lsn> least;
  for (const WalStream& stream : streams_) {
    if (!stream.failed) {
      least = least ? std::min(*least, stream.bookmark) : stream.bookmark;
    }
  }
  safe_ = least.value();
  reached_ = safe_;
  end_at_open_ = config_.log.stop_at_end ? source_.end : pg::current_wal_lsn(connection);
  while (true) {
    decoder_ = old_format_ ? change::make_wal2json_v1_decoder(source_.server_encoding)
                           : change::make_wal2json_v2_decoder(source_.server_encoding);
    try {
      auto log = std::make_unique<pg::ReplicationStream>(config_.server, source_.database, source_.slot,
                                                         safe_, plugin_options());
      take_over_slot(connection, *log);
      return log;
    } catch (const pg::ServerError& error) {
      if (decoding_failed_) {
        throw;
      }
      const std::string option = unknown_option(error);
      if (option.empty() && error.is_transient() && error.sqlstate() != "55006") {
        throw;
      }
      if (option.empty() || !can_do_without(option)) {
        throw_slot_error(connection, error, source_.slot);
      }
      log::warn("the server's wal2json does not know the option {}: {}", option, without_option(option));
      old_format_ = old_format_ || option == "format-version";
      unknown_options_.push_back(option);
    }
  }
}

}  // namespace tap::sync

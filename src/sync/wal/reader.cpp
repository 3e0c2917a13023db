// SPDX-License-Identifier: Apache-2.0
#include "reader.hpp"

#include <algorithm>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include <tap/base/clock.hpp>
#include <tap/base/log.hpp>
#include <tap/pg/catalog/slots.hpp>
#include <tap/sync/slots/server_requirements.hpp>

#include "sync/bookmark.hpp"
#include "sync/slots/slot_remedies.hpp"
#include "sync/stream_errors.hpp"
#include "sync/wal/records/recorded_partitions.hpp"
#include "sync/wal/records/server_lookup.hpp"

namespace tap::sync {

namespace {

using change::Change;
using std::chrono::milliseconds;

constexpr milliseconds kShortWait{50};  // while an answer or a backfill is due soon
constexpr milliseconds kLongWait{500};
constexpr std::uint64_t kMessagesPerClock = 64;  // messages between two readings of the clock

/// While this object exists, long waits outside the replication stream (a blocked target, a query, a commit
/// that is not visible yet) send keepalives to the server.
class KeepAlive {
 public:
  KeepAlive(pg::Connection& connection, pg::ReplicationStream& replication, singer::Writer& writer,
            CommitVisibility& visibility)
      : connection_(connection), writer_(writer), visibility_(visibility) {
    const auto stay_alive = [&connection, &replication] {
      if (connection.is_open()) {  // else the server shuts down, which must not wait for this client
        replication.stay_alive();
      }
    };
    writer_.while_blocked(stay_alive);
    visibility_.while_waiting(stay_alive);
    connection_.while_waiting([&replication] { replication.stay_alive(); });
  }
  ~KeepAlive() {
    writer_.while_blocked({});
    connection_.while_waiting({});
    visibility_.while_waiting({});
  }
  KeepAlive(const KeepAlive&) = delete;
  KeepAlive& operator=(const KeepAlive&) = delete;

 private:
  pg::Connection& connection_;
  singer::Writer& writer_;
  CommitVisibility& visibility_;
};

}  // namespace

WalReader::WalReader(const config::Config& config, const WalSource& source,
                     const std::vector<const StreamPlan*>& streams, FlushTracker& flush_tracker,
                     StateWriter& states, singer::Writer& writer)
    : config_(config),
      source_(source),
      flush_tracker_(flush_tracker),
      states_(states),
      writer_(writer),
      time_extracted_(utc_now()),
      streams_(config, streams, states.state()),
      plugin_(config, source),
      records_(config, writer, visibility_, time_extracted_,
               [this](WalStream& stream, const Error& error) { streams_.fail(stream, error); }),
      end_of_wal_(source.end),
      limits_(config.log, source.end, Clock::now()),
      reconnections_(Clock::now()),
      progress_(fmt::format("WAL of database {}", source.database)) {
  for (const StreamPlan* plan : streams) {
    records_.raise_sequence(sequence_of(states_.state().bookmark(plan->stream.id)));
  }
}

WalReport WalReader::report() const {
  const Lsn here = std::max(positions_.written_lsn(), first_lsn_.value_or(Lsn()));
  const auto between = [](Lsn from, Lsn to) { return to > from ? to.value - from.value : 0; };
  return {source_.database, source_.slot, here, between(first_lsn_.value_or(here), here),
          between(here, end_of_wal_)};
}

WalProgress WalReader::progress(const pg::ReplicationStream& replication) const {
  const WalReport bookmarks = report();
  const Lsn here = std::max({bookmarks.lsn, positions_.received_lsn(), replication.lsn()});
  const Lsn end = std::max(end_of_wal_, here);
  return {
      here.value - first_lsn_.value_or(here).value, end.value - here.value, end.value - bookmarks.lsn.value,
      positions_.has_passed_transaction() ? std::nullopt : age_of(commit_time_, replication.server_clock()),
      progress_.elapsed()};
}

void WalReader::attempt(pg::Connection& connection) {
  try {
    read(connection);
  } catch (const TextFormatRequired& required) {
    switch_to_text(required.what());
  } catch (const ReplicationError& error) {
    if (error.is_transient()) {
      throw;
    }
    if (plugin_.is_binary() && error.is_about_binary()) {
      switch_to_text(error.what());
      return;
    }
    if (plugin_.is_pgoutput() && error.is_about_publication()) {
      refuse_publication(connection, source_, positions_.received_lsn(), error);
    }
    if (!error.is_about_change()) {
      throw_slot_error(connection, config_.log, error, source_.slot, source_.plugin);
    }
    restrict_tables(connection, error);
  }
}

void WalReader::read(pg::Connection& connection) {
  connection.pin_session();
  if (!source_.is_standby) {
    require_primary(connection);
  }
  const bool is_first = streams_.all().empty();
  streams_.look_up(connection, source_, writer_, time_extracted_);
  if (is_first && !streams_.all().empty()) {
    if (!connection.version().publishes_truncate()) {
      log::info("the WAL of PostgreSQL {} does not report TRUNCATE", connection.version().text());
    } else if (plugin_.is_wal2json_1()) {
      log::info("reading wal2json format 1, which does not report TRUNCATE");
    }
  }
  router_.emplace(streams_.all(), visibility_);
  positions_ = WalPositions();
  wants_new_connections_ = false;
  if (streams_.have_all_failed()) {
    return;
  }
  records_.discard_pending();
  const auto replication = start(connection);
  decoder_->when_copied([&replication] { replication->free_payload(); });
  const KeepAlive keep_alive(connection, *replication, writer_, visibility_);
  try {
    read_to_end(connection, *replication);
    write_state(connection);
    acknowledge(*replication);
  } catch (const singer::OutputError&) {
    throw;
  } catch (...) {
    streams_.update_bookmarks(positions_.written_lsn(), std::nullopt, records_.sequence());
    states_.write();
    replication->finish();
    throw;
  }
  replication->finish();
  if (wants_new_connections_) {
    log::debug("reconnecting to free the memory of large messages");
    reconnections_.note_reconnection(Clock::now(), positions_.received_lsn());
  }
}

std::unique_ptr<pg::ReplicationStream> WalReader::start(pg::Connection& connection) {
  const Lsn start = streams_.start();
  positions_ = WalPositions(
      start, limits_.has_end_lsn() ? std::nullopt : std::optional(pg::current_wal_lsn(connection)));
  const std::string tables = only_known_tables_ ? router_->known_tables() : router_->tables_to_send();
  first_lsn_ = first_lsn_.value_or(start);
  plugin_.set_binary(reads_binary(connection));
  auto replication =
      start_replication(config_, source_, connection, start, plugin_, tables, streams_.positions());
  streams_.set_timeline(replication->timeline());
  decoder_ = plugin_.make_decoder();
  return replication;
}

bool WalReader::reads_binary(const pg::Connection& connection) {
  return plugin_.is_pgoutput() && !needs_text_ && connection.version().sends_binary_changes() &&
         std::ranges::all_of(streams_.all(), [](const WalStream& stream) {
           return stream.failed || stream.change_schema.reads_binary(stream.key_columns);
         });
}

void WalReader::switch_to_text(const char* reason) {
  log::debug("reading values as text from {} on: {}", to_text(positions_.written_lsn()), reason);
  needs_text_ = true;
  wants_new_connections_ = true;
}

/// The change may be of a table that is not selected. The server leaves such tables out if it is told which
/// ones to send. That is possible in a run to an end LSN, which knows all partitions up to there. A run
/// without end would miss partitions that are created later.
void WalReader::restrict_tables(const pg::Connection& connection, const ReplicationError& error) {
  const std::string failed = fmt::format("the server cannot decode the transaction after {} in WAL ({})",
                                         to_text(positions_.received_lsn()), error.what());
  if (!router_->has_partitions() || only_known_tables_ || plugin_.is_pgoutput()) {
    throw Error(ExitCode::run_failed,
                fmt::format("{}; to skip it, {}", failed, skip_advice(source_, connection.version())));
  }
  if (!limits_.has_end_lsn()) {
    throw Error(
        ExitCode::run_failed,
        fmt::format("{}; if the change is of a table that is not selected, run with `break_at_end_lsn: true` "
                    "to skip it",
                    failed));
  }
  log::warn("{}; retrying with the changes of selected tables only", failed);
  only_known_tables_ = true;
  wants_new_connections_ = true;
}

void WalReader::read_to_end(pg::Connection& connection, pg::ReplicationStream& replication) {
  messages_until_clock_ = 0;
  bool is_time = true;
  ServerLookup lookup(connection);
  // Built once so that no message allocates.
  const change::Decoder::Sink sink = [&](const Change& change) {
    on_change(lookup, change, replication.lsn());
  };
  replication.request_keepalive();
  while (true) {
    if (messages_until_clock_ == 0) {
      messages_until_clock_ = kMessagesPerClock;
      acknowledge(replication);
      look_at_clock(replication);
      is_time = true;
    }
    if (!positions_.in_transaction()) {
      const bool look = std::exchange(is_time, false);  // within a transaction it stays true until the end
      wants_new_connections_ =
          wants_new_connections_ || (look && is_reconnection_due(connection, replication, false));
      if (is_at_end() || (look && limits_.is_out_of_time(Clock::now())) || wants_new_connections_) {
        return;
      }
      if (is_state_due(look)) {
        write_state(connection);
      }
    }
    next(connection, replication, sink);
  }
}

bool WalReader::is_state_due(bool look_at_clock) {
  const bool is_wanted = std::exchange(wants_state_, false) && states_.is_cheap();
  return is_wanted || states_.is_due() || (look_at_clock && states_.is_time(Clock::now()));
}

void WalReader::look_at_clock(const pg::ReplicationStream& replication) {
  if (std::exchange(has_new_messages_, false)) {
    limits_.note_messages(Clock::now());
  }
  progress_.report_if_due(Clock::now(), records_.count(), [&] { return to_text(progress(replication)); });
  reconnections_.note_sent(Clock::now(), std::max(replication.sent_up_to(), replication.lsn()));
}

void WalReader::next(pg::Connection& connection, pg::ReplicationStream& replication,
                     const change::Decoder::Sink& sink) {
  using Event = pg::ReplicationStream::Event;
  const bool waits_short = limits_.has_end_lsn() || records_.has_pending();
  switch (next_event(replication, waits_short ? kShortWait : kLongWait)) {
    case Event::message:
      --messages_until_clock_;
      has_new_messages_ = true;
      decoder_->decode(replication.payload(), replication.lsn(), sink);
      break;
    case Event::keepalive:
      connection.require_open();
      messages_until_clock_ = 0;
      end_of_wal_ = std::max(end_of_wal_, replication.sent_up_to());
      positions_.receive_keepalive(replication.sent_up_to());
      update_written_lsn();
      break;
    case Event::nothing:
      connection.require_open();
      messages_until_clock_ = 0;
      write_pending_rows(connection);
      writer_.flush();  // the target may be waiting for the last change
      wants_new_connections_ = is_reconnection_due(connection, replication, true);
      if (limits_.has_end_lsn() || !positions_.has_caught_up()) {
        replication.request_keepalive();
      }
      break;
  }
}

void WalReader::on_change(TableLookup& lookup, const Change& change, Lsn lsn) {
  switch (change.kind) {
    case Change::Kind::begin:
      positions_.begin_transaction(change.commit_end, limits_.includes(change.commit_end));
      commit_time_ = change.commit_time;
      visibility_.begin(change.xid);
      break;
    case Change::Kind::commit:
      if (positions_.end_transaction(change.commit_end)) {
        if (records_.end_transaction()) {
          wants_state_ = true;
        }
        positions_.receive(change.commit_end);
        update_written_lsn();
      }
      break;
    case Change::Kind::other:
      break;
    default:
      if (positions_.in_transaction()) {
        on_row(lookup, change, lsn);
      }
  }
}

void WalReader::on_row(TableLookup& lookup, const Change& change, Lsn lsn) {
  for (WalStream* const stream : router_->find(lookup, change)) {
    if (!stream->failed && positions_.commit_end() > stream->bookmark) {
      const std::uint64_t before = records_.count();
      isolate_stream_errors([&] { records_.write(lookup, *stream, change, lsn); },
                            [&](const Error& error) { streams_.fail(*stream, error); });
      states_.note_records(records_.count() - before);
    }
  }
}

bool WalReader::is_at_end() const {
  return positions_.has_skipped() || limits_.is_end_reached(positions_.received_lsn());
}

bool WalReader::is_reconnection_due(const pg::Connection& connection,
                                    const pg::ReplicationStream& replication, bool is_idle) const {
  const std::size_t retained = std::max(connection.retained_memory(), replication.retained_memory());
  const Lsn received = positions_.received_lsn();
  return !positions_.in_transaction() &&
         reconnections_.is_due(Clock::now(), received, retained, limits_.bytes_left(received), is_idle);
}

void WalReader::update_written_lsn() {
  if (!records_.has_pending()) {
    positions_.mark_written();
  }
}

void WalReader::write_pending_rows(pg::Connection& connection) {
  ServerLookup lookup(connection);
  records_.write_pending(lookup);
  positions_.mark_written();
}

void WalReader::write_state(pg::Connection& connection) {
  write_pending_rows(connection);
  streams_.update_bookmarks(
      positions_.written_lsn(),
      streams_.need_next_transaction_id() ? std::optional(next_transaction_id(connection)) : std::nullopt,
      records_.sequence());
  streams_.record_publications(source_.records, source_.end);
  states_.write();
}

void WalReader::acknowledge(pg::ReplicationStream& replication) {
  flush_tracker_.read_again(Clock::now(), positions_.written_lsn());
  if (const auto lsn = flush_tracker_.flush_lsn()) {
    replication.set_flushed(*lsn);
  }
}

}  // namespace tap::sync

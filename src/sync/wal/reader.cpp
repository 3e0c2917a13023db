// SPDX-License-Identifier: Apache-2.0
#include "reader.hpp"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include <tap/base/clock.hpp>
#include <tap/base/log.hpp>
#include <tap/base/signals.hpp>
#include <tap/pg/session_settings.hpp>
#include <tap/sync/slots/selection.hpp>
#include <tap/sync/slots/server_requirements.hpp>

#include "sync/bookmark.hpp"
#include "sync/stream_errors.hpp"
#include "sync/wal/records/recorded_partitions.hpp"
#include "sync/wal/records/server_lookup.hpp"

namespace tap::sync {

namespace {

using change::Change;
using std::chrono::milliseconds;

constexpr milliseconds kAskEvery{50};  // whether the end has come
constexpr milliseconds kFollowPatience{500};
constexpr std::chrono::minutes kFirstReconnection{10};  // unless the run is idle
constexpr std::uint64_t kLookAtClock = 64;              // messages between two looks

/// What the plugin and types' output functions raise for a change. Other errors, as of WAL that has been
/// removed, are not about one transaction.
bool is_decoding_failure(std::string_view sqlstate) {
  return sqlstate.starts_with("22") || sqlstate == "54000" || sqlstate == "0A000" || sqlstate == "XX000";
}

}  // namespace

WalReader::WalReader(const config::Config& config, const WalSource& source,
                     std::vector<const StreamPlan*> streams, FlushTracker& flush_tracker,
                     singer::State& state, singer::Writer& writer)
    : config_(config),
      source_(source),
      plans_(std::move(streams)),
      flush_tracker_(flush_tracker),
      state_(state),
      writer_(writer),
      time_extracted_(utc_now()),
      old_format_(config.log.format == config::LogSettings::Format::v1),
      records_(config, writer, visibility_, time_extracted_,
               [this](WalStream& stream, const Error& error) { fail(stream, error); }),
      progress_(fmt::format("log of database {}", source.database)) {
  for (const StreamPlan* plan : plans_) {
    records_.raise_sequence(sequence_of(state_.bookmark(plan->stream.id)));
  }
}

void WalReader::attempt(pg::Connection& connection) {
  try {
    read(connection);
  } catch (const pg::ServerError& error) {
    if (!std::exchange(decoding_failed_, false) || error.is_transient()) {
      throw;
    }
    if (!is_decoding_failure(error.sqlstate())) {
      throw_slot_error(connection, error, source_.slot);
    }
    leave_out_other_tables(connection, error);
  }
}

void WalReader::read(pg::Connection& connection) {
  connection.pin_session();
  require_primary(connection);
  look_up_streams(connection);
  in_transaction_ = false;
  past_end_ = false;
  wants_new_connections_ = false;
  was_at_end_ = false;
  if (std::ranges::all_of(streams_, &WalStream::failed)) {
    return;
  }
  records_.discard_pending();
  const auto log = open(connection);
  decoder_->when_copied([&log] { log->free_payload(); });
  const auto stay_alive = [&] {
    if (connection.is_open()) {  // else the server shuts down, and should not wait for us
      log->stay_alive();
    }
  };
  writer_.while_blocked(stay_alive);
  visibility_.while_waiting(stay_alive);
  connection.while_waiting([&log] { log->stay_alive(); });
  try {
    follow(connection, *log);
    write_state(connection);
    acknowledge(*log);
  } catch (const singer::OutputError&) {
    detach_callbacks(connection);
    throw;
  } catch (...) {
    note_positions();
    writer_.state(state_.document());
    log->finish();
    detach_callbacks(connection);
    throw;
  }
  log->finish();
  detach_callbacks(connection);
  if (wants_new_connections_) {
    log::debug("reconnecting to give back the memory of large messages");
    reconnections_.note_reconnection(Clock::now(), reached_);
  }
}

void WalReader::detach_callbacks(pg::Connection& connection) {
  writer_.while_blocked({});
  connection.while_waiting({});
  visibility_.while_waiting({});
}

void WalReader::fail(WalStream& stream, const Error& error) {
  if (!std::exchange(stream.failed, true)) {
    fail(stream.plan, error);
  }
}

void WalReader::fail(const StreamPlan& stream, const Error& error) {
  log::error("stream {}: {}", stream.stream.id, message_with_hint(error));
  failed_.push_back(stream.stream.id);
}

bool WalReader::is_at_end() const {
  return config_.log.stop_at_end && (past_end_ || reached_ >= source_.end);
}

bool WalReader::is_out_of_time() const {
  const auto now = Clock::now();
  return (config_.log.max_run && now - started_ >= *config_.log.max_run) ||
         (config_.log.max_idle && now - last_news_ >= *config_.log.max_idle);
}

bool WalReader::is_memory_due(const pg::Connection& connection, const pg::ReplicationStream& log,
                              bool is_idle) const {
  const std::size_t retained = std::max(connection.retained_memory(), log.retained_memory());
  const auto now = Clock::now();
  if (in_transaction_ || retained <= pg::Connection::kMostRetained ||
      !reconnections_.is_allowed(now, reached_)) {
    return false;
  }
  if (config_.log.stop_at_end) {
    return reached_ < source_.end && source_.end.value - reached_.value > retained;
  }
  return is_idle || reconnections_.any() || now - started_ >= kFirstReconnection;
}

void WalReader::follow(pg::Connection& connection, pg::ReplicationStream& log) {
  messages_ = 0;
  bool look_at_clock = true;
  // Made once: to make it takes memory, which a message must not.
  const change::Decoder::Sink sink = [&](const Change& change) { on_change(connection, change, log.lsn()); };
  log.ask();
  while (true) {
    if (messages_ % kLookAtClock == 0) {
      if (std::exchange(any_news_, false)) {
        last_news_ = Clock::now();
      }
      acknowledge(log);
      progress_.look(Clock::now(), records_.count(), [&] {
        const Lsn end = std::max(source_.end, log.sent_up_to());
        const Lsn here = std::max(reached_, log.lsn());
        return here < end ? fmt::format("{} of log to go", readable_size(end.value - here.value)) : "";
      });
      reconnections_.note_sent(Clock::now(), std::max(log.sent_up_to(), log.lsn()));
      look_at_clock = true;
    }
    if (!in_transaction_) {
      const bool look = std::exchange(look_at_clock, false);  // in a transaction it waits for the end
      wants_new_connections_ = wants_new_connections_ || (look && is_memory_due(connection, log, false));
      if (is_at_end() || (look && is_out_of_time()) || wants_new_connections_) {
        return;
      }
      if (state_is_due(look)) {
        write_state(connection);
      }
    }
    on_event(connection, log, sink);
  }
}

pg::ReplicationStream::Event WalReader::next_event(pg::ReplicationStream& log, milliseconds patience) {
  try {
    return log.next(patience);
  } catch (const pg::ServerError&) {
    decoding_failed_ = true;
    throw;
  }
}

void WalReader::on_event(pg::Connection& connection, pg::ReplicationStream& log,
                         const change::Decoder::Sink& sink) {
  using Event = pg::ReplicationStream::Event;
  const bool impatient = config_.log.stop_at_end || records_.has_pending();
  switch (next_event(log, impatient ? kAskEvery : kFollowPatience)) {
    case Event::message:
      ++messages_;
      any_news_ = true;
      decoder_->decode(log.payload(), log.lsn(), sink);
      break;
    case Event::keepalive:
      connection.require_open();
      messages_ = 0;
      if (!in_transaction_) {
        reach(log.sent_up_to());
      }
      was_at_end_ = was_at_end_ || (!config_.log.stop_at_end && log.sent_up_to() >= end_at_open_);
      break;
    case Event::nothing:
      connection.require_open();
      messages_ = 0;
      release(connection);
      writer_.flush();  // somebody may be waiting for the last change
      wants_new_connections_ = is_memory_due(connection, log, true);
      if (config_.log.stop_at_end || !was_at_end_) {
        log.ask();
      }
      break;
  }
}

void WalReader::on_change(pg::Connection& connection, const Change& change, Lsn lsn) {
  switch (change.kind) {
    case Change::Kind::begin:
      // What was committed after the run began is the next one's.
      in_transaction_ = !config_.log.stop_at_end || change.commit_end <= source_.end;
      commit_end_ = change.commit_end;
      visibility_.begin(change.xid);
      past_end_ = past_end_ || !in_transaction_;
      break;
    case Change::Kind::commit:
      if (std::exchange(in_transaction_, false)) {
        state_needed_ = records_.end_transaction() || state_needed_;
        reach(change.commit_end);
      }
      break;
    case Change::Kind::other:
      break;
    default:
      if (in_transaction_) {
        on_row(connection, change, lsn);
      }
  }
}

void WalReader::on_row(pg::Connection& connection, const Change& change, Lsn lsn) {
  ServerLookup lookup(connection);
  for (WalStream* const stream : routes_->find(lookup, change)) {
    if (stream->failed || commit_end_ <= stream->bookmark) {
      continue;
    }
    isolate_stream_errors([&] { records_.write(lookup, *stream, change, lsn); },
                          [&](const Error& error) { fail(*stream, error); });
  }
}

void WalReader::reach(Lsn lsn) {
  reached_ = std::max(reached_, lsn);
  if (!records_.has_pending()) {
    safe_ = reached_;
  }
}

void WalReader::acknowledge(pg::ReplicationStream& log) {
  flush_tracker_.read_again(Clock::now(), safe_);
  if (const auto lsn = flush_tracker_.flush_lsn()) {
    log.set_flushed(*lsn);
  }
}

void WalReader::release(pg::Connection& connection) {
  ServerLookup lookup(connection);
  records_.write_pending(lookup);
  if (!in_transaction_) {
    safe_ = reached_;
  }
}

void WalReader::note_positions(std::optional<std::uint64_t> next_transaction) {
  for (WalStream& stream : streams_) {
    Json& bookmark = state_.bookmark(stream.plan.stream.id);
    if (!stream.failed) {
      stream.bookmark = std::max(stream.bookmark, safe_);
    }
    bookmark["lsn"] = stream.bookmark.value;
    bookmark["table_oid"] = stream.relation.oid;
    record_partitions(
        bookmark, stream.partitions,
        needs_next_transaction_id(stream.relation, stream.partitions) ? next_transaction : std::nullopt);
    if (stream.version) {
      bookmark["version"] = *stream.version;
    }
    if (config_.log.sequence && records_.sequence() > 0) {
      bookmark["sequence"] = records_.sequence();
    }
  }
}

void WalReader::write_state(pg::Connection& connection) {
  release(connection);
  const bool is_needed = std::ranges::any_of(streams_, [](const WalStream& stream) {
    return needs_next_transaction_id(stream.relation, stream.partitions);
  });
  note_positions(is_needed ? std::optional(next_transaction_id(connection)) : std::nullopt);
  writer_.state(state_.document());
  last_state_ = Clock::now();
  records_at_state_ = records_.count();
  state_needed_ = false;
}

bool WalReader::state_is_due(bool look_at_clock) const {
  return state_needed_ || records_.count() - records_at_state_ >= config_.state_every_rows ||
         (look_at_clock && Clock::now() - last_state_ >= config_.state_every_time);
}

}  // namespace tap::sync

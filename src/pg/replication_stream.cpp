// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <utility>

#include <libpq-fe.h>
#include <spdlog/fmt/fmt.h>

#include <tap/base/cursor.hpp>
#include <tap/base/log.hpp>
#include <tap/base/signals.hpp>
#include <tap/pg/quote.hpp>
#include <tap/pg/replication_stream.hpp>
#include <tap/pg/session_settings.hpp>

#include "connect/conninfo.hpp"

namespace tap::pg {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kMaxStatusInterval{10'000};
constexpr milliseconds kFinishTimeout{2000};
// Kinds of messages inside CopyData.
constexpr char kData = 'w';
constexpr char kKeepalive = 'k';
constexpr char kStatus = 'r';
// What PQgetCopyData() returns when there are no more messages.
constexpr int kEnded = -1;
constexpr int kFailed = -2;
constexpr const char* kUndefinedObject = "42704";  // SQLSTATE, as of the error of older versions

/// Quotes a string for a replication command, where a backslash has no meaning and E'' is not supported.
std::string quote_option(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    quoted += c;
    quoted += c == '\'' ? "'" : "";
  }
  return quoted + "'";
}

std::string start_command(const std::string& slot, Lsn start, const ReplicationStream::Options& options) {
  std::string list;
  for (const auto& [name, value] : options) {
    list += fmt::format("{}{} {}", list.empty() ? "" : ", ", quote_identifier(name), quote_option(value));
  }
  return fmt::format("START_REPLICATION SLOT {} LOGICAL {}{}", quote_identifier(slot), to_text(start),
                     list.empty() ? "" : " (" + list + ")");
}

void put(char*& to, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) {
    *to++ = static_cast<char>(value >> static_cast<unsigned>(shift));
  }
}

/// Returns the microseconds since 2000-01-01 UTC, the protocol's unit of time.
std::uint64_t server_time() {
  using std::chrono::sys_days;
  using std::chrono::year;
  constexpr auto epoch = sys_days(year(2000) / 1 / 1);
  const auto since = std::chrono::system_clock::now() - epoch;
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(since).count());
}

/// The server ends a stream whose client sends nothing for wal_sender_timeout (default 60 s; 0: no limit).
milliseconds status_interval(Connection& connection) {
  const Result result = connection.simple_query(
      "SELECT setting AS timeout FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'");
  const milliseconds timeout(result.first().number("timeout"));
  return timeout.count() > 0 ? std::min(kMaxStatusInterval, timeout / 4) : kMaxStatusInterval;
}

/// True once the last result of the ended stream has arrived: only then has the server released the slot.
bool is_released(PGconn* connection) {
  while (PQisBusy(connection) == 0) {
    PGresult* const result = PQgetResult(connection);
    PQclear(result);
    if (result == nullptr) {
      return true;
    }
  }
  return false;
}

void free_message(char* message) {
  PQfreemem(message);
}

}  // namespace

ReplicationStream::ReplicationStream(const ConnectionSettings& server, const std::string& database,
                                     const std::string& slot, Lsn start, const Options& options)
    : connection_(for_replication(server), database), message_(nullptr, free_message) {
  connection_.pin_settings(false);
  status_interval_ = status_interval(connection_);
  timeline_ = current_timeline(connection_);
  connection_.execute(set_search_path(kTablePath, false));
  connection_.execute("SET client_min_messages = notice");  // for receive_notice()
  PQsetNoticeReceiver(connection_.connection_.get(), receive_notice, this);
  const std::string command = start_command(slot, start, options);
  log::debug("SQL: {}", command);
  if (PQsendQuery(connection_.connection_.get(), command.c_str()) == 0) {
    fail();
  }
  connection_.check(connection_.receive().get(), PGRES_COPY_BOTH);
  progress_.written = start;
}

/// From version 18 on, pgoutput leaves out a publication that did not exist at the position being decoded,
/// with a warning and thus without the changes of its tables. Older versions end the stream with an error.
void ReplicationStream::receive_notice(void* stream, const pg_result* notice) {
  Connection::log_notice(nullptr, notice);
  const char* const function = PQresultErrorField(notice, PG_DIAG_SOURCE_FUNCTION);
  const char* const text = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
  if (function != nullptr && std::string_view(function) == "LoadPublications" && text != nullptr) {
    static_cast<ReplicationStream*>(stream)->skipped_publication_ = text;
  }
}

void ReplicationStream::fail() {
  connection_.check(connection_.receive().get(), PGRES_COPY_BOTH);
  connection_.throw_lost("the server ended the stream");
}

bool ReplicationStream::receive(milliseconds timeout) {
  PGconn* const connection = connection_.connection_.get();
  char* data = nullptr;
  int size = PQgetCopyData(connection, &data, 1);
  if (size == 0) {
    pacing_.pause(PQsocket(connection));
    if (!signals::wait_until_ready(PQsocket(connection), signals::Readiness::readable, timeout)) {
      check_silence();
      return false;
    }
    if (PQconsumeInput(connection) == 0) {
      fail();
    }
    size = PQgetCopyData(connection, &data, 1);
  }
  message_.reset(data);
  if (!skipped_publication_.empty()) {
    throw ServerError(skipped_publication_, kUndefinedObject);
  }
  if (size < 0) {
    fail();
  }
  size_ = static_cast<std::size_t>(size);
  connection_.note_message_size(size_);
  pacing_.note_received(size_);
  has_received_ = true;
  return size > 0;
}

void ReplicationStream::check_silence() {
  const auto now = Clock::now();
  if (std::exchange(has_received_, false)) {
    silent_since_ = now;
    has_requested_keepalive_ = false;
  }
  const seconds silence_limit = connection_.server_.silence;
  const auto silent = now - silent_since_;
  if (silence_limit.count() == 0 || silent < silence_limit / 2) {
    return;
  }
  if (!has_requested_keepalive_) {  // an idle server may stay silent
    has_requested_keepalive_ = true;
    request_keepalive();
  } else if (silent >= silence_limit) {
    connection_.probe(std::chrono::round<seconds>(silent));
    has_received_ = true;
  }
}

ReplicationStream::Event ReplicationStream::next(milliseconds timeout) {
  signals::throw_if_stop_requested();
  stay_alive();
  if (!receive(timeout)) {
    return Event::nothing;
  }
  Cursor message({message_.get(), size_});
  const char kind = static_cast<char>(message.u8());
  if (kind == kData) {
    lsn_ = {message.u64()};
    message.u64();  // the end of WAL; a logical stream has the same LSN here
    server_clock_ = message.i64();
    payload_ = message.rest();
    progress_.written = std::max(progress_.written, lsn_);
    return Event::message;
  }
  if (kind != kKeepalive) {
    throw Error(ExitCode::run_failed,
                fmt::format("the server sent an unknown replication message, {:#x}", kind));
  }
  sent_up_to_ = {message.u64()};
  progress_.written = std::max(progress_.written, sent_up_to_);  // else the server keeps requesting answers
  server_clock_ = message.i64();
  if (message.u8() != 0) {
    send_status(false);
  }
  return Event::keepalive;
}

bool ReplicationStream::send_status(bool ask_for_keepalive) noexcept {
  std::array<char, 34> status{};
  char* to = status.data();
  *to++ = kStatus;
  for (const Lsn position : {progress_.written, progress_.flushed, progress_.applied}) {
    put(to, position.value);
  }
  put(to, server_time());
  *to = ask_for_keepalive ? 1 : 0;
  last_status_ = Clock::now();
  PGconn* const connection = connection_.connection_.get();
  return PQputCopyData(connection, status.data(), static_cast<int>(status.size())) == 1 &&
         PQflush(connection) == 0;
}

void ReplicationStream::set_flushed(Lsn flushed) {
  if (flushed > progress_.flushed && flushed >= confirmed_) {
    progress_.flushed = flushed;
    progress_.applied = flushed;
    progress_.written = std::max(progress_.written, flushed);
    send_status(false);
  }
}

void ReplicationStream::request_keepalive() {
  send_status(true);
}

void ReplicationStream::stay_alive() noexcept {
  if (Clock::now() - last_status_ >= status_interval_) {
    send_status(false);
  }
}

void ReplicationStream::finish() noexcept {
  PGconn* const connection = connection_.connection_.get();
  send_status(false);
  if (PQputCopyEnd(connection, nullptr) != 1 || PQflush(connection) != 0) {
    return;
  }
  try {
    const auto deadline = Clock::now() + kFinishTimeout;
    bool has_ended = false;  // else messages may still arrive
    while (Clock::now() < deadline) {
      int size = kEnded;
      if (!has_ended) {
        char* data = nullptr;
        size = PQgetCopyData(connection, &data, 1);
        free_message(data);
        has_ended = size == kEnded;
      }
      if (size == kFailed || (has_ended && is_released(connection))) {
        return;
      }
      if (size <= 0 &&
          signals::wait_until_ready(PQsocket(connection), signals::Readiness::readable, kFinishTimeout) &&
          PQconsumeInput(connection) == 0) {
        return;
      }
    }
  } catch (const std::exception&) {
    return;  // interrupted: closing the connection also releases the slot
  }
}

ReplicationStream::Options pgoutput_options(const std::vector<std::string>& publications, bool is_binary) {
  std::string names;
  for (const std::string& publication : publications) {
    names += (names.empty() ? "" : ",") + quote_identifier(publication);
  }
  ReplicationStream::Options options = {{"proto_version", "1"}, {"publication_names", names}};
  if (is_binary) {
    options.emplace_back("binary", "true");
  }
  return options;
}

}  // namespace tap::pg

// SPDX-License-Identifier: Apache-2.0
#include "side_by_side.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>

#include <tap/base/log.hpp>
#include <tap/base/platform.hpp>
#include <tap/base/signals.hpp>

#include "stream_copy.hpp"

namespace tap::sync {

namespace {

constexpr std::size_t kMaxBytesOfConnection = std::size_t{256} << 10U;  // that wait to be written
constexpr std::chrono::milliseconds kSignalPoll{100};

/// What a thread has copied of one stream since its last piece.
struct Piece {
  const StreamPlan* stream = nullptr;
  std::string lines{};                   ///< whole lines
  std::optional<Json> bookmark{};        ///< of the stream, after these lines
  std::optional<StreamReport> report{};  ///< with the last piece of the stream
  bool is_copied = false;                ///< copy_stream() has returned
  std::optional<std::string> failure{};  ///< what it has returned
};

/// The threads, and what they share with the thread that writes.
class Copiers {
 public:
  Copiers(std::vector<StreamToCopy> streams, std::size_t connections, const config::Config& config,
          const singer::State& state, WalReplication& logs)
      : config_(config), logs_(logs), max_bytes_(connections * kMaxBytesOfConnection) {
    config_.parallel = 1;
    for (const StreamToCopy& stream : streams) {
      if (const Json* const bookmark = state.find_bookmark(stream.plan->stream.id)) {
        bookmarks_.emplace(stream.plan, *bookmark);
      }
    }
    queue_.emplace(std::move(streams), connections);
  }
  ~Copiers() { stop(); }
  Copiers(const Copiers&) = delete;
  Copiers& operator=(const Copiers&) = delete;

  /// `stays_open`: the connection is used afterward.
  void start(RetryingConnection& database, bool stays_open) {
    const signals::SignalBlocker blocked;
    const std::lock_guard lock(mutex_);
    threads_.push_back(start_thread([this, &database, stays_open] {
      copy_all(database);
      if (!stays_open) {
        database.drop();  // another thread may need to connect again
      }
    }));
    ++running_;
  }

  /// Waits for a piece; nothing once all streams have ended. Throws what a thread has thrown, and
  /// Interrupted.
  std::optional<Piece> next() {
    std::unique_lock lock(mutex_);
    signals::throw_if_stop_requested();
    while (pieces_.empty() && running_ > 0 && !failure_) {
      for_writer_.wait_for(lock, kSignalPoll);
      signals::throw_if_stop_requested();
    }
    if (failure_) {
      std::rethrow_exception(failure_);
    }
    return take_piece();
  }

  /// Ends the threads. take_left_piece() returns what they have handed over.
  void stop() {
    stopping_ = true;
    {
      const std::lock_guard lock(mutex_);
      for_copiers_.notify_all();
    }
    for (std::thread& thread : std::exchange(threads_, {})) {
      thread.join();
    }
  }

  std::optional<Piece> take_left_piece() {
    const std::lock_guard lock(mutex_);
    return take_piece();
  }

 private:
  std::optional<Piece> take_piece() {
    if (pieces_.empty()) {
      return std::nullopt;
    }
    Piece piece = std::move(pieces_.front());
    pieces_.pop_front();
    bytes_ -= piece.lines.size();
    for_copiers_.notify_all();
    return piece;
  }

  void copy_all(RetryingConnection& database) {
    const signals::StopFlag flag(stopping_);
    try {
      for (auto streams = take(); !streams.empty(); streams = take()) {
        TableTransactions transactions(streams, streams.size());
        for (const StreamPlan* const stream : streams) {
          copy(database, *stream, transactions);
        }
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_ && !stopping_) {
        failure_ = std::current_exception();
      }
    }
    const std::lock_guard lock(mutex_);
    --running_;
    for_writer_.notify_one();
  }

  void copy(RetryingConnection& database, const StreamPlan& stream, TableTransactions& transactions) {
    singer::State state;
    Json& bookmark = state.bookmark(stream.stream.id);
    if (const auto known = bookmarks_.find(&stream); known != bookmarks_.end()) {
      bookmark = known->second;
    }
    singer::Writer writer([&](std::string_view lines, const Json* state_now) {
      Piece piece{&stream, std::string(lines)};
      if (state_now != nullptr) {
        piece.bookmark = state.bookmark(stream.stream.id);
      }
      hand_over(std::move(piece));
    });
    StateWriter states(config_, state, writer);
    Piece end{&stream};
    StreamReport report;
    try {
      end.failure = copy_stream(database, stream, config_, transactions, logs_, states, writer, report);
    } catch (...) {
      end.report = std::move(report);
      hand_over(std::move(end));
      throw;
    }
    writer.flush();
    end.bookmark = state.bookmark(stream.stream.id);
    end.report = std::move(report);
    end.is_copied = true;
    hand_over(std::move(end));
  }

  std::vector<const StreamPlan*> take() {
    const std::lock_guard lock(mutex_);
    return stopping_ ? std::vector<const StreamPlan*>() : queue_->take();
  }

  /// Waits while many bytes wait to be written, but not while the threads end: the last bookmark of a copy
  /// must not be lost.
  void hand_over(Piece piece) {
    std::unique_lock lock(mutex_);
    for_copiers_.wait(lock, [this] { return pieces_.empty() || bytes_ < max_bytes_ || stopping_; });
    bytes_ += piece.lines.size();
    pieces_.push_back(std::move(piece));
    for_writer_.notify_one();
  }

  config::Config config_;  ///< of a copy with one connection
  WalReplication& logs_;
  std::unordered_map<const StreamPlan*, Json> bookmarks_;  ///< at the start
  std::size_t max_bytes_;
  std::vector<std::thread> threads_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;  ///< guards the members below
  std::condition_variable for_writer_;
  std::condition_variable for_copiers_;
  std::optional<StreamQueue> queue_;
  std::deque<Piece> pieces_;
  std::size_t bytes_ = 0;  ///< of the lines in `pieces_`
  std::size_t running_ = 0;
  std::exception_ptr failure_;
};

}  // namespace

void copy_side_by_side(
    std::vector<StreamToCopy> streams, const std::vector<RetryingConnection*>& connections,
    const config::Config& config, WalReplication& logs, StateWriter& states, singer::Writer& writer,
    RunReport& report,
    const std::function<void(const StreamPlan&, const std::optional<std::string>& failure)>& note_end) {
  const auto write = [&](const Piece& piece) {
    const std::string& id = piece.stream->stream.id;
    if (!piece.lines.empty()) {
      writer.part(piece.lines);
      writer.end_of_line();
      states.note_records(static_cast<std::uint64_t>(std::ranges::count(piece.lines, '\n')));
    }
    if (piece.bookmark && states.state().bookmark(id) != *piece.bookmark) {
      states.state().bookmark(id) = *piece.bookmark;
      states.write_if_worthwhile();
    }
    if (piece.is_copied) {
      note_end(*piece.stream, piece.failure);
      writer.flush();
    }
    if (piece.report) {
      report.stream(id).note_copy(*piece.report);
    }
  };
  Copiers copiers(std::move(streams), connections.size(), config, states.state(), logs);
  for (std::size_t i = 0; i < connections.size(); ++i) {
    try {
      copiers.start(*connections[i], i == 0);
    } catch (const ThreadError& error) {
      if (i == 0) {
        throw;
      }
      log::warn("copying with {} of {} connections: {}", i, connections.size(), error.what());
      break;
    }
  }
  const auto next = [&] {
    try {
      return copiers.next();
    } catch (...) {
      states.write_postponed();  // the target may be too slow for the rest
      copiers.stop();
      while (const auto piece = copiers.take_left_piece()) {
        write(*piece);
      }
      throw;
    }
  };
  while (const auto piece = next()) {
    write(*piece);
  }
}

}  // namespace tap::sync

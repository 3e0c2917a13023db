// SPDX-License-Identifier: Apache-2.0
#include "parallel_reader.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>
#include <tap/base/platform.hpp>
#include <tap/base/signals.hpp>
#include <tap/pg/copy_reader.hpp>
#include <tap/pg/quote.hpp>

namespace tap::sync {

namespace {

constexpr std::size_t kChunkSize = std::size_t{128} << 10U;  // bytes
constexpr std::size_t kChunksOfReader = 3;
constexpr std::chrono::milliseconds kSignalPoll{100};

/// Whole RECORD lines of one range.
struct Chunk {
  Buffer lines;
  std::uint64_t rows = 0;
  std::uint64_t range = 0;  ///< RangeQueue::Item::number
  bool ends_range = false;
};

/// Ends a reader because another one has failed or the caller has.
struct Stopped {};

/// The threads, and what they share with the thread that writes.
class Readers {
 public:
  Readers(ParallelCopy& copy, std::size_t count) : copy_(copy), free_(count * (kChunksOfReader - 1)) {}
  ~Readers() {
    stop();
    for (std::thread& thread : threads_) {
      thread.join();
    }
  }
  Readers(const Readers&) = delete;
  Readers& operator=(const Readers&) = delete;

  void start(pg::Connection& connection) {
    const signals::SignalBlocker blocked;
    const std::lock_guard lock(mutex_);
    threads_.push_back(start_thread([this, &connection, projection = copy_.projection.for_another_thread()] {
      read_all(connection, projection);
    }));
    ++running_;
  }

  /// Waits for chunks; none once all ranges have been read. Throws what a reader has thrown, and Interrupted.
  std::deque<Chunk> next() {
    std::unique_lock lock(mutex_);
    while (ready_.empty() && running_ > 0 && !failure_) {
      signals::throw_if_stop_requested();
      for_writer_.wait_for(lock, kSignalPoll);
    }
    if (failure_) {
      std::rethrow_exception(failure_);
    }
    return std::exchange(ready_, {});
  }

  /// Call for each chunk once it was written.
  std::vector<RangeQueue::Position> note_written(Chunk chunk) {
    chunk.lines.clear_large();
    std::vector<RangeQueue::Position> reached;
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(chunk.lines));
    if (chunk.ends_range) {
      reached = copy_.queue.note_written(chunk.range);
    }
    for_readers_.notify_all();
    return reached;
  }

 private:
  void read_all(pg::Connection& connection, const RowProjection& projection) {
    try {
      connection.while_waiting([this] { throw_if_stopping(); });
      Chunk chunk;
      for (auto items = take(); !items.empty(); items = take()) {
        std::vector<std::string> queries;
        queries.reserve(items.size());
        for (const RangeQueue::Item& item : items) {
          queries.push_back(copy_.queries[item.partition].sql(range_condition(item.range)));
        }
        pg::CopyReader reader(connection, queries);
        for (const RangeQueue::Item& item : items) {
          read_range(reader, item, projection, chunk);
        }
      }
    } catch (const Stopped&) {
      log::debug("a parallel reader was stopped");
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) {
        failure_ = std::current_exception();
      }
    }
    connection.while_waiting({});
    const std::lock_guard lock(mutex_);
    --running_;
    for_writer_.notify_one();
  }

  void read_range(pg::CopyReader& reader, const RangeQueue::Item& item, const RowProjection& projection,
                  Chunk& chunk) {
    const auto started = std::chrono::steady_clock::now();
    std::uint64_t rows = 0;
    chunk.range = item.number;
    while (const auto bytes = reader.next()) {
      throw_if_stopping();
      Cursor row(*bytes);
      projection.take_field_count(row);
      chunk.lines.append(copy_.frame.before);
      projection.append(row, chunk.lines);
      chunk.lines.append(copy_.frame.after);
      ++chunk.rows;
      ++rows;
      if (chunk.lines.size() >= kChunkSize) {
        hand_over(chunk);
      }
    }
    {
      const std::lock_guard lock(mutex_);
      copy_.queue.note_read(item, rows, std::chrono::steady_clock::now() - started);
    }
    chunk.ends_range = true;
    hand_over(chunk);
  }

  /// Waits for the next ranges to read; none if there are no more.
  std::vector<RangeQueue::Item> take() {
    std::unique_lock lock(mutex_);
    while (true) {
      throw_if_stopping();
      auto items = copy_.queue.take();
      if (!items.empty() || copy_.queue.is_exhausted()) {
        return items;
      }
      for_readers_.wait(lock);
    }
  }

  /// Gives a chunk to the writer, and replaces it by an empty one of the same range.
  void hand_over(Chunk& chunk) {
    std::unique_lock lock(mutex_);
    const std::uint64_t range = chunk.range;
    ready_.push_back(std::move(chunk));
    for_writer_.notify_one();
    while (free_.empty()) {
      throw_if_stopping();
      for_readers_.wait(lock);
    }
    chunk = {.lines = std::move(free_.back()), .range = range};
    free_.pop_back();
  }

  void stop() {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for_readers_.notify_all();
  }

  void throw_if_stopping() const {
    if (stopping_.load(std::memory_order_relaxed)) {
      throw Stopped();
    }
  }

  ParallelCopy& copy_;
  std::vector<std::thread> threads_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;  ///< guards the members below and copy_.queue
  std::condition_variable for_writer_;
  std::condition_variable for_readers_;
  std::deque<Chunk> ready_;
  std::vector<Buffer> free_;
  std::size_t running_ = 0;
  std::exception_ptr failure_;
};

void warn_of_fewer(const std::string& stream, std::size_t count, std::size_t wanted, const Error& why) {
  log::warn("{}: reading with {} of {} connections: {}", stream, count, wanted, why.what());
}

std::unique_ptr<pg::Connection> open_reader(const pg::Connection& connection, const std::string& database,
                                            const std::string& snapshot,
                                            const std::vector<TableQuery>& queries) {
  auto reader = std::make_unique<pg::Connection>(connection.working_settings(), database);
  reader->pin_settings(true, fmt::format("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "
                                         "SET TRANSACTION SNAPSHOT {}; ",
                                         pg::quote_literal(snapshot)));
  reader->execute(settings_for_scans(reader->version()));
  const pg::Result settings =
      reader->query("SELECT pg_catalog.current_setting('lock_timeout') AS lock_timeout");
  // The first connection has these locks already. A session that waits for a stronger one, until the copy
  // ends, would let this one wait, too.
  reader->execute("SET LOCAL lock_timeout = '100ms'");
  for (const TableQuery& query : queries) {
    reader->read_table(query.sql() + " LIMIT 0");
  }
  reader->execute("SET LOCAL lock_timeout = " + pg::quote_literal(settings.first().text("lock_timeout")));
  return reader;
}

}  // namespace

void read_in_parallel(ParallelCopy copy, const std::vector<pg::Connection*>& connections,
                      const std::function<void(std::string_view lines, std::uint64_t rows)>& write,
                      const std::function<void(const RangeQueue::Position&)>& reached) {
  Readers readers(copy, connections.size());
  for (std::size_t i = 0; i < connections.size(); ++i) {
    try {
      readers.start(*connections[i]);
    } catch (const ThreadError& error) {
      if (i == 0) {
        throw;
      }
      warn_of_fewer(copy.stream, i, connections.size(), error);
      break;
    }
  }
  for (auto chunks = readers.next(); !chunks.empty(); chunks = readers.next()) {
    for (Chunk& chunk : chunks) {
      write(chunk.lines.view(), chunk.rows);
      for (const RangeQueue::Position& position : readers.note_written(std::move(chunk))) {
        reached(position);
      }
    }
  }
}

std::vector<std::unique_ptr<pg::Connection>> open_readers(pg::Connection& connection,
                                                          const std::string& database,
                                                          const std::vector<TableQuery>& queries,
                                                          std::size_t count, const std::string& stream) {
  const pg::Result exported = connection.query("SELECT pg_catalog.pg_export_snapshot() AS snapshot");
  const std::string snapshot = exported.first().text("snapshot");
  std::vector<std::unique_ptr<pg::Connection>> readers;
  try {
    while (readers.size() < count) {
      readers.push_back(open_reader(connection, database, snapshot, queries));
    }
  } catch (const Error& error) {
    warn_of_fewer(stream, readers.size() + 1, count + 1, error);
  }
  return readers;
}

}  // namespace tap::sync

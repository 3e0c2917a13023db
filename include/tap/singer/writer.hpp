// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tap/base/buffer.hpp>
#include <tap/base/json.hpp>
#include <tap/base/output.hpp>

namespace tap::singer {

using tap::OutputClosed;
using tap::OutputError;

/// The constant text around the columns of a stream's RECORD lines, built once per stream.
struct RecordFrame {
  /// Without a version, RECORDs have no `version` member.
  RecordFrame(std::string_view stream, std::optional<std::int64_t> version, std::string_view time_extracted);

  std::string before;  ///< `{"type":"RECORD","stream":"orders","record":{`
  std::string after;   ///< `},"version":...,"time_extracted":"..."}` and the end of the line
};

/// Writes Singer messages, one JSON object a line, whole and in order. What is written waits in a buffer
/// until there is enough of it, or until a STATE or flush() sends it. Throws OutputError.
class Writer {
 public:
  /// Receives whole lines, valid during the call, and then, if `state` is not null, the value of a STATE that
  /// covers them, which has no line.
  using Receiver = std::function<void(std::string_view lines, const Json* state)>;

  /// `file` is the descriptor to write to; the caller closes it.
  explicit Writer(int file) : file_(file) {}
  /// For messages that another writer is to write.
  explicit Writer(Receiver receiver) : file_(-1), receiver_(std::move(receiver)) {}

  void schema(std::string_view stream, const Json& schema, const std::vector<std::string>& key_properties,
              const std::vector<std::string>& bookmark_properties);
  void activate_version(std::string_view stream, std::int64_t version);
  /// Returns the size of the line; 0 for a Receiver.
  std::size_t state(const Json& state);
  /// Adds a stream to the catalog, one member per line for people who edit it. The first megabytes are
  /// written together, so that a failed run mostly leaves stdout empty.
  void catalog_entry(const Json& entry);
  void finish_catalog();

  /// A RECORD whose columns `fill` appends: `"a":1,"b":2`. Returns the size of the line. If `fill` throws,
  /// nothing of it is written.
  template <class Fill>
  std::size_t record(const RecordFrame& frame, Fill fill) {
    const std::size_t start = buffer_.size();
    try {
      buffer_.append(frame.before);
      fill(buffer_);
      buffer_.append(frame.after);
    } catch (...) {
      buffer_.truncate(start);
      throw;
    }
    const std::size_t size = buffer_.size() - start;
    record_bytes_ += size;
    if (buffer_.size() >= kEnough) {
      flush();
    }
    return size;
  }

  /// Writes a piece of a RECORD line that the caller has built. Call end_of_line() after the last piece of a
  /// line, or of several lines.
  void part(std::string_view text);
  void end_of_line() {
    if (buffer_.size() >= kEnough) {
      flush();
    }
  }

  void flush();

  /// The size of all RECORD lines so far.
  [[nodiscard]] std::uint64_t record_bytes() const { return record_bytes_; }

  /// Calls `meanwhile` about once a second while the target blocks the output. It must not write. An empty
  /// function turns this off.
  void while_blocked(std::function<void()> meanwhile);

 private:
  static constexpr std::size_t kEnough = 65536;  // what a pipe holds

  void message(const Json& message);
  void write(std::string_view left);
  /// Lets a process of its own write the rest of the line that was begun, if `left` has all of it: many
  /// targets fail on half a line, and the state that they hold is lost.
  void complete_line(std::string_view left) const;
  /// Waits at most a second until the file accepts output; returns how many of `size` bytes it accepts
  /// without blocking. None if a signal has come.
  std::size_t wait_for_room(std::size_t size);
  /// Waits at most a second until a non-blocking stdout (O_NONBLOCK set by a process that shares it) has
  /// room.
  void wait_until_writable() const;

  int file_;
  Receiver receiver_;  ///< instead of `file_`
  Buffer buffer_;
  bool has_catalog_ = false;  ///< it has been begun
  std::uint64_t record_bytes_ = 0;
  std::function<void()> meanwhile_;
  bool is_in_line_ = false;  ///< what was written last has not ended its line
  bool may_block_ = false;   ///< it is a pipe, a socket or a terminal
};

}  // namespace tap::singer

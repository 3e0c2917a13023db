// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include <tap/base/error.hpp>

namespace tap {

/// A write to stdout failed, for example because the disk is full. The last line may be incomplete.
class OutputError : public Error {
 public:
  explicit OutputError(const std::string& text) : Error(ExitCode::run_failed, text) {}
};

/// The target closed its end of stdout. main() ends the process without a message.
class OutputClosed : public OutputError {
 public:
  OutputClosed() : OutputError("stdout was closed by the reading process") {}
};

/// The target did not read stdout while the process was to stop, see signals::signal_without_grace().
class OutputStalled : public OutputError {
 public:
  explicit OutputStalled(int signal);

  [[nodiscard]] int signal() const noexcept { return signal_; }

 private:
  int signal_;
};

/// Throws the exception for a write to stdout that failed with the errno value `error`: OutputClosed for
/// EPIPE, else OutputError.
[[noreturn]] void throw_output_error(int error);

/// Writes all of `text` to stdout, unbuffered: help and reports, everything that is not a Singer message.
/// Throws OutputError.
void write_stdout(std::string_view text);

/// Starts a process that writes `text` to `file`, as slowly as the file accepts it, and ends then, or when
/// the other end is closed. It holds no other file, and takes no signals to stop. Does nothing if no process
/// can be started.
void write_in_background(int file, std::string_view text);

}  // namespace tap

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include <tap/base/error.hpp>

namespace tap {

/// stdout cannot be written, for example because the disk is full. Whatever was written last may be
/// incomplete.
class OutputFailed : public Error {
 public:
  explicit OutputFailed(const std::string& text) : Error(ExitCode::run_failed, text) {}
};

/// The reading end of stdout was closed: the process ends without a message.
class OutputClosed : public OutputFailed {
 public:
  OutputClosed() : OutputFailed("the reader of stdout has closed it") {}
};

/// Throws what errno says about a failed write to stdout: OutputClosed for EPIPE, else OutputFailed.
[[noreturn]] void throw_output_error(int error);

/// Writes a whole text to stdout, unbuffered: help, reports, anything but a run's messages. Throws
/// OutputFailed.
void write_stdout(std::string_view text);

}  // namespace tap

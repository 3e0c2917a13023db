// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string_view>

#include <simdjson.h>

#include <tap/base/buffer.hpp>
#include <tap/change/change.hpp>

#include "malformed_message.hpp"
#include "transcoder.hpp"

namespace tap::change {

/// Converts JSON messages to UTF-8 and parses them. Keeps a copy of the message, because simdjson requires
/// padding after the text.
class Payload {
 public:
  explicit Payload(std::string_view server_encoding) : transcoder_(server_encoding) {}

  /// Parses `text`. The document and its strings are valid until the next call of open() or shrink(). If
  /// `text` is larger than 1 MiB, calls `on_copied` once it is copied: from then on `text` may be freed.
  /// Throws simdjson_error.
  simdjson::ondemand::document open(std::string_view text, const std::function<void()>& on_copied);

  /// Frees the memory of a large message.
  void shrink();

 private:
  simdjson::simdjson_result<simdjson::ondemand::document> parse();

  Transcoder transcoder_;
  Buffer text_;
  simdjson::ondemand::parser parser_;
};

/// Returns the contents of a string. Throws simdjson_error if it is not one. Keys are compared as
/// raw_json_string: unescaped_key() reads and writes past its buffers if a malformed message has no end of
/// the string.
std::string_view read_string(simdjson::ondemand::value value);
/// Returns a column's value: the contents of a string, or the characters of a number, true or false. The
/// data() of NULL is null. Throws simdjson_error for an array or object.
std::string_view read_value(simdjson::ondemand::value value);
/// Returns an LSN from its text. Throws simdjson_error if it is not one.
Lsn read_lsn_value(simdjson::ondemand::value value);

/// True if nothing follows the value that has been read.
bool is_at_end(simdjson::ondemand::document& document);

/// Calls `read` and turns a simdjson_error into an Error that names the position of `message`.
template <class Read>
void read_message(std::string_view message, Lsn lsn, Read read) {
  try {
    read();
  } catch (const simdjson::simdjson_error& error) {
    throw_malformed_message("wal2json", message, lsn, error.what());
  }
}

}  // namespace tap::change

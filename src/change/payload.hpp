// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string_view>

#include <simdjson.h>

#include <tap/base/buffer.hpp>
#include <tap/change/change.hpp>

#include "transcoder.hpp"

namespace tap::change {

/// A JSON message on its way through simdjson, whose parsers want room behind the text.
class Payload {
 public:
  explicit Payload(std::string_view server_encoding) : transcoder_(server_encoding) {}

  /// The document of `text`; it and its strings are good until the next call of this or shrink(). Before it
  /// is parsed, `on_copied` is called if `text` is large: it is not needed any more.
  simdjson::ondemand::document open(std::string_view text, const std::function<void()>& on_copied);

  /// Gives the memory of a large message back.
  void shrink();

 private:
  simdjson::simdjson_result<simdjson::ondemand::document> parse();

  Transcoder transcoder_;
  Buffer text_;
  simdjson::ondemand::parser parser_;
};

/// A value of a row: text, or the characters of a number, true or false. NULL has no data().
std::string_view read_value(simdjson::ondemand::value value);
/// An LSN; throws simdjson_error if the text is not one.
Lsn read_lsn_value(simdjson::ondemand::value value);

/// Nothing follows what has been read.
bool is_at_end(simdjson::ondemand::document& document);

/// Throws Error (run_failed): a message that the plugin does not write.
[[noreturn]] void malformed_message(std::string_view message, Lsn lsn, const char* what);

/// Runs `read`; what is wrong with the message becomes an Error that names its place.
template <class Read>
void reading(std::string_view message, Lsn lsn, Read read) {
  try {
    read();
  } catch (const simdjson::simdjson_error& error) {
    malformed_message(message, lsn, error.what());
  }
}

}  // namespace tap::change

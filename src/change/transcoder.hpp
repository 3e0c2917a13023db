// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include <iconv.h>

#include <tap/base/buffer.hpp>

namespace tap::change {

/// Converts text from the database's encoding to UTF-8. Necessary because a walsender sends the text of an
/// output plugin in the database's encoding, whatever client_encoding is.
class Transcoder {
 public:
  /// `server_encoding` is the server's name of the encoding: "UTF8", "LATIN1" (manual: Character Set
  /// Support). Throws Error (ExitCode::log_based_unprepared) if the C library does not support it.
  explicit Transcoder(std::string_view server_encoding);
  ~Transcoder();
  Transcoder(const Transcoder&) = delete;
  Transcoder& operator=(const Transcoder&) = delete;

  /// Appends `text` as UTF-8. Each invalid byte becomes U+FFFD; text of a UTF8 database is appended
  /// unchecked.
  void append(std::string_view text, Buffer& out);

 private:
  void convert(std::string_view text, Buffer& out);

  bool is_utf8_ = false;
  bool is_sql_ascii_ = false;  ///< bytes of any encoding: only valid UTF-8 is kept
  iconv_t converter_ = nullptr;
};

}  // namespace tap::change

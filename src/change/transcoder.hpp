// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include <iconv.h>

#include <tap/base/buffer.hpp>

namespace tap::change {

/// Brings the text of a database to UTF-8. A walsender does not: what a text plugin writes goes out in the
/// server's encoding, whatever client_encoding says.
class Transcoder {
 public:
  /// `server_encoding` as the server names it: "UTF8", "LATIN1". Throws Error for one that the C library
  /// does not know.
  explicit Transcoder(std::string_view server_encoding);
  ~Transcoder();
  Transcoder(const Transcoder&) = delete;
  Transcoder& operator=(const Transcoder&) = delete;

  /// Appends `text` as UTF-8; what is not text becomes U+FFFD byte by byte.
  void append(std::string_view text, Buffer& out);

 private:
  void convert(std::string_view text, Buffer& out);

  bool as_it_is_ = false;  ///< it is UTF-8
  bool unknown_ = false;   ///< SQL_ASCII: it may be anything
  iconv_t converter_ = nullptr;
};

}  // namespace tap::change

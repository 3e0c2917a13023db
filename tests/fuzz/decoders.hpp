// SPDX-License-Identifier: Apache-2.0
// Shared by the fuzz targets of the decoders.
#pragma once

#include <tap/base/buffer.hpp>
#include <tap/base/error.hpp>
#include <tap/base/json_string.hpp>
#include <tap/change/decoder.hpp>

#include "support.hpp"

namespace tap::fuzz {

/// Reads every byte of a change.
inline void require_readable(const change::Change& change) {
  Buffer out;
  const auto append = [&out](std::string_view text) {
    append_json_string(out, text);
    out.push(',');
  };
  out.push('[');
  for (const auto* fields : {&change.columns, &change.identity}) {
    for (const change::Field& field : *fields) {
      append(field.name);
      append(field.value);
    }
  }
  append(change.schema);
  append(change.table);
  append(change.commit_time);
  append_json_string(out, change.xid);
  out.push(']');
  require_json(out.view());
}

/// Decodes the messages of an input one after another. After an error the decoder starts over, as it does
/// when the connection is lost.
inline void decode_messages(change::Decoder& decoder, std::string_view input, std::string_view separator,
                            const change::Decoder::Sink& sink, const std::function<void()>& on_restart) {
  while (!input.empty()) {
    const ExactCopy message(take(input, separator));
    try {
      decoder.decode(message.view(), Lsn{1}, sink);
    } catch (const Error& error) {
      if (error.code() != ExitCode::run_failed) {
        fail("wrong exit code", error.what());
      }
      decoder.restart();
      on_restart();
    }
  }
}

using MakeWal2jsonDecoder = std::unique_ptr<change::Decoder> (*)(std::string_view server_encoding);

/// The first byte of an input chooses the database's encoding; a message per line follows.
inline void decode_wal2json(MakeWal2jsonDecoder make, std::string_view input) {
  constexpr std::array encodings = {"UTF8", "LATIN1", "SQL_ASCII", "EUC_JP"};
  if (input.empty()) {
    return;
  }
  const auto encoding = static_cast<unsigned char>(input.front()) % encodings.size();
  decode_messages(*make(encodings[encoding]), input.substr(1), "\n", require_readable, [] {});
}

}  // namespace tap::fuzz

// SPDX-License-Identifier: Apache-2.0
#include "payload.hpp"

#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>

namespace tap::change {

namespace {

std::string_view trimmed(std::string_view token) {
  return token.substr(0, token.find_last_not_of(" \t\r\n") + 1);
}

}  // namespace

simdjson::ondemand::document Payload::open(std::string_view text) {
  auto document = open(text, transcoder_);
  if (document.error() == simdjson::UTF8_ERROR) {
    // The server checks text, but not the bytes of logical messages and of the type "char".
    Transcoder any_bytes("SQL_ASCII");
    document = open(text, any_bytes);
  }
  return document;
}

simdjson::simdjson_result<simdjson::ondemand::document> Payload::open(std::string_view text,
                                                                      Transcoder& transcoder) {
  text_.clear();
  transcoder.append(text, text_);
  text_.reserve(simdjson::SIMDJSON_PADDING);
  const std::string_view whole = text_.view();
  return parser_.iterate(
      simdjson::padded_string_view(whole.data(), whole.size(), whole.size() + simdjson::SIMDJSON_PADDING));
}

std::string_view read_value(simdjson::ondemand::value value) {
  switch (value.type()) {
    case simdjson::ondemand::json_type::string:
      return value.get_string();
    case simdjson::ondemand::json_type::number:
    case simdjson::ondemand::json_type::boolean:
      return trimmed(value.raw_json_token());
    case simdjson::ondemand::json_type::null:
      return {};
    default:
      throw simdjson::simdjson_error(simdjson::INCORRECT_TYPE);
  }
}

Lsn read_lsn_value(simdjson::ondemand::value value) {
  const std::string_view text = value.get_string();
  const auto lsn = read_lsn(text);
  if (!lsn) {
    throw simdjson::simdjson_error(simdjson::INCORRECT_TYPE);
  }
  return *lsn;
}

bool is_at_end(simdjson::ondemand::document& document) {
  return document.current_location().error() == simdjson::OUT_OF_BOUNDS;
}

void malformed_message(std::string_view message, Lsn lsn, const char* what) {
  throw Error(ExitCode::run_failed,
              fmt::format("the message at {} of the log, {} bytes, is not what wal2json writes ({}): nothing "
                          "after it has been read; please report this with the plugin's version",
                          to_text(lsn), message.size(), what));
}

}  // namespace tap::change

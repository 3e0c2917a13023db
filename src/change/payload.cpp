// SPDX-License-Identifier: Apache-2.0
#include "payload.hpp"

#include <cstdint>
#include <limits>
#include <utility>

namespace tap::change {

namespace {

constexpr std::size_t kLarge = std::size_t{1} << 20U;  // the memory of larger messages is freed at once

/// Returns the characters of a string, number, true or false.
std::string_view token_of(simdjson::ondemand::value value) {
  // A message has less than 2 GiB. Past the end of a malformed one, simdjson returns a size of nearly 4 GiB.
  constexpr std::size_t largest = std::numeric_limits<std::int32_t>::max();
  const std::string_view token = value.raw_json_token();
  if (token.size() > largest) {
    throw simdjson::simdjson_error(simdjson::INCOMPLETE_ARRAY_OR_OBJECT);
  }
  return token.substr(0, token.find_last_not_of(" \t\r\n") + 1);
}

}  // namespace

simdjson::ondemand::document Payload::open(std::string_view text, const std::function<void()>& on_copied) {
  text_.clear();
  text_.reserve(text.size() + simdjson::SIMDJSON_PADDING);
  transcoder_.append(text, text_);
  if (text.size() > kLarge && on_copied) {
    on_copied();
  }
  auto document = parse();
  if (document.error() == simdjson::UTF8_ERROR) {
    // The server validates text, but not logical messages and values of type "char".
    const Buffer as_sent = std::exchange(text_, Buffer());
    Transcoder("SQL_ASCII").append(as_sent.view(), text_);
    document = parse();
  }
  return document;
}

void Payload::shrink() {
  if (text_.size() > kLarge) {
    text_.shrink(kLarge);
    parser_ = simdjson::ondemand::parser();
  }
}

simdjson::simdjson_result<simdjson::ondemand::document> Payload::parse() {
  text_.reserve(simdjson::SIMDJSON_PADDING);
  const std::string_view whole = text_.view();
  return parser_.iterate(
      simdjson::padded_string_view(whole.data(), whole.size(), whole.size() + simdjson::SIMDJSON_PADDING));
}

std::string_view read_string(simdjson::ondemand::value value) {
  const std::string_view token = token_of(value);
  if (token.size() < 2 || token.front() != '"' || token.back() != '"') {
    throw simdjson::simdjson_error(simdjson::STRING_ERROR);
  }
  const std::string_view contents = token.substr(1, token.size() - 2);
  if (contents.find('\\') == contents.npos) {
    return contents;
  }
  // get_string() searches the end without a limit: it is there unless the last quote is escaped.
  const std::size_t backslashes = contents.size() - 1 - contents.find_last_not_of('\\');
  if (backslashes % 2 == 1) {
    throw simdjson::simdjson_error(simdjson::STRING_ERROR);
  }
  return value.get_string();
}

std::string_view read_value(simdjson::ondemand::value value) {
  switch (value.type()) {
    case simdjson::ondemand::json_type::string:
      return read_string(value);
    case simdjson::ondemand::json_type::number:
    case simdjson::ondemand::json_type::boolean:
      return token_of(value);
    case simdjson::ondemand::json_type::null:
      return {};
    default:
      throw simdjson::simdjson_error(simdjson::INCORRECT_TYPE);
  }
}

Lsn read_lsn_value(simdjson::ondemand::value value) {
  const auto lsn = read_lsn(read_string(value));
  if (!lsn) {
    throw simdjson::simdjson_error(simdjson::INCORRECT_TYPE);
  }
  return *lsn;
}

bool is_at_end(simdjson::ondemand::document& document) {
  return document.current_location().error() == simdjson::OUT_OF_BOUNDS;
}

}  // namespace tap::change

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <tap/base/buffer.hpp>

namespace tap {

/// JSON documents (config, catalog, state, schemas). Keys keep their order. A number that neither a 64-bit
/// integer nor the shortest text of a double can give back digit by digit (a numeric bookmark, `maximum:
/// 10^62`) is held as its text, see raw_number(); only append_json() can write it.
using Json = nlohmann::ordered_json;

/// Parses a whole document. `what` names it in the error: "catalog.json" gives
/// `catalog.json: not valid JSON at line 3, column 7`. Throws Error with ExitCode::usage, also for a document
/// that is nested more than 1,000 levels deep.
Json parse_json(std::string_view text, const std::string& what);

/// A number by its digits. `digits` must be a JSON number.
Json raw_number(std::string_view digits);
/// The digits of any number in a document: what raw_number() was given, else what append_json() would write.
std::string number_text(const Json& number);
/// True for number values of either kind.
bool is_number(const Json& value);

/// Writes a document: compact with indent 0, else one member a line, `indent` blanks a level. `depth` is the
/// level that it stands on itself.
void append_json(Buffer& out, const Json& value, int indent = 0, int depth = 0);
std::string to_text(const Json& value, int indent = 0);

/// Writes text as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD, so that a line stays
/// valid whatever a SQL_ASCII database holds.
void append_json_string(Buffer& out, std::string_view text);
/// The same without the quotes, to write a string in pieces (pieces must not split a character).
void append_json_characters(Buffer& out, std::string_view text);

}  // namespace tap

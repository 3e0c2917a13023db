// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <tap/base/buffer.hpp>
#include <tap/base/json_string.hpp>

namespace tap {

/// A JSON document: config, catalog, state or schema. Keys keep their order. A number that neither a 64-bit
/// integer nor the shortest text of a double reproduces digit by digit (a numeric bookmark, `maximum: 10^62`)
/// is stored as text, see raw_number(). Write documents with append_json(): dump() does not know such
/// numbers.
using Json = nlohmann::ordered_json;

/// Parses a whole document. `what` names it in errors: "catalog.json" gives `catalog.json: not valid JSON at
/// line 3, column 7`. Throws Error (ExitCode::usage) if `text` is not one JSON value or is nested more than
/// 1,000 levels deep.
Json parse_json(std::string_view text, const std::string& what);

/// Returns a number that keeps its text. `digits` must be a JSON number.
Json raw_number(std::string_view digits);
/// Returns the text of a number: what raw_number() was given, else what append_json() writes.
std::string number_text(const Json& number);
/// True for an ordinary number and for one made by raw_number().
bool is_number(const Json& value);

/// Appends a document: compact with `indent` 0, else one member per line, indented by `indent` blanks per
/// level. `depth` is the level of the document within an enclosing one.
void append_json(Buffer& out, const Json& value, int indent = 0, int depth = 0);
/// Returns what append_json() appends.
std::string to_text(const Json& value, int indent = 0);

}  // namespace tap

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tap::pg {

/// `name` as an SQL identifier, always quoted.
std::string quote_identifier(std::string_view name);
/// `"schema"."table"`.
std::string quote_qualified(std::string_view schema, std::string_view table);
/// `text` as an SQL string, whatever standard_conforming_strings says.
std::string quote_literal(std::string_view text);
/// The text of an array of text, for a bound parameter: `{"a","b"}`.
std::string array_text(const std::vector<std::string>& elements);

/// SQL for the logger: the contents of string literals, which may be personal data, are replaced by `?`.
std::string without_literals(std::string_view sql);

}  // namespace tap::pg

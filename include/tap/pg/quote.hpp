// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tap::pg {

/// Returns `name` as an SQL identifier, always quoted.
std::string quote_identifier(std::string_view name);
/// `"schema"."table"`.
std::string quote_qualified(std::string_view schema, std::string_view table);
/// Returns `text` as an SQL string, valid with any standard_conforming_strings.
std::string quote_literal(std::string_view text);
/// Returns the text of a text[] value, for a bound parameter: `{"a","b"}`.
std::string array_text(const std::vector<std::string>& elements);

/// Returns `sql` for the log: string literals, which may contain personal data, become `'?'`.
std::string without_literals(std::string_view sql);

}  // namespace tap::pg

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <tap/base/json.hpp>
#include <tap/value/options.hpp>
#include <tap/value/type.hpp>

namespace tap::value {

/// The JSON schema of a column: `{"type": ["null", "integer"], ...}`; a key column's is without "null"
/// (arrays keep it in the singer_io dialect, as the Python tap does). EncodingOptions::schema_dialect chooses
/// between the portable form, valid in every draft, and the Python tap's.
Json json_schema(const Type& type, bool is_key, const EncodingOptions& options);

/// The `definitions` of a stream's schema in the singer_io dialect: the six fixed ones, then one for each
/// distinct numeric array among the columns, in column order. The portable dialect has none.
Json fixed_definitions();
void add_definitions(Json& definitions, const Type& type);

}  // namespace tap::value

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <tap/base/json.hpp>
#include <tap/value/options.hpp>
#include <tap/value/type.hpp>

namespace tap::value {

/// Returns the JSON schema of a column: `{"type": ["null", "integer"], ...}`. A key column's schema lacks
/// "null", except for arrays in the singer_io dialect, as in the Python tap. EncodingOptions::schema_dialect
/// is `portable`, valid in every JSON Schema draft, or `singer_io`, the Python tap's.
Json json_schema(const Type& type, bool is_key, const EncodingOptions& options);

/// Returns the options for a column that the catalog describes by the JSON schema `property`, so that its
/// values fit catalogs of the other taps: JSON values where it allows objects, a date without a time where
/// its format is `date`, bit(1) as text where it allows no booleans. `root` is the schema of the stream, for
/// `$ref`.
EncodingOptions options_for(const Type& type, const Json& property, const Json& root,
                            EncodingOptions options);

/// Returns the `definitions` that every stream's schema has in the singer_io dialect. The portable dialect
/// has none.
Json fixed_definitions();
/// Adds the definition that the schema of `type` refers to, if it is not there: that of a numeric array. Call
/// it for each column in column order.
void add_definitions(Json& definitions, const Type& type);

}  // namespace tap::value

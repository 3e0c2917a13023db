// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <tap/config/config.hpp>

#include "reader.hpp"

namespace tap::config {

/// Adds the row filters of the setting `where`: `{"schema.table": "condition"}`, or a list of conditions.
void add_row_filters(Config& config, const Reader& value);

/// Adds the row filters of the Meltano tap's setting `stream_options`:
/// `{"schema-table": {"custom_where_clauses": ["condition"]}}`.
void add_stream_options(Config& config, const Reader& value);

}  // namespace tap::config

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <tap/base/json.hpp>
#include <tap/singer/catalog.hpp>
#include <tap/value/options.hpp>

namespace tap::sync {

/// The schema of a SCHEMA message: the catalog's as it stands, with the properties of `columns` only; in the
/// singer_io dialect with all of them, as the Python tap sends it.
Json stream_schema(const singer::Stream& stream, const std::vector<std::string>& columns,
                   const value::Options& options);

}  // namespace tap::sync

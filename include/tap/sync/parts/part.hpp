// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <tap/config/config.hpp>
#include <tap/singer/catalog.hpp>
#include <tap/sync/plan.hpp>

namespace tap::sync {

/// One of several parts that the streams of a catalog are split into.
struct Part {
  std::size_t number = 1;  ///< from 1 to `count`
  std::size_t count = 1;
};
/// The largest `count`.
constexpr std::size_t kMaxParts = 10'000;

/// The selected streams of a part. It depends on nothing but the catalog and default_replication_method, so
/// that runs on different machines agree; sizes are estimated from the catalog's row-count. Logs the number
/// of streams.
std::vector<singer::Stream> streams_of_part(const std::vector<singer::Stream>& catalog,
                                            const config::Config& config, const Part& part);

/// `refresh` without the streams of other parts, which plan() would not find among those of `part`.
FullRefresh refresh_of_part(const FullRefresh& refresh, const std::vector<singer::Stream>& catalog,
                            const std::vector<singer::Stream>& part);

/// Splits the catalog file `catalog` into `parts` files `part-1.json`, `part-2.json`, ... in `folder`, which
/// is created if it is missing. Unselected streams are left out. Each file is marked as a part. With a
/// config, the sizes of the tables are read from the server, and partitions stay with the root of their tree.
/// Throws Error.
void split_catalog(const std::string& catalog, const config::Config* config, std::size_t parts,
                   const std::string& folder);

}  // namespace tap::sync

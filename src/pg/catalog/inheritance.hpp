// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tap::pg {

/// SQL for what is read of pg_inherits in place of the whole table: a partition whose DETACH CONCURRENTLY is
/// pending is left out, as the planner does. Before version 14 there is no such column, and its name finds
/// the one of before_14.
inline constexpr const char* kInheritance = R"sql((
  SELECT link.inhrelid, link.inhparent
    FROM (SELECT false AS inhdetachpending) before_14
   CROSS JOIN LATERAL (SELECT inhrelid, inhparent, inhdetachpending AS is_detaching
                         FROM pg_catalog.pg_inherits) link
   WHERE NOT link.is_detaching
))sql";

}  // namespace tap::pg

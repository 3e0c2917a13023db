// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tap::pg {

/// SQL that replaces pg_inherits and leaves out partitions with a pending DETACH CONCURRENTLY, as the planner
/// does. Before version 14 pg_inherits has no column inhdetachpending: the name then refers to before_14's.
inline constexpr const char* kInheritance = R"sql((
  SELECT link.inhrelid, link.inhparent
    FROM (SELECT false AS inhdetachpending) before_14
   CROSS JOIN LATERAL (SELECT inhrelid, inhparent, inhdetachpending AS is_detaching
                         FROM pg_catalog.pg_inherits) link
   WHERE NOT link.is_detaching
))sql";

}  // namespace tap::pg

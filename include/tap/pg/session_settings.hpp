// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <tap/pg/connection_settings.hpp>
#include <tap/pg/server_version.hpp>

namespace tap::pg {

/// The two search paths. Queries on the catalog use only `pg_catalog`: a role that may create objects in
/// `public` could put a better matching operator or function there, which would run as the role of this
/// program (CVE-2018-1058). Statements that read tables use `public`, as most applications do, because the
/// functions of views, policies and generated columns may rely on it; they must qualify every name. So does
/// logical decoding, which parses no names but prints some (regclass). `pg_temp`, which is first by default,
/// is last in both, because other clients of a pooler could leave tables there.
inline constexpr const char* kCatalogPath = "pg_catalog, pg_temp";
inline constexpr const char* kTablePath = "public, pg_temp";

/// Returns `SET search_path` or, if `local`, `SET LOCAL search_path`, with a semicolon at the end.
std::string set_search_path(const char* path, bool local);

/// Those of the timeouts that a server of this version has.
[[nodiscard]] Timeouts known_timeouts(Timeouts timeouts, ServerVersion version);

/// Returns SQL that sets every setting on which the text of a value or the reading of a table depends, the
/// same for each connection whatever the server, database or role has set. `local` limits the settings to the
/// transaction, which also works behind a pooler that runs each transaction in another session. Leaves out
/// settings that servers of this version do not have.
std::string pin_settings(const Timeouts& timeouts, ServerVersion version, bool local);

}  // namespace tap::pg

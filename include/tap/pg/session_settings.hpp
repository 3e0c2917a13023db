// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <tap/pg/connection_settings.hpp>
#include <tap/pg/server_version.hpp>

namespace tap::pg {

/// Two search paths. The queries of our own on the catalog see `pg_catalog` alone: a role that may create in
/// `public` could plant an operator or a function there that fits better than the server's own, and run as
/// our role (CVE-2018-1058). Tables are read with `public`, as by most applications, because the functions of
/// views, policies and generated columns may rely on it; such a statement has to name everything in full. So
/// does logical decoding, which parses no names but prints some (regclass). `pg_temp` comes last in both:
/// first by default, it is where other clients of a pooler could leave tables.
inline constexpr const char* kCatalogPath = "pg_catalog, pg_temp";
inline constexpr const char* kTablePath = "public, pg_temp";

/// `SET search_path`, with a semicolon at the end; `local` to the transaction.
std::string set_search_path(const char* path, bool local);

/// The SQL that pins every setting on which the text of a value, or the reading of a table, depends. One
/// table for every connection, whatever the server, database or role has set. In a transaction, `local` keeps
/// them to it, which also holds behind a pooler that gives each transaction another session.
/// Leaves out what servers of this version do not know.
std::string pin_settings(const Timeouts& timeouts, ServerVersion version, bool local);

}  // namespace tap::pg

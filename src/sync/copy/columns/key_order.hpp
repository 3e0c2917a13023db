// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include <tap/base/json.hpp>
#include <tap/pg/catalog/relation.hpp>
#include <tap/pg/connection.hpp>

namespace tap::sync {

/// In the bookmark of an incremental stream, with a value that is text.
inline constexpr const char* kKeyOrder = "replication_key_order";

/// In what order the server compares keys, to be stored with a bookmark: `timestamp with time zone`,
/// `text/de_DE.UTF-8/2.36` with the locale of the collation and the version of its library, or
/// `mood/736164,6f6b` with the labels of an enum in hexadecimal, in the order of their creation. Types whose
/// keys compare in the same way, as numbers do, have one order. Queries the server if the type has
/// collations, and throws what Connection::query() does.
std::string key_order(pg::Connection& connection, const pg::Relation& relation, const pg::TableColumn& key);

/// The order that the bookmark's value was compared in, if it is another one than `now`; else empty. A server
/// before 15 may not report the version of a library, and other taps store no order. Labels that were added
/// to an enum do not change the order of the others.
std::string changed_order(const Json& bookmark, std::string_view now);

}  // namespace tap::sync

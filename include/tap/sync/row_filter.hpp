// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <tap/base/error.hpp>
#include <tap/config/config.hpp>
#include <tap/pg/connection.hpp>
#include <tap/singer/catalog.hpp>

namespace tap::sync {

struct StreamPlan;

/// An SQL condition that the rows of a stream must meet (the setting or the metadata `where`).
struct Condition {
  std::string sql;
  std::string place;  ///< where the user wrote it, for messages

  bool operator==(const Condition&) const = default;
};

/// The conditions of a stream: those of its metadata, or else all those of the config that name it.
std::vector<Condition> row_filter(const config::Config& config, const singer::Stream& stream);

/// A row filter of the config that names no stream of the catalog, and so has no effect.
struct UnusedRowFilter {
  Problem problem;
  bool is_error;  ///< a mistake that would send all rows of a table; else it may be of another catalog
};

/// It is an error if the name has a `*`, or if it is like that of a selected stream that no row filter names:
/// equal but for case or a missing schema, or misspelled. In a part of a catalog the latter is no error, and
/// other names are not returned: they may be those of streams in other parts.
std::vector<UnusedRowFilter> unused_row_filters(const config::Config& config, const singer::Catalog& catalog);
/// Throws Error (ExitCode::usage) for the first one that is an error, and logs warnings of the others.
void refuse_mistaken_row_filters(const config::Config& config, const singer::Catalog& catalog);

/// The conditions joined by AND; empty if there are none. Each is in parentheses with a line break at its
/// end, so that an OR or a comment in it does not change the rest of a statement.
std::string to_sql(const std::vector<Condition>& conditions);

/// True if a condition may contain a subquery, which each query for some of the rows would run again.
bool has_subquery(const std::vector<Condition>& conditions);

/// `table`, the SQL name of the stream's table or of a partition, as FROM needs it: the conditions may use
/// the name of the stream's table.
std::string from_item(const StreamPlan& stream, const std::string& table);

/// Plans a query with each condition of the stream, whose table must exist. Throws StreamError, with the
/// server's message, if one is not a condition for its rows; ServerError if that could not be found out. The
/// connection must be in a read-only transaction, which has failed after an error.
void require_valid_row_filter(pg::Connection& connection, const StreamPlan& stream);

}  // namespace tap::sync

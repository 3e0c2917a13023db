// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "publication_plan.hpp"

namespace tap::sync {

// The texts and SQL of advice on publications. Following it must break nothing in the source database.

/// The problem of a partition whose changes have the name of a table above that of its stream.
Problem changes_under_root(const PublicationFacts& facts, const std::string& publication,
                           const PublishedStream& stream, const pg::TableName& root);

/// True if the server would allow UPDATE and DELETE of the table with REPLICA IDENTITY FULL: the publications
/// that publish its updates publish all its columns.
bool may_be_full(const PublicationFacts& facts, const pg::PublishedTable& table);

/// `, then run with --full-refresh a` if the stream loses changes by what precedes it; else nothing.
std::string refresh_if_losing(const PublicationFacts& facts, const PublishedStream& stream);

/// SQL that publishes all rows and columns of a table that a publication has a row filter or a column list
/// of.
std::string republish(const PublicationFacts& facts, const pg::PublishedAs& as,
                      const pg::PublishedTable& table);

/// SQL that gives tables a replica identity and publishes updates, too, of `table`: their own or their root.
/// One transaction, so that no update is missing. Empty if that would not do.
std::string publish_with_updates(const PublicationFacts& facts, const pg::PublishedTable& table,
                                 const std::vector<const pg::PublishedTable*>& unidentified);

/// The SQL of a plan, or other statements, as one text.
std::string join_statements(const std::vector<std::string>& statements);
/// The first names and how many more there are: `a, b, c, d, e and 2 more`.
std::string shortened(const std::vector<std::string>& names);
/// `"schema"."table"`.
std::string quoted(const pg::TableName& table);

}  // namespace tap::sync

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>
#include <vector>

#include <tap/sync/row_filter.hpp>

#include "publication_plan.hpp"

namespace tap::sync {

// The texts and SQL of advice on publications. Following it must break nothing in the source database.

/// SQL that publishes partitions under their own names; empty if the server would refuse that, or then UPDATE
/// and DELETE.
std::string publish_own_names(const PublicationFacts& facts, const std::string& publication);

/// The problem of a partition whose changes have the name of a table above that of its stream.
Problem changes_under_root(const PublicationFacts& facts, const std::string& publication,
                           const PublishedStream& stream, const pg::TableName& root);

/// True if the server would allow UPDATE and DELETE of the table with REPLICA IDENTITY FULL: all publications
/// that publish its updates publish all its columns.
bool may_be_full(const PublicationFacts& facts, const pg::PublishedTable& table);

/// What restarts streams that lose changes: `--full-refresh a --full-refresh b, because replication slot s
/// keeps WAL until then`. There must be a slot.
std::string full_refresh(const PublicationFacts& facts, const std::set<std::string>& streams);

/// `, then run with --full-refresh ...` if the stream loses changes by what precedes it; else nothing.
std::string refresh_if_losing(const PublicationFacts& facts, const PublishedStream& stream);

/// SQL that publishes all columns of a table that a publication has a column list of, with the row filter of
/// `as`.
std::string republish(const PublicationFacts& facts, const pg::PublishedAs& as,
                      const pg::PublishedTable& table);

/// SQL that publishes only the rows of a published table that meet all conditions. Conditions that do not fit
/// into a line are left for the user to fill in.
std::string publish_rows(const std::string& publication, const pg::TableName& table,
                         const std::vector<Condition>& conditions);

/// Completes the problem that updates of `unit` are not published, because `unidentified`, tables of it, have
/// no usable replica identity, or new partitions would have none. The SQL is one transaction, so that no
/// update is missing; a key in it is for the user to choose.
void advise_updates(const PublicationFacts& facts, const PublishedUnit& unit,
                    const std::vector<const pg::PublishedTable*>& unidentified, Problem& problem);

/// The SQL of a plan, or other statements, as one text.
std::string join_statements(const std::vector<std::string>& statements);
/// The first names and how many more there are: `a, b, c, d, e and 2 more`.
std::string shortened(const std::vector<std::string>& names);
/// `"schema"."table"`.
std::string quoted(const pg::TableName& table);

}  // namespace tap::sync

// SPDX-License-Identifier: Apache-2.0
// Shared by the tests of publications: tables, streams and publications in a few words.
#pragma once

#include <string>
#include <vector>

#include "catch.hpp"
#include "sync/slots/publications/publication_plan.hpp"
#include "sync/slots/publications/publication_problems.hpp"

namespace tap::publication_test {

using pg::ServerVersion;
using sync::PublicationFacts;
using Severity = sync::PublicationFinding::Severity;
using Texts = std::vector<std::string>;

inline pg::PublishedTable table(const std::string& name, const Texts& identity = {"id"}) {
  pg::PublishedTable table;
  table.name = {"s", name};
  table.is_publishable = true;
  table.columns = {"id", "v"};
  table.identity = identity;
  return table;
}

inline pg::PublishedTable partitioned(const std::string& name, const Texts& identity = {"id"}) {
  pg::PublishedTable root = table(name, identity);
  root.is_partitioned = true;
  root.has_primary_key = !identity.empty();
  return root;
}

inline pg::PublishedTable partition(const std::string& name, const Texts& identity = {"id"}) {
  pg::PublishedTable part = table(name, identity);
  part.is_partition = true;
  return part;
}

inline sync::PublishedStream stream(const std::vector<pg::PublishedTable>& tables,
                                    bool has_position = false) {
  return {"db-s-" + tables.front().name.table, has_position, {"id", "v"}, {"id"}, tables};
}

inline PublicationFacts facts(const std::vector<sync::PublishedStream>& streams, int version = 150018) {
  PublicationFacts facts;
  facts.version = ServerVersion(version);
  facts.database = "shop";
  facts.names = {"p"};
  facts.may_create = true;
  facts.streams = streams;
  return facts;
}

inline pg::Publication publication(const std::string& name, bool updates = true) {
  pg::Publication publication;
  publication.name = name;
  publication.updates = publication.deletes = updates;
  return publication;
}

inline Texts statements(const PublicationFacts& facts, bool losing = false) {
  const sync::PublicationPlan plan = sync::plan_publications(facts, losing);
  CHECK(plan.obstacles.empty());
  return plan.statements;
}

/// Marks a table as published by `as`.
inline pg::PublishedTable published(pg::PublishedTable table, const std::string& as) {
  table.published.push_back({as, table.name, table.name, "", {}, false, table.columns, true});
  return table;
}

/// What to do about the updates of the only stream, which are not published.
inline std::string advice(const PublicationFacts& facts) {
  const auto found = sync::publication_problems(facts);
  REQUIRE(found.size() == 1);
  CHECK(found.front().severity == Severity::warning);
  CHECK(found.front().without_updates == std::vector{facts.streams.front().tables.front().name});
  const auto& [reason, needed, fix] = found.front().problem;
  return needed + (needed.empty() || fix.empty() ? "" : ": ") + fix;
}

inline const std::string kFull =
    R"(BEGIN; ALTER TABLE "s"."log" REPLICA IDENTITY FULL; ALTER PUBLICATION "p" ADD TABLE "s"."log"; COMMIT)";
inline const std::string kKey =
    R"(give it a primary key: BEGIN; ALTER TABLE "s"."log" ADD PRIMARY KEY (...); )"
    R"(ALTER TABLE "s"."log" REPLICA IDENTITY DEFAULT; ALTER PUBLICATION "p" ADD TABLE "s"."log"; COMMIT)";
inline const std::string kRoot = " WITH (publish_via_partition_root = true)";
inline const std::string kInserts = " WITH (publish = 'insert, truncate', publish_via_partition_root = true)";

}  // namespace tap::publication_test

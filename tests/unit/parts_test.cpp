// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <numeric>
#include <set>

#include <tap/sync/parts/part.hpp>

#include "catch.hpp"
#include "sync/parts/assignment.hpp"
#include "sync/parts/units.hpp"

using namespace tap;

namespace {

/// Units t0, t1, ... of these sizes.
std::vector<sync::Unit> units(const std::vector<double>& sizes) {
  std::vector<sync::Unit> all;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    all.push_back({"t" + std::to_string(i), sizes[i]});
  }
  return all;
}

std::vector<double> fill(const std::vector<sync::Unit>& units, std::size_t parts) {
  const auto assigned = sync::assign_parts(units, parts);
  std::vector<double> filled(parts);
  for (std::size_t i = 0; i < units.size(); ++i) {
    filled[assigned[i]] += units[i].bytes;
  }
  return filled;
}

/// 200 sizes from 1 to 40,000.
std::vector<double> mixed_sizes() {
  std::vector<double> sizes;
  for (int i = 1; i <= 200; ++i) {
    sizes.push_back(i * i);
  }
  return sizes;
}

singer::Stream stream(const std::string& table, const char* method, std::uint64_t rows = 0) {
  singer::Stream stream;
  stream.id = "shop-public-" + table;
  stream.name = stream.table = table;
  stream.schema_name = "public";
  stream.selected = true;
  stream.rows = rows;
  stream.columns = {{"id", true, "integer"}, {"unread", false, "text"}};
  if (method != nullptr) {
    stream.replication_method = method;
  }
  return stream;
}

using Parts = std::vector<std::optional<std::size_t>>;

}  // namespace

TEST_CASE("an assignment to parts never changes") {
  CHECK(sync::assign_parts(units({5, 1, 9, 3, 3, 8, 2, 7}), 3) ==
        std::vector<std::size_t>{2, 1, 1, 0, 0, 2, 1, 0});
}

TEST_CASE("parts do not depend on the order of the catalog") {
  auto forward = units(mixed_sizes());
  const auto assigned = sync::assign_parts(forward, 4);
  std::ranges::reverse(forward);
  auto backward = sync::assign_parts(forward, 4);
  std::ranges::reverse(backward);
  CHECK(assigned == backward);
}

TEST_CASE("no part is filled above 1.1 times the mean while there are small units") {
  for (const std::size_t parts : {2U, 4U, 7U, 16U}) {
    const auto filled = fill(units(mixed_sizes()), parts);
    const double mean = std::accumulate(filled.begin(), filled.end(), 0.0) / static_cast<double>(parts);
    CHECK(*std::ranges::max_element(filled) <= 1.1 * mean);
  }
}

TEST_CASE("a unit larger than the mean has a part for itself") {
  const auto filled = fill(units({100, 1, 2, 3, 4, 5, 6, 7, 8, 9}), 3);
  CHECK(*std::ranges::max_element(filled) == 100);
}

TEST_CASE("equal units are divided evenly if they are few") {
  auto filled = fill(units({1, 1, 1, 1}), 4);
  CHECK(filled == std::vector<double>{1, 1, 1, 1});
}

TEST_CASE("a new unit moves few others") {
  auto before = units(mixed_sizes());
  for (const double size : {1.0, 10'000.0, 40'000.0}) {
    auto after = before;
    after.push_back({"new", size});
    const auto old_parts = sync::assign_parts(before, 4);
    const auto new_parts = sync::assign_parts(after, 4);
    std::size_t moved = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
      moved += old_parts[i] != new_parts[i] ? 1 : 0;
    }
    CHECK(moved <= 20);
  }
}

TEST_CASE("there may be more parts than units, or no units") {
  const auto filled = fill(units({1, 1}), 5);
  CHECK(std::ranges::count(filled, 1) == 2);
  CHECK(sync::assign_parts({}, 3).empty());
}

TEST_CASE("the size of a stream is estimated from its rows and synced columns") {
  CHECK(sync::estimate_bytes(stream("a", "FULL_TABLE")) == 65536);
  CHECK(sync::estimate_bytes(stream("a", "FULL_TABLE", 1000)) == 65536 + 1000 * 32);
  auto wide = stream("a", "FULL_TABLE", 10);
  wide.columns = {{"a", true, "timestamp with time zone"}, {"b", true, "jsonb"},  {"c", true, "bigint"},
                  {"d", true, "character varying"},        {"e", true, "text[]"}, {"f", true, ""}};
  CHECK(sync::estimate_bytes(wide) == 65536 + 10 * (28 + 8 + 200 + 8 + 32 + 64 + 32));
}

TEST_CASE("log-based streams of a database are in one part") {
  std::vector<singer::Stream> streams;
  for (int i = 0; i < 20; ++i) {
    streams.push_back(stream("w" + std::to_string(i), "LOG_BASED", 1000));
    streams.push_back(stream("f" + std::to_string(i), "FULL_TABLE", 1000));
  }
  const auto assigned = sync::assign_streams(streams, {}, 4);
  for (std::size_t i = 0; i < streams.size(); i += 2) {
    CHECK(assigned[i] == assigned[0]);
  }
  for (std::size_t part = 0; part < 4; ++part) {
    CHECK(std::ranges::count(assigned, std::optional(part)) >= 5);
  }
}

TEST_CASE("streams without a method follow the default method") {
  const std::vector<singer::Stream> streams = {stream("a", nullptr), stream("b", nullptr),
                                               stream("c", nullptr), stream("d", "LOG_BASED")};
  const auto is_together = [&](const sync::StreamFacts& facts) {
    const auto assigned = sync::assign_streams(streams, facts, 4);
    return std::ranges::all_of(assigned, [&](const auto& part) { return part == assigned[0]; });
  };
  CHECK(is_together({}));  // the default may be LOG_BASED
  CHECK(is_together({singer::ReplicationMethod::log_based, "shop", {}}));
  CHECK_FALSE(is_together({singer::ReplicationMethod::full_table, "shop", {}}));
}

TEST_CASE("log-based streams without a database may be of that of other streams") {
  std::vector<singer::Stream> streams;
  for (int i = 0; i < 8; ++i) {
    streams.push_back(stream("w" + std::to_string(i), i == 7 ? nullptr : "LOG_BASED"));
    streams.back().database = i < 4 ? "shop" : "stock";
  }
  const auto units = [&](const sync::StreamFacts& facts) {
    const auto assigned = sync::assign_streams(streams, facts, 4);
    return std::set(assigned.begin(), assigned.end()).size();
  };
  CHECK(units({}) == 2);
  streams.back().database = "";
  CHECK(units({}) == 1);
  CHECK(units({singer::ReplicationMethod::log_based, "stock", {}}) == 2);
  streams.back().selected = false;
  CHECK(units({}) == 3);  // one of them is no part
}

TEST_CASE("unselected streams are in no part") {
  auto unselected = stream("a", "FULL_TABLE");
  unselected.selected = false;
  CHECK(sync::assign_streams({unselected, stream("b", "FULL_TABLE")}, {}, 1) == Parts{std::nullopt, 0});
}

TEST_CASE("partitions stay with their root") {
  const std::vector<singer::Stream> streams = {stream("p", "FULL_TABLE"), stream("p0", "FULL_TABLE"),
                                               stream("p1", "FULL_TABLE"), stream("other", "FULL_TABLE")};
  sync::StreamFacts facts;
  for (const char* table : {"p", "p0", "p1"}) {
    facts.sizes[std::string("shop-public-") + table] = {R"("public"."p")", 1'000'000};
  }
  facts.sizes["shop-public-other"] = {R"("public"."other")", 1'000'000};
  const auto assigned = sync::assign_streams(streams, facts, 2);
  CHECK(assigned[1] == assigned[0]);
  CHECK(assigned[2] == assigned[0]);
  CHECK(assigned[3] != assigned[0]);
  CHECK(sync::bytes_of(streams[3], facts) == 1'065'536);
}

TEST_CASE("a full refresh of streams of other parts is left to them") {
  const std::vector<singer::Stream> catalog = {stream("a", "FULL_TABLE"), stream("b", "FULL_TABLE")};
  const std::vector<singer::Stream> part = {catalog[0]};
  const auto names = [&](const std::vector<std::string>& given) {
    return sync::refresh_of_part({false, given}, catalog, part).streams;
  };
  CHECK(names({"a", "shop-public-b"}) == std::vector<std::string>{"a"});
  CHECK(names({"no_such_stream"}) == std::vector<std::string>{"no_such_stream"});
  CHECK(sync::refresh_of_part({true, {}}, catalog, part).all);
}

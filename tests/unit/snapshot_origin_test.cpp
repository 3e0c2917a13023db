// SPDX-License-Identifier: Apache-2.0
#include "sync/copy/snapshot_origin.hpp"

#include <tap/pg/catalog/slots.hpp>

#include "catch.hpp"

using namespace tap;
using namespace tap::sync;

TEST_CASE("a position after a page header is the start of the page") {
  const auto rounded = [](std::uint64_t position, std::uint64_t page_size = 8192) {
    constexpr std::uint64_t file = 0x1000000;
    return pg::without_page_header(Lsn{position}, position % file, page_size).value;
  };
  CHECK(rounded(0x3000028) == 0x3000000);
  CHECK(rounded(0x3002018) == 0x3002000);
  CHECK(rounded(0x3002028) == 0x3002028);  // a record ends 16 bytes behind the header
  CHECK(rounded(0x3000030) == 0x3000030);
  CHECK(rounded(0x3002020) == 0x3002020);
  CHECK(rounded(0x3002000) == 0x3002000);
  CHECK(rounded(0x3002018, 16384) == 0x3002018);
}

TEST_CASE("a snapshot is at least as new if it sees every transaction that the other one sees") {
  const auto lsn_of = [](std::uint64_t lsn) { return lsn == 0 ? std::nullopt : std::optional(Lsn{lsn}); };
  const auto is_as_new = [&](const std::string& now, const std::string& from, std::uint64_t replayed = 0,
                             std::uint64_t from_lsn = 0) {
    return is_at_least_as_new({.snapshot = now, .lsn = lsn_of(replayed), .replayed = lsn_of(replayed)},
                              {.snapshot = from, .lsn = lsn_of(from_lsn)});
  };
  CHECK(is_as_new("100:105:100,103", "100:105:100,103"));
  CHECK(is_as_new("100:110:100,107", "100:105:100,103"));
  CHECK_FALSE(is_as_new("100:110:100,101", "100:105:100,103"));  // 101 had ended
  CHECK_FALSE(is_as_new("100:104:100,103", "100:105:100,103"));
  CHECK(is_as_new("105:110:108", "100:105:"));
  // A standby's snapshot does not tell which transactions are running.
  CHECK_FALSE(is_as_new("100:105:", "100:105:"));
  CHECK_FALSE(is_as_new("100:105:", "100:105:", 7, 8));
  CHECK(is_as_new("100:105:", "100:105:", 8, 8));
  CHECK(is_as_new("100:107:", "100:105:100,103", 8, 8));
  CHECK_FALSE(is_as_new("100:107:100", "100:105:", 9, 8));  // a primary; perhaps the standby had seen 100
}

TEST_CASE("a primary whose WAL ends before the position of a snapshot is older") {
  const auto is_as_new = [](std::optional<Lsn> end, std::optional<Lsn> before) {
    return is_at_least_as_new({.snapshot = "200:200:", .lsn = end}, {.snapshot = "100:100:", .lsn = before});
  };
  CHECK(is_as_new(Lsn{8}, Lsn{8}));
  CHECK_FALSE(is_as_new(Lsn{7}, Lsn{8}));
  CHECK(is_as_new(std::nullopt, Lsn{8}));
  CHECK(is_as_new(Lsn{7}, std::nullopt));
}

// SPDX-License-Identifier: Apache-2.0
#include "copy_position.hpp"

#include <algorithm>
#include <charconv>

#include <spdlog/fmt/fmt.h>

namespace tap::sync {

namespace {

template <class Number>
bool read_number(std::string_view& text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  text.remove_prefix(error == std::errc() ? static_cast<std::size_t>(end - text.data()) : 0);
  return error == std::errc();
}

bool take(std::string_view& text, char c) {
  const bool there = text.substr(0, 1) == std::string_view(&c, 1);
  text.remove_prefix(there ? 1 : 0);
  return there;
}

std::optional<Ctid> read_ctid(std::string_view text) {
  Ctid ctid;
  const bool whole = take(text, '(') && read_number(text, ctid.block) && take(text, ',') &&
                     read_number(text, ctid.offset) && take(text, ')') && text.empty();
  return whole ? std::optional(ctid) : std::nullopt;
}

/// The oldest transaction that was still running when the snapshot was taken, with its epoch.
std::optional<std::uint64_t> oldest_running(std::string_view snapshot) {
  std::uint64_t xmin = 0;
  return read_number(snapshot, xmin) && take(snapshot, ':') ? std::optional(xmin) : std::nullopt;
}

std::optional<Oid> read_oid(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_unsigned() ? std::optional(found->get<Oid>())
                                                              : std::nullopt;
}

}  // namespace

bool CopyPosition::is_done(Oid oid) const {
  return std::ranges::find(done, oid) != done.end();
}

Json to_json(const CopyPosition& position) {
  Json copy = Json::object();
  copy["snapshot"] = position.snapshot;
  copy["leaf"] = position.leaf;
  copy["relfilenode"] = position.relfilenode;
  copy["position"] = fmt::format("({},{})", position.ctid.block, position.ctid.offset);
  if (!position.done.empty()) {
    copy["done"] = position.done;
  }
  if (position.lsn) {
    copy["lsn"] = position.lsn->value;
  }
  return copy;
}

std::optional<CopyPosition> read_position(const Json& copy) {
  if (!copy.is_object() || !copy.contains("snapshot") || !copy["snapshot"].is_string() ||
      !copy.contains("position") || !copy["position"].is_string()) {
    return std::nullopt;
  }
  const auto ctid = read_ctid(copy["position"].get_ref<const std::string&>());
  const auto leaf = read_oid(copy, "leaf");
  const auto relfilenode = read_oid(copy, "relfilenode");
  CopyPosition position;
  position.snapshot = copy["snapshot"].get<std::string>();
  if (!ctid || !leaf || !relfilenode || !oldest_running(position.snapshot)) {
    return std::nullopt;
  }
  position.leaf = *leaf;
  position.relfilenode = *relfilenode;
  position.ctid = *ctid;
  if (const auto done = copy.find("done"); done != copy.end()) {
    for (const Json& oid : *done) {
      if (!oid.is_number_unsigned()) {
        return std::nullopt;
      }
      position.done.push_back(oid.get<Oid>());
    }
  }
  return position;
}

std::string obstacle_to_resume(const CopyPosition& position, const pg::Relation& relation,
                               const std::string& snapshot) {
  const auto leaf = std::ranges::find(relation.leaves, position.leaf, &pg::Leaf::oid);
  if (!relation.leaf_by_leaf || leaf == relation.leaves.end() || !leaf->has_ctid) {
    return "the part of the table that it had come to is gone";
  }
  if (leaf->relfilenode != position.relfilenode) {
    return "the table has been rewritten (VACUUM FULL, CLUSTER, TRUNCATE or ALTER TABLE)";
  }
  // Transaction IDs are compared by 32 bits: beyond half of them, older and newer change places.
  constexpr std::uint64_t comparable = std::uint64_t{1} << 31U;
  const auto before = oldest_running(position.snapshot);
  const auto now = oldest_running(snapshot);
  if (!before || !now || *now < *before) {
    return "the server has another history";
  }
  return *now - *before >= comparable ? "it is too many transactions ago" : "";
}

std::string written_since(std::uint32_t xmin) {
  return fmt::format("pg_catalog.age(xmin) OPERATOR(pg_catalog.<=) pg_catalog.age('{}'::pg_catalog.xid)",
                     xmin);
}

std::string rows_to_come(const CopyPosition& position, const pg::Leaf& leaf) {
  const bool done = position.is_done(leaf.oid);
  if (!leaf.has_ctid || (!done && leaf.oid != position.leaf)) {
    return "";
  }
  const std::string since =
      written_since(static_cast<std::uint32_t>(oldest_running(position.snapshot).value_or(0)));
  return done ? since
              : fmt::format("ctid OPERATOR(pg_catalog.>) '({},{})'::pg_catalog.tid OR {}",
                            position.ctid.block, position.ctid.offset, since);
}

}  // namespace tap::sync

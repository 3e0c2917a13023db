// SPDX-License-Identifier: Apache-2.0
// Rows of a binary COPY. An input is a line `int4,text @`, the types of the columns and a byte for Choices,
// and the row's bytes. A row must become the columns of a valid record, or be refused.
#include <tap/base/error.hpp>

#include "support.hpp"
#include "sync/copy/row_projection.hpp"
#include "types.hpp"

using namespace tap;

namespace {

constexpr std::size_t kMaxColumns = 50;

sync::RowProjection make_projection(std::string_view header) {
  const fuzz::Choices choices(header.empty() ? '@' : static_cast<unsigned char>(header.back()));
  const fuzz::Types& types = fuzz::types_of(choices);
  std::string_view names = header.substr(0, header.rfind(' '));
  sync::StreamPlan plan;
  plan.stream.schema = {{"properties", Json::object()}};
  pg::Relation relation;
  relation.types = types.rows();
  do {
    pg::TableColumn& column = relation.columns.emplace_back();
    column.name = fmt::format("c{}", relation.columns.size());
    column.type = types.find(fuzz::take(names, ","));
    plan.columns.push_back(column.name);
  } while (!names.empty() && relation.columns.size() < kMaxColumns);
  return {plan, relation, choices.options};
}

/// Projections are slow to make and hardly differ between inputs.
const sync::RowProjection& projection_of(std::string_view header) {
  constexpr std::size_t max_projections = 1000;
  static std::map<std::string, sync::RowProjection, std::less<>> projections;
  auto found = projections.find(header);
  if (found == projections.end()) {
    if (projections.size() == max_projections) {
      projections.clear();
    }
    found = projections.emplace(header, make_projection(header)).first;
  }
  return found->second;
}

/// Returns what `append` appends, which must be members of an object, or nothing if it refuses the row.
template <class Append>
std::string members(Append append) {
  Buffer out;
  try {
    append(out);
  } catch (const StreamError&) {
    return "";
  } catch (const MalformedAnswer&) {
    return "";
  }
  fuzz::require_json("{" + std::string(out.view()) + "}");
  return std::string(out.view());
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  fuzz::silence_log();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input = fuzz::view_of(data, size);
  const sync::RowProjection& projection = projection_of(fuzz::take(input, "\n"));
  const fuzz::ExactCopy row(input);
  const auto fields = [&] {
    Cursor cursor(row.view());
    projection.take_field_count(cursor);
    return cursor;
  };
  const std::string all = members([&](Buffer& out) {
    Cursor cursor = fields();
    projection.append(cursor, out);
  });
  std::string one_by_one;
  for (std::size_t i = 0; i < projection.columns().size(); ++i) {
    one_by_one +=
        (i == 0 ? "" : ",") + members([&](Buffer& out) { projection.append_column(fields(), i, out); });
  }
  if (!all.empty() && all != one_by_one) {
    fuzz::fail("differs from the row: " + one_by_one, all);
  }
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
#include "row_filters.hpp"

#include <string_view>

#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>
#include <tap/singer/catalog.hpp>

namespace tap::config {

namespace {

constexpr std::string_view kConditions = "custom_where_clauses";

void add(Config& config, const Reader& value, const std::string& stream, const Json& conditions,
         const char* wanted) {
  if (conditions.is_null()) {
    return;
  }
  auto read = singer::read_conditions(conditions);
  if (!read) {
    value.fail(wanted);
  }
  config.where.push_back({stream, *std::move(read), fmt::format("{} of \"{}\"", value.place(), stream)});
}

}  // namespace

void add_row_filters(Config& config, const Reader& value) {
  const Json filters = value.object();
  for (const auto& [stream, conditions] : filters.items()) {
    add(config, value, stream, conditions,
        R"(an object of SQL conditions, like {"public.orders": "id > 5"} or {"public.orders": ["id > 5"]})");
  }
}

void add_stream_options(Config& config, const Reader& value) {
  constexpr const char* wanted = R"(an object like {"public-orders": {"custom_where_clauses": ["id > 5"]}})";
  const Json streams = value.object();
  for (const auto& [stream, options] : streams.items()) {
    if (!options.is_object()) {
      value.fail(wanted);
    }
    for (const auto& [option, conditions] : options.items()) {
      if (option == kConditions) {
        add(config, value, stream, conditions, wanted);
      } else {
        log::warn("{}: unknown key \"{}\" of \"{}\" is ignored", value.place(), option, stream);
      }
    }
  }
}

}  // namespace tap::config

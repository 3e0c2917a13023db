// SPDX-License-Identifier: Apache-2.0
#include "metric.hpp"

#include <spdlog/spdlog.h>

#include <tap/base/json.hpp>

namespace tap::sync {

void log_record_count(const std::string& stream, std::uint64_t count) {
  spdlog::info(R"(METRIC: {{"type":"counter","metric":"record_count","value":{},"tags":{{"stream":{}}}}})",
               count, to_text(Json(stream)));
}

}  // namespace tap::sync

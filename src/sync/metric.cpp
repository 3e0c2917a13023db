// SPDX-License-Identifier: Apache-2.0
#include "metric.hpp"

#include <tap/base/json.hpp>
#include <tap/base/log.hpp>

namespace tap::sync {

void log_record_count(const std::string& stream, std::uint64_t count) {
  log::info(R"(METRIC: {{"type":"counter","metric":"record_count","value":{},"tags":{{"stream":{}}}}})",
            count, to_text(Json(stream)));
}

}  // namespace tap::sync

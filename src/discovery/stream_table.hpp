// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include <tap/base/json.hpp>

namespace tap::discovery {

/// The schema and the name of a stream's table, quoted. `stream` is its entry in a catalog. Empty if an entry
/// of another tap lacks one.
std::string table_of(Json& stream);
/// The same with the database, which an entry may lack, too.
std::string table_in_database(Json& stream);

/// Warns of tables whose names result in the same tap_stream_id, as app."eu-orders" and "app-eu".orders.
class SharedIds {
 public:
  void note(Json& stream);

 private:
  std::map<std::string, std::string> names_;  ///< tables by id
};

}  // namespace tap::discovery

// SPDX-License-Identifier: Apache-2.0
#include "replication_error.hpp"

namespace tap::sync {

bool ReplicationError::is_about_change() const {
  constexpr const char* data_exceptions = "22";
  return sqlstate().starts_with(data_exceptions) || sqlstate() == "54000" || sqlstate() == "0A000" ||
         sqlstate() == "XX000";
}

bool ReplicationError::is_about_binary() const {
  return sqlstate() == "42883";
}

bool ReplicationError::is_about_publication() const {
  return sqlstate() == "42704";
}

pg::ReplicationStream::Event next_event(pg::ReplicationStream& replication,
                                        std::chrono::milliseconds timeout) {
  try {
    return replication.next(timeout);
  } catch (const pg::ServerError& error) {
    throw ReplicationError(error);
  }
}

}  // namespace tap::sync

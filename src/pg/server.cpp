// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <memory>

#include <libpq-fe.h>
#include <spdlog/fmt/fmt.h>

#include <tap/pg/server.hpp>
#include <tap/pg/tunnel.hpp>

namespace tap::pg {

namespace {

/// Calls `see` with each of libpq's connection keywords until it returns true.
template <class See>
bool any_keyword(See see) {
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> all(PQconndefaults(), PQconninfoFree);
  for (const PQconninfoOption* option = all.get(); option != nullptr && option->keyword != nullptr;
       ++option) {
    if (see(*option)) {
      return true;
    }
  }
  return false;
}

std::string or_default(const Server& server, std::string_view keyword, const char* otherwise) {
  if (const auto set = server.keywords.find(keyword); set != server.keywords.end()) {
    return set->second;
  }
  const std::string from_environment = connection_default(keyword);
  return from_environment.empty() ? otherwise : from_environment;
}

}  // namespace

std::string Server::database() const {
  return or_default(*this, "dbname", "");
}

std::string Server::describe(std::string_view database) const {
  const std::string address = or_default(*this, "hostaddr", "local socket");
  return fmt::format("{}:{}, database {}, user {}{}", or_default(*this, "host", address.c_str()),
                     or_default(*this, "port", "5432"), database.empty() ? "(default)" : database,
                     or_default(*this, "user", "(default)"),
                     tunnel ? ", through SSH " + tunnel->description() : "");
}

bool is_connection_keyword(std::string_view name) {
  return any_keyword([&](const PQconninfoOption& option) { return name == option.keyword; });
}

std::string connection_default(std::string_view keyword) {
  std::string value;
  any_keyword([&](const PQconninfoOption& option) {
    const bool found = keyword == option.keyword;
    const char* const set = found && option.envvar != nullptr ? std::getenv(option.envvar) : nullptr;
    value = set != nullptr ? set : "";
    return found;
  });
  return value;
}

}  // namespace tap::pg

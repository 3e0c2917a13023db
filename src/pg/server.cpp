// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <memory>

#include <libpq-fe.h>
#include <spdlog/fmt/fmt.h>

#include <tap/pg/server.hpp>
#include <tap/pg/tunnel.hpp>

namespace tap::pg {

namespace {

using Options = std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)>;

/// Calls `see` with each of libpq's connection keywords until it returns true.
template <class See>
bool any_keyword(See see) {
  const Options all(PQconndefaults(), PQconninfoFree);
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

/// A password with a sign that should have been percent-encoded ends up in another part, and would be shown.
bool is_misread(std::string_view keyword, std::string_view value) {
  constexpr std::string_view of_ports = "0123456789,";
  return keyword == "port"
             ? value.find_first_not_of(of_ports) != std::string_view::npos
             : (keyword == "host" || keyword == "dbname") && value.find('@') != std::string_view::npos;
}

}  // namespace

void Server::set_file(const std::string& keyword, const std::string& value) {
  if (value.find("-----BEGIN ") == std::string::npos) {
    keywords[keyword] = value;
    return;
  }
  std::string text = value;
  if (text.find('\n') == std::string::npos) {  // as it comes through some environments
    for (auto at = text.find("\\n"); at != std::string::npos; at = text.find("\\n", at)) {
      text.replace(at, 2, "\n");
    }
  }
  const auto file = std::make_shared<const MemoryFile>(keyword, text);
  texts_[keyword] = file;
  keywords[keyword] = file->path();
}

bool Server::take_url(const std::string& url) {
  std::string uri = url;
  const auto scheme_end = uri.find("://");
  if (const auto driver = uri.find('+'); driver < scheme_end && scheme_end != std::string::npos) {
    uri.erase(driver, scheme_end - driver);
  }
  if (uri.find("://") == std::string::npos) {
    return false;
  }
  char* error = nullptr;
  const Options options(PQconninfoParse(uri.c_str(), &error), PQconninfoFree);
  PQfreemem(error);  // it may have a part of the password
  if (!options) {
    return false;
  }
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr && is_misread(option->keyword, option->val)) {
      return false;
    }
  }
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr) {
      keywords[option->keyword] = option->val;
    }
  }
  return true;
}

std::string Server::with_names(std::string message) const {
  for (const auto& [keyword, file] : texts_) {
    const std::string path = file->path();
    for (auto at = message.find(path); at != std::string::npos; at = message.find(path)) {
      message.replace(at, path.size(), keyword);
    }
  }
  return message;
}

std::string Server::database() const {
  return or_default(*this, "dbname", "");
}

std::string Server::user() const {
  return or_default(*this, "user", "");
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

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <memory>
#include <utility>

#include <libpq-fe.h>
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <tap/pg/connection_settings.hpp>
#include <tap/ssh/tunnel.hpp>

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

std::string or_default(const ConnectionSettings& server, std::string_view keyword, const char* otherwise) {
  if (const auto set = server.keywords.find(keyword); set != server.keywords.end()) {
    return set->second;
  }
  const std::string from_environment = connection_default(keyword);
  return from_environment.empty() ? otherwise : from_environment;
}

/// Keywords that decide how a session is protected, with the libpq version that introduced them (manual:
/// Release Notes).
constexpr auto kSecurityKeywords = std::to_array<std::pair<std::string_view, int>>({
    {"requirepeer", 9},
    {"gssencmode", 12},
    {"channel_binding", 13},
    {"ssl_min_protocol_version", 13},
    {"sslpassword", 13},
    {"ssl_max_protocol_version", 13},
    {"sslcrldir", 14},
    {"sslsni", 14},
    {"require_auth", 16},
    {"sslcertmode", 16},
    {"gssdelegation", 17},
    {"sslnegotiation", 17},
    {"min_protocol_version", 18},
    {"max_protocol_version", 18},
    {"oauth_client_id", 18},
    {"oauth_client_secret", 18},
    {"oauth_issuer", 18},
    {"oauth_scope", 18},
    {"scram_client_key", 18},
    {"scram_server_key", 18},
    {"sslkeylogfile", 18},
});

/// True for a key in an OpenSSL engine, in the form engine:key, such as `pkcs11:slot_0-id_45`.
bool is_engine_key(std::string_view value) {
  const auto colon = value.find(':');
  return colon > 0 && colon != std::string_view::npos && value.find('\n') == std::string_view::npos &&
         std::all_of(value.begin(), value.begin() + static_cast<std::ptrdiff_t>(colon), [](unsigned char c) {
           return std::islower(c) != 0 || std::isdigit(c) != 0 || c == '_';
         });
}

bool exists(const std::string& path) {
  return access(path.c_str(), F_OK) == 0;
}

/// True for a value that cannot be a path but may be the text of a key or certificate: it has several lines,
/// is longer than libpq's paths, or has a long run of base64 with upper and lower case letters and digits.
bool is_encoded(std::string_view value) {
  constexpr std::size_t longest_path = 1023;
  constexpr std::size_t longest_name = 40;
  if (value.find('\n') != std::string_view::npos || value.size() > longest_path) {
    return true;
  }
  std::size_t length = 0;
  bool has_upper = false;
  bool has_lower = false;
  bool has_digit = false;
  for (const char byte : value) {
    const auto c = static_cast<unsigned char>(byte);
    if (std::isalnum(c) == 0 && c != '+' && c != '=') {
      length = 0;
      has_upper = has_lower = has_digit = false;
      continue;
    }
    ++length;
    has_upper = has_upper || std::isupper(c) != 0;
    has_lower = has_lower || std::islower(c) != 0;
    has_digit = has_digit || std::isdigit(c) != 0;
    if (length >= longest_name && has_upper && has_lower && has_digit) {
      return true;
    }
  }
  return false;
}

/// Replaces the path of a private key in a message of libpq if there is no such file: a service file may
/// contain the key itself there.
std::string without_key_text(std::string message) {
  constexpr std::string_view before = "private key file \"";
  for (auto at = message.find(before); at != std::string::npos; at = message.find(before, at + 1)) {
    const auto from = at + before.size();
    const auto end = std::min(message.find('"', from), message.size());
    if (!exists(message.substr(from, end - from))) {
      message.replace(from, end - from, "sslkey");
    }
  }
  return message;
}

/// True for a value that may contain part of a password: a password with a character that is not
/// percent-encoded ends up in another part of the URI, where it would be shown.
bool is_misread(std::string_view keyword, std::string_view value) {
  constexpr std::string_view of_ports = "0123456789,";
  return keyword == "port"
             ? value.find_first_not_of(of_ports) != std::string_view::npos
             : (keyword == "host" || keyword == "dbname") && value.find('@') != std::string_view::npos;
}

}  // namespace

void ConnectionSettings::set_file(const std::string& keyword, const std::string& value) {
  if (value.find("-----BEGIN ") == std::string::npos) {
    keywords[keyword] = value;
    return;
  }
  std::string text = value;
  if (text.find('\n') == std::string::npos) {  // some environments escape newlines
    for (auto at = text.find("\\n"); at != std::string::npos; at = text.find("\\n", at)) {
      text.replace(at, 2, "\n");
    }
  }
  const auto file = std::make_shared<const MemoryFile>(keyword, text);
  texts_[keyword] = file;
  keywords[keyword] = file->path();
}

bool ConnectionSettings::take_url(const std::string& url) {
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
  PQfreemem(error);  // it may contain part of the password
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

std::string ConnectionSettings::with_names(std::string message) const {
  for (const auto& [keyword, file] : texts_) {
    const std::string path = file->path();
    for (auto at = message.find(path); at != std::string::npos; at = message.find(path)) {
      message.replace(at, path.size(), keyword);
    }
  }
  constexpr std::size_t shortest = 4;  // a shorter one would match anywhere
  for (const auto& [keyword, value] : keywords) {
    if (value.size() < shortest || !is_secret_keyword(keyword)) {
      continue;
    }
    for (auto at = message.find(value); at != std::string::npos;
         at = message.find(value, at + keyword.size())) {
      message.replace(at, value.size(), keyword);
    }
  }
  return without_key_text(std::move(message));
}

std::string ConnectionSettings::database() const {
  return or_default(*this, "dbname", "");
}

std::string ConnectionSettings::user() const {
  return or_default(*this, "user", "");
}

std::string ConnectionSettings::describe(std::string_view database) const {
  const std::string address = or_default(*this, "hostaddr", "local socket");
  return fmt::format("{}:{}, database {}, user {}{}", or_default(*this, "host", address.c_str()),
                     or_default(*this, "port", "5432"), database.empty() ? "(default)" : database,
                     or_default(*this, "user", "(default)"),
                     tunnel ? ", through SSH " + tunnel->description() : "");
}

bool is_connection_keyword(std::string_view name) {
  return any_keyword([&](const PQconninfoOption& option) { return name == option.keyword; });
}

bool is_secret_keyword(std::string_view name) {
  // libpq 18 does not mark these.
  constexpr auto unmarked =
      std::to_array<std::string_view>({"oauth_client_secret", "scram_client_key", "scram_server_key"});
  return std::ranges::find(unmarked, name) != unmarked.end() ||
         any_keyword([&](const PQconninfoOption& option) {
           return name == option.keyword && option.dispchar != nullptr && *option.dispchar == '*';
         });
}

std::span<const std::string_view> security_keywords() {
  static constexpr auto names = [] {
    std::array<std::string_view, kSecurityKeywords.size()> all{};
    std::ranges::transform(kSecurityKeywords, all.begin(), &std::pair<std::string_view, int>::first);
    return all;
  }();
  return names;
}

std::optional<int> libpq_of_security_keyword(std::string_view name) {
  const auto* const found =
      std::ranges::find(kSecurityKeywords, name, &std::pair<std::string_view, int>::first);
  return found == kSecurityKeywords.end() ? std::nullopt : std::optional(found->second);
}

std::string libpq_version() {
  return fmt::format("{}.{}", PQlibVersion() / 10000, PQlibVersion() % 10000);
}

bool may_be_file(std::string_view keyword, const std::string& value) {
  constexpr int knows_system = 160000;
  if (keyword == "sslrootcert" && value == "system") {  // an older libpq would ignore it
    return PQlibVersion() >= knows_system;
  }
  if (value.empty() || exists(value)) {
    return true;
  }
  return keyword == "sslkey" ? is_engine_key(value) : !is_encoded(value);
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

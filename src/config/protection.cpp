// SPDX-License-Identifier: Apache-2.0
#include "protection.hpp"

#include <array>
#include <string_view>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>

#include "reader.hpp"

namespace tap::config {

namespace {

/// The TLS keys of the Meltano SDK's tap with libpq's names. They count if `ssl_enable` is on only.
constexpr auto kSdkKeys = std::to_array<std::pair<const char*, const char*>>({
    {"ssl_mode", "sslmode"},
    {"ssl_certificate_authority", "sslrootcert"},
    {"ssl_client_certificate", "sslcert"},
    {"ssl_client_private_key", "sslkey"},
});

}  // namespace

void take_sdk_keys(Json& keys, std::map<std::string, std::string>& source_of) {
  const auto has = [&](const char* key) {
    return keys.contains(key) && !keys[key].is_null() && keys[key] != "";
  };
  const auto is_on = [&](const char* key) {
    return has(key) && Reader(source_of[key], key, keys[key], false).flag();
  };
  const auto rename = [&](const char* from, const char* to) {
    if (has(from) && !has(to)) {
      keys[to] = keys[from];
      source_of[to] = source_of[from];
    }
  };
  for (const auto& [key, keyword] : kSdkKeys) {
    if (has(key) && !has("ssl_enable")) {
      throw Error(
          ExitCode::usage,
          fmt::format("{}: \"{}\" has no effect without \"ssl_enable\": set \"ssl_enable\" to true, or use "
                      "\"{}\"",
                      source_of[key], key, keyword));
    }
  }
  if (is_on("ssl_enable")) {
    if (has("sslmode") &&
        (keys["sslmode"] == "disable" || (has("ssl_mode") && keys["ssl_mode"] != keys["sslmode"]))) {
      throw Error(ExitCode::usage,
                  fmt::format("{}: \"sslmode\" contradicts \"ssl_enable\" and \"ssl_mode\": keep one of them",
                              source_of["sslmode"]));
    }
    if (!has("ssl_mode")) {
      keys["ssl_mode"] = "verify-full";
      source_of["ssl_mode"] = source_of["ssl_enable"];
    }
    const bool has_client = is_on("ssl_client_certificate_enable");
    for (const auto& [key, keyword] : kSdkKeys) {
      if (has_client || !std::string_view(key).starts_with("ssl_client")) {
        rename(key, keyword);
      }
    }
  }
  for (const auto& [key, keyword] : kSdkKeys) {
    keys.erase(key);
  }
  keys.erase("ssl_enable");
  keys.erase("ssl_client_certificate_enable");
}

void require_safe(const Config& config, const Json& keys, const std::string& sources) {
  const auto& keywords = config.server.keywords;
  for (const char* keyword : pg::kFileKeywords) {
    const auto set = keywords.find(keyword);
    if (!pg::is_file_of(keyword, set == keywords.end() ? pg::connection_default(keyword) : set->second)) {
      throw Error(
          ExitCode::usage,
          fmt::format("{}: \"{}\" must be the path of a file that can be read, or its text in PEM with the "
                      "lines BEGIN and END, but is neither",
                      set == keywords.end() ? "the environment" : sources, keyword));
    }
  }
  for (const char* keyword : {"host", "hostaddr", "dbname", "user"}) {
    const auto set = keywords.find(keyword);
    if (set != keywords.end() && (set->second.find("://") != std::string::npos ||
                                  set->second.find("password=") != std::string::npos)) {
      throw Error(ExitCode::usage,
                  fmt::format("{}: \"{}\" must be a name, but is a connection string: a URI goes "
                              "into \"sqlalchemy_url\"",
                              sources, keyword));
    }
  }
  const auto mode = keywords.find("sslmode");
  if (keys.contains("ssl") && !keys["ssl"].is_null() && Reader(sources, "ssl", keys["ssl"], false).flag() &&
      mode != keywords.end() && mode->second == "disable") {
    throw Error(
        ExitCode::usage,
        fmt::format("{}: \"ssl\" is true, but \"sslmode\" is \"disable\": keep one of them", sources));
  }
}

}  // namespace tap::config

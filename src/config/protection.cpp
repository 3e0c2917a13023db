// SPDX-License-Identifier: Apache-2.0
#include "protection.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>

#include "reader.hpp"

namespace tap::config {

namespace {

/// The TLS keys of the Meltano tap and their libpq names. They have an effect only with `ssl_enable`.
constexpr auto kSdkKeys = std::to_array<std::pair<const char*, const char*>>({
    {"ssl_mode", "sslmode"},
    {"ssl_certificate_authority", "sslrootcert"},
    {"ssl_client_certificate", "sslcert"},
    {"ssl_client_private_key", "sslkey"},
});

/// libpq's modes, weakest first.
constexpr std::array<std::string_view, 6> kModes = {"disable", "allow",     "prefer",
                                                    "require", "verify-ca", "verify-full"};

/// The position of a mode in kModes; its size for an unknown mode, which libpq rejects.
std::size_t strength(std::string_view mode) {
  return static_cast<std::size_t>(std::ranges::find(kModes, mode) - kModes.begin());
}

const std::size_t kEncrypted = strength("require");

/// A key of the config as text; empty if it is absent or not text.
std::string text_of(const Json& keys, std::string_view key) {
  const auto found = keys.find(key);
  return found != keys.end() && found->is_string() ? found->get<std::string>() : "";
}

bool is_flag_on(const Json& keys, const std::string& key, const std::string& sources) {
  const auto found = keys.find(key);
  return found != keys.end() && !found->is_null() && Reader(sources, key, *found, false).flag();
}

/// Throws if libpq's sslmode is weaker than a key of the config requires.
void require_strong_mode(const pg::ConnectionSettings& server, const Json& keys, const std::string& sources) {
  const auto set = server.keywords.find("sslmode");
  if (set == server.keywords.end()) {
    return;
  }
  const auto require_at_least = [&](const std::string& key, std::string_view least) {
    if (strength(set->second) < strength(least)) {
      throw Error(ExitCode::usage,
                  fmt::format("{}: \"{}\" requires sslmode \"{}\" or stronger, but the connection would use "
                              "\"{}\"; remove one of the two",
                              sources, key, least, set->second));
    }
  };
  if (is_flag_on(keys, "ssl", sources)) {
    require_at_least("ssl", "require");
  }
  if (is_flag_on(keys, "ssl_enable", sources)) {
    const std::string mode = text_of(keys, "ssl_mode");
    require_at_least(mode.empty() ? "ssl_enable" : "ssl_mode", mode.empty() ? "require" : mode);
  }
  if (const std::string mode = text_of(keys, "sslmode"); !mode.empty()) {
    require_at_least("sslmode", mode);
  }
  for (const char* url : {"sqlalchemy_url", "url"}) {
    pg::ConnectionSettings alone;
    if (const std::string text = text_of(keys, url); !text.empty() && alone.take_url(text)) {
      if (const auto mode = alone.keywords.find("sslmode"); mode != alone.keywords.end()) {
        require_at_least(url, mode->second);
      }
    }
  }
}

/// Throws if a URI overrides another key that protects the session.
void require_one_value(const pg::ConnectionSettings& server, const Json& keys, const std::string& sources) {
  for (const std::string_view keyword : pg::security_keywords()) {
    const std::string text = text_of(keys, keyword);
    const auto set = server.keywords.find(keyword);
    if (!text.empty() && set != server.keywords.end() && set->second != text) {
      throw Error(
          ExitCode::usage,
          fmt::format("{}: \"{}\" and the URI have different values; remove one of them", sources, keyword));
    }
  }
}

}  // namespace

void translate_sdk_keys(Json& keys, std::map<std::string, std::string>& source_of) {
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
          fmt::format("{}: \"{}\" has no effect without \"ssl_enable\"; set \"ssl_enable\" to true, or use "
                      "\"{}\"",
                      source_of[key], key, keyword));
    }
  }
  if (is_on("ssl_enable")) {
    if (has("sslmode") && (strength(text_of(keys, "sslmode")) < kEncrypted ||
                           (has("ssl_mode") && keys["ssl_mode"] != keys["sslmode"]))) {
      throw Error(
          ExitCode::usage,
          fmt::format("{}: \"sslmode\" contradicts \"ssl_enable\" and \"ssl_mode\"; remove one of them",
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
  const auto mode = keywords.find("sslmode");
  const bool uses_files =
      (mode == keywords.end() ? pg::connection_default("sslmode") : mode->second) != "disable";
  for (const char* keyword : pg::kFileKeywords) {
    const auto set = keywords.find(keyword);
    if (uses_files &&
        !pg::may_be_file(keyword, set == keywords.end() ? pg::connection_default(keyword) : set->second)) {
      throw Error(
          ExitCode::usage,
          fmt::format("{}: \"{}\" must be the path of a readable file, or PEM text with its BEGIN and END "
                      "lines, but is neither",
                      set == keywords.end() ? "the environment" : sources, keyword));
    }
  }
  for (const char* keyword :
       {"host", "hostaddr", "dbname", "user", "secondary_host", "ssh_tunnel.host", "ssh_tunnel.username"}) {
    const auto set = keywords.find(keyword);
    const std::string name = set == keywords.end() ? text_of(keys, keyword) : set->second;
    if (name.find("://") != std::string::npos || name.find("password=") != std::string::npos) {
      throw Error(ExitCode::usage,
                  fmt::format("{}: \"{}\" must be a name, but is a connection string; put a URI "
                              "into \"sqlalchemy_url\"",
                              sources, keyword));
    }
  }
  require_strong_mode(config.server, keys, sources);
  require_one_value(config.server, keys, sources);
}

}  // namespace tap::config

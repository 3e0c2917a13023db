// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cctype>

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <tap/base/error.hpp>
#include <tap/base/file.hpp>
#include <tap/base/log.hpp>
#include <tap/config/config.hpp>
#include <tap/config/dotenv.hpp>

#include "nearest.hpp"
#include "protection.hpp"
#include "settings.hpp"

namespace tap::config {

namespace {

constexpr std::string_view kTunnel = "ssh_tunnel";

using Variables = std::vector<std::pair<std::string, std::string>>;

Variables environment() {
  Variables variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    if (const auto equals = text.find('='); equals != std::string_view::npos) {
      variables.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  return variables;
}

/// Variables as a config object.
Json keys_of(const Variables& variables) {
  Json keys = Json::object();
  for (const auto& [name, value] : variables) {
    if (const std::string key = key_of_variable(name); !key.empty()) {
      keys[key] = value;
    }
  }
  return keys;
}

bool is_tunnel_key(std::string_view key) {
  return key.size() > kTunnel.size() && key.compare(0, kTunnel.size(), kTunnel) == 0 &&
         (key[kTunnel.size()] == '.' || key[kTunnel.size()] == '_');
}

/// Flattens `ssh_tunnel` (an object or its JSON text) into keys like `ssh_tunnel.host`. `ssh_tunnel_host` is
/// accepted as well, because names of environment variables have no dots.
Json flatten_tunnel(const std::string& source, const Json& keys) {
  Json all = Json::object();
  const std::string prefix = std::string(kTunnel) + ".";
  for (const auto& [key, value] : keys.items()) {
    if (is_tunnel_key(key)) {
      all[prefix + key.substr(prefix.size())] = value;
      continue;
    }
    if (key != kTunnel) {
      all[key] = value;
      continue;
    }
    Json tunnel = value;
    if (value.is_string()) {
      const std::string text = value.get<std::string>();
      tunnel = text.empty() ? Json() : parse_json(text, fmt::format("{}: \"{}\"", source, key));
    }
    if (!tunnel.is_object() && !tunnel.is_null() && tunnel != false) {
      Reader(source, key, value, true).fail("an object");
    }
    if (tunnel.is_object()) {
      for (const auto& [name, member] : tunnel.items()) {
        all[prefix + name] = member;
      }
    }
  }
  return all;
}

/// True if the key belongs to a feature that this version does not have. Throws Error (ExitCode::usage) if
/// the value uses the feature.
bool is_unsupported(const std::string& source, const std::string& key, const Json& value) {
  const auto all = missing_settings();
  const auto missing = std::ranges::find(all, key, &MissingSetting::name);
  if (missing != all.end() && missing->is_used(value)) {
    throw Error(ExitCode::usage,
                fmt::format("{}: \"{}\" is not supported; {}", source, key, missing->instead));
  }
  return missing != all.end();
}

/// The security key that `key` misspells: at most two characters differ, apart from case.
std::optional<std::string> security_key_like(const std::string& key) {
  std::string lower(key);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (lower == "ssl") {  // too short for nearest(): every word of three letters would match
    return lower;
  }
  std::vector<std::string> known = {"ssl_enable", "ssl_mode", "sslmode", std::string(kTunnel)};
  known.insert(known.end(), pg::kFileKeywords.begin(), pg::kFileKeywords.end());
  const auto keywords = pg::security_keywords();
  known.insert(known.end(), keywords.begin(), keywords.end());
  return nearest(lower, known, 2);
}

/// Reports an unknown key: an error if it resembles a security key, else a warning.
void report_unknown_key(const std::string& source, const std::string& key) {
  std::vector<std::string> known(keys_without_effect().begin(), keys_without_effect().end());
  known.emplace_back(kTunnel);
  for (const Setting& setting : settings()) {
    known.emplace_back(setting.name);
  }
  for (const MissingSetting& missing : missing_settings()) {
    known.emplace_back(missing.name);
  }
  std::string prefix;
  if (is_tunnel_key(key)) {  // compare the member name only
    prefix = key.substr(0, kTunnel.size() + 1);
    std::erase_if(known, [](const std::string& name) { return !is_tunnel_key(name); });
    std::ranges::for_each(known, [&](std::string& name) { name.erase(0, prefix.size()); });
  }
  if (const auto security = security_key_like(key); security && prefix.empty()) {
    throw Error(ExitCode::usage,
                fmt::format("{}: unknown key \"{}\"; did you mean \"{}\"?", source, key, *security));
  }
  const auto suggestion = nearest(key.substr(prefix.size()), known);
  if (key.starts_with("ssl")) {  // ignoring it would weaken the protection that the user expects
    throw Error(ExitCode::usage,
                fmt::format("{}: unknown key \"{}\"{}", source, key,
                            suggestion ? fmt::format("; did you mean \"{}\"?", *suggestion) : "; remove it"));
  }
  if (suggestion) {
    log::warn("{}: unknown key \"{}\" is ignored; did you mean \"{}{}\"?", source, key, prefix, *suggestion);
  } else {
    log::warn("{}: unknown key \"{}\" is ignored", source, key);
  }
}

/// The keys of one source, which replace those of earlier ones.
struct Layer {
  std::string source;
  Json keys;
};

/// The layers of a source; `ENV` has two.
std::vector<Layer> read_layers(const std::string& source) {
  if (source == kEnvironment) {
    return {{kDotenvFile, keys_of(read_dotenv().variables)}, {source, keys_of(environment())}};
  }
  return {{source, parse_json(read_file(source), source)}};
}

/// All keys of the sources, with the source of each.
struct MergedKeys {
  Json keys = Json::object();
  std::map<std::string, std::string> source_of;

  void add(const Layer& layer) {
    if (!layer.keys.is_object()) {
      throw Error(ExitCode::usage,
                  fmt::format("{}: must be a JSON object, but is {}", layer.source, layer.keys.type_name()));
    }
    const Json all = flatten_tunnel(layer.source, layer.keys);
    for (const auto& [key, value] : all.items()) {
      const std::string other(other_name(key));
      if (const auto before = source_of.find(other);
          !other.empty() && before != source_of.end() && before->second != layer.source) {
        keys.erase(other);
      }
      keys[key] = value;
      source_of[key] = layer.source;
    }
  }
};

void apply(Config& config, const std::string& source, const std::string& key, const Json& value) {
  if (value.is_null()) {
    return;
  }
  if (const Setting* setting = find_setting(key)) {
    setting->set(config, Reader(source, key, value, setting->secret));
    return;
  }
  if (is_unsupported(source, key, value)) {
    return;
  }
  const auto unused = keys_without_effect();
  if (std::find(unused.begin(), unused.end(), key) != unused.end()) {
    log::debug("{}: \"{}\" has no effect and is ignored", source, key);
  } else if (pg::is_connection_keyword(key)) {
    config.server.keywords[key] = Reader(source, key, value, pg::is_secret_keyword(key)).text();
  } else if (const auto libpq = pg::libpq_of_security_keyword(key); libpq && value != "") {
    throw Error(ExitCode::usage,
                fmt::format("{}: \"{}\" needs libpq {} or later, but {} is installed; install a newer "
                            "libpq or remove the key",
                            source, key, *libpq, pg::libpq_version()));
  } else {
    report_unknown_key(source, key);
  }
}

bool is_known(const Config& config, const char* keyword) {
  return config.server.keywords.count(keyword) != 0 || !pg::connection_default(keyword).empty();
}

void require_connection_keys(const Config& config, const std::string& sources) {
  std::string missing;
  const bool has_service = is_known(config, "service");  // a service file may provide all of them
  for (const char* key : {"dbname", "host", "user"}) {
    if (!has_service && !is_known(config, key) &&
        !(key == std::string_view("host") && is_known(config, "hostaddr"))) {
      missing += (missing.empty() ? "" : ", ") + std::string(key);
    }
  }
  if (config.tunnel_enabled.value_or(false) && config.tunnel.host.empty()) {
    missing += (missing.empty() ? "" : ", ") + std::string("ssh_tunnel.host");
  }
  if (!missing.empty()) {
    throw Error(ExitCode::usage, fmt::format("{}: missing required keys: {}", sources, missing));
  }
}

}  // namespace

pg::ConnectionSettings Config::copy_server() const {
  pg::ConnectionSettings server_of_copies = server;
  if (secondary.used) {
    server_of_copies.keywords["host"] = secondary.host;
    server_of_copies.keywords.erase("hostaddr");
    if (!secondary.port.empty()) {
      server_of_copies.keywords["port"] = secondary.port;
    }
  }
  return server_of_copies;
}

Config load(const std::vector<std::string>& sources) {
  MergedKeys all;
  std::string names;
  for (const std::string& source : sources) {
    for (const Layer& layer : read_layers(source)) {
      all.add(layer);
    }
    names += (names.empty() ? "" : ", ") + source;
  }

  Config config;
  auto& [merged, source_of] = all;
  const Json given = merged;
  translate_sdk_keys(merged, source_of);
  bool has_tunnel = false;
  for (const bool urls : {false, true}) {  // URIs are applied last because they override other keys
    for (const auto& [key, value] : merged.items()) {
      if (urls == (key == "url" || key == "sqlalchemy_url")) {
        apply(config, source_of[key], key, value);
      }
      has_tunnel = has_tunnel || (is_tunnel_key(key) && !value.is_null());
    }
  }
  config.tunnel_enabled = config.tunnel_enabled.value_or(has_tunnel);
  if (config.values.schema_dialect == value::EncodingOptions::Dialect::singer_io &&
      !merged.contains("other_types")) {
    config.values.other_types = value::EncodingOptions::OtherTypes::unsupported;
  }
  require_connection_keys(config, names);
  require_safe(config, given, names);
  if (config.secondary.used && config.secondary.host.empty()) {
    throw Error(ExitCode::usage, fmt::format("{}: \"use_secondary\" requires \"secondary_host\"", names));
  }
  if (*config.tunnel_enabled) {
    config.server.tunnel = std::make_shared<ssh::Tunnel>(config.tunnel);
  }
  return config;
}

}  // namespace tap::config

// SPDX-License-Identifier: Apache-2.0
#include <array>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/base/json.hpp>
#include <tap/config/about.hpp>

#include "settings.hpp"

namespace tap::config {

namespace {

constexpr const char* kDescription =
    "Singer tap for PostgreSQL: full-table, incremental and log-based replication";
// Capability names of the Meltano SDK.
constexpr std::array kCapabilities = {"about", "activate-version",   "catalog", "discover", "log-based",
                                      "state", "structured-logging", "test"};

std::string_view json_type(const Setting& setting) {
  return setting.type == "text" ? "string" : setting.type == "list" ? "array" : setting.type;
}

Json schema_of(const Setting& setting) {
  Json schema = Json::object();
  schema["type"] = Json::array({json_type(setting), "null"});
  if (setting.type == "list") {
    schema["items"] = {{"type", "string"}};
  }
  if (!setting.default_value.empty()) {
    schema["default"] =
        setting.type == "text" ? Json(setting.default_value) : Json::parse(setting.default_value);
  }
  schema["description"] = setting.description;
  if (setting.secret) {
    schema["secret"] = true;
  }
  return schema;
}

}  // namespace

std::string about_text() {
  std::string text = fmt::format("tap-postgres {}\n{}\n\nCapabilities: {}\n\nSettings:\n", TAP_VERSION,
                                 kDescription, fmt::join(kCapabilities, ", "));
  for (const Setting& setting : settings()) {
    text += fmt::format("  {}{}{} ({}{}{}{})\n      {}\n", setting.name, setting.alias.empty() ? "" : ", ",
                        setting.alias, setting.type, setting.default_value.empty() ? "" : ", default ",
                        setting.default_value, setting.secret ? ", secret" : "", setting.description);
  }
  return text;
}

std::string about_json() {
  Json properties = Json::object();
  for (const Setting& setting : settings()) {
    const auto dot = setting.name.find('.');
    if (dot == std::string_view::npos) {
      properties[std::string(setting.name)] = schema_of(setting);
    } else {  // ssh_tunnel.host is a member of an object
      Json& object = properties[std::string(setting.name.substr(0, dot))];
      object["type"] = Json::array({"object", "null"});
      object["properties"][std::string(setting.name.substr(dot + 1))] = schema_of(setting);
    }
    if (!setting.alias.empty()) {
      Json same = schema_of(setting);
      same["description"] = fmt::format("Alias of {}", setting.name);
      properties[std::string(setting.alias)] = std::move(same);
    }
  }
  Json about = Json::object();
  about["name"] = "tap-postgres";
  about["description"] = kDescription;
  about["version"] = TAP_VERSION;
  about["capabilities"] = kCapabilities;
  about["settings"] = {{"type", "object"}, {"properties", std::move(properties)}};
  return to_text(about, 2) + "\n";
}

std::string about_markdown() {
  std::string text = fmt::format("# `tap-postgres`\n\n{}\n\n## Capabilities\n\n", kDescription);
  for (const char* const capability : kCapabilities) {
    text += fmt::format("* `{}`\n", capability);
  }
  text +=
      "\n## Settings\n\n"
      "| Setting | Required | Default | Description |\n"
      "|:--------|:--------:|:-------:|:------------|\n";
  for (const Setting& setting : settings()) {
    const std::string_view value = setting.default_value.empty() ? "None" : setting.default_value;
    text += fmt::format("| {} | False | {} | {} |\n", setting.name, value, setting.description);
    if (!setting.alias.empty()) {
      text += fmt::format("| {} | False | {} | Alias of {} |\n", setting.alias, value, setting.name);
    }
  }
  return text +
         "\nA full list of supported settings and capabilities is available by running: "
         "`tap-postgres --about`\n";
}

}  // namespace tap::config

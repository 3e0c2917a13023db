// SPDX-License-Identifier: Apache-2.0
#include "refusal.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "conninfo.hpp"

namespace tap::pg {

namespace {

constexpr std::size_t kCodeSize = 5;

bool is_sqlstate(std::string_view code) {
  return code.size() == kCodeSize && code.find_first_of("0123456789") != std::string_view::npos &&
         std::ranges::all_of(code, [](unsigned char c) { return std::isupper(c) || std::isdigit(c); });
}

/// What libpq leaves to guess.
constexpr auto kRemedies = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"certificate verify failed",
     "the server's certificate has expired, or is not of an authority in sslrootcert"},
    {"server does not support SSL", "turn on ssl there, or set sslmode to disable or prefer"},
});

/// Nothing that a try a moment later would change.
constexpr auto kForGood = std::to_array<std::string_view>(
    {"certificate", "private key", "server does not support SSL", "root.crt", "does not match host name"});

}  // namespace

// The words are `...: FATAL:  28P01: password authentication failed`, then the place in the server's source.
// The code is cut out.
Refusal::Refusal(std::string_view message) : text(one_line(message.substr(0, message.find("\nLOCATION:")))) {
  for (std::size_t at = text.find(": "); at != std::string::npos; at = text.find(": ", at + 1)) {
    const std::string code = text.substr(at + 2, kCodeSize);
    if (is_sqlstate(code) && text.compare(at + 2 + kCodeSize, 2, ": ") == 0) {
      sqlstate = code;
      text.erase(at + 2, kCodeSize + 2);
      text += fmt::format(" (SQLSTATE {})", code);
      break;
    }
  }
  for (const auto& [phrase, remedy] : kRemedies) {
    if (text.find(phrase) != std::string::npos) {
      text += fmt::format("; {}", remedy);
    }
  }
}

// Codes: manual, Error Codes.
bool Refusal::may_pass() const {
  if (sqlstate.empty()) {
    return std::ranges::none_of(
        kForGood, [&](std::string_view phrase) { return text.find(phrase) != std::string::npos; });
  }
  return sqlstate.starts_with("57P") || sqlstate.starts_with("53") || sqlstate.starts_with("08");
}

bool Refusal::is_of_database() const {
  return sqlstate == "3D000" || sqlstate == "42501" || sqlstate == "55000";
}

}  // namespace tap::pg

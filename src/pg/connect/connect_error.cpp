// SPDX-License-Identifier: Apache-2.0
#include "connect_error.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>
#include <vector>

#include <spdlog/fmt/fmt.h>

#include <tap/base/text.hpp>

namespace tap::pg {

namespace {

constexpr std::size_t kCodeSize = 5;
constexpr std::string_view kAttempt = "connection to server ";
constexpr std::string_view kNoAddress = "could not translate host name ";

bool is_sqlstate(std::string_view code) {
  return code.size() == kCodeSize && code.find_first_of("0123456789") != std::string_view::npos &&
         std::ranges::all_of(code, [](unsigned char c) { return std::isupper(c) || std::isdigit(c); });
}

/// What to do, for messages of libpq that do not say.
constexpr auto kRemedies = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"certificate verify failed",
     "the server's certificate has expired or is not signed by an authority in sslrootcert"},
    {"GSSAPI support is not compiled in", "the portable build has no GSSAPI: use the Debian package"},
    {"GSSAPI authentication not supported", "the portable build has no GSSAPI: use the Debian package"},
#ifdef TAP_PORTABLE
    {"syntax error in service file", "the portable build has no LDAP: ldap:// lines need the Debian package"},
#endif
    {"server does not support SSL", "enable ssl there, or set sslmode to disable or prefer"},
});

/// Messages of errors that another attempt would not change.
constexpr auto kPermanent = std::to_array<std::string_view>(
    {"certificate", "private key", "server does not support SSL", "root.crt", "does not match host name",
     "GSSAPI support is not compiled in", "GSSAPI authentication not supported", "service file"});

/// The server may accept the login a moment later.
bool is_transient_sqlstate(std::string_view sqlstate) {
  return sqlstate.starts_with("57P") || sqlstate.starts_with("53") || sqlstate.starts_with("08");
}

constexpr std::string_view kGuess = " Is the server running";

/// libpq's report about one address, or about a host name without an address.
struct Attempt {
  /// How far the attempt got, in ascending order.
  enum class Progress { no_address, no_connection, no_session, unfit, refused };

  explicit Attempt(std::string_view words);

  std::string host;  ///< with the port, but without the address
  std::string text;  ///< one line
  std::string sqlstate;
  Progress progress = Progress::no_session;
};

// `words` is like `...: FATAL:  28P01: password authentication failed`, followed by the location in the
// server's source. Moves the SQLSTATE to the end.
Attempt::Attempt(std::string_view words)
    : text(collapse_whitespace(words.substr(0, words.find("\nLOCATION:")))) {
  host = text.substr(0, text.find(" failed: "));
  if (const auto address = host.find("\" ("); address != std::string::npos) {
    host.erase(address + 1, host.find(')', address) - address);
  }
  for (std::size_t at = text.find(": "); at != std::string::npos; at = text.find(": ", at + 1)) {
    const std::string code = text.substr(at + 2, kCodeSize);
    if (is_sqlstate(code) && text.compare(at + 2 + kCodeSize, 2, ": ") == 0) {
      sqlstate = code;
      text.erase(at + 2, kCodeSize + 2);
      text += fmt::format(" (SQLSTATE {})", code);
      break;
    }
  }
  const auto says = [&](std::string_view phrase) { return text.find(phrase) != std::string::npos; };
  if (!sqlstate.empty()) {
    progress = Progress::refused;
  } else if (says("failed: session is ") || says("failed: server is ")) {  // by target_session_attrs
    progress = Progress::unfit;
  } else if (says(kGuess) || says("failed: could not create socket")) {
    progress = Progress::no_connection;
  } else if (text.starts_with(kNoAddress)) {
    progress = Progress::no_address;
  }
}

/// Cuts libpq's message before each line that begins the report of another attempt.
std::vector<std::string_view> split_attempts(std::string_view message) {
  std::vector<std::string_view> attempts;
  std::size_t from = 0;
  for (auto end = message.find('\n'); from < message.size(); end = message.find('\n', end + 1)) {
    const std::string_view next = message.substr(std::min(end, message.size()));
    if (next.empty() || next.substr(1).starts_with(kAttempt) || next.substr(1).starts_with(kNoAddress)) {
      attempts.push_back(message.substr(from, end - from));
      from = end == std::string_view::npos ? message.size() : end + 1;
    }
  }
  return attempts;
}

}  // namespace

// libpq reports each address that it tried, one after the other.
ConnectFailure::ConnectFailure(std::string_view message) {
  std::vector<Attempt> hosts;  // the attempt that got furthest, of each host
  for (const std::string_view words : split_attempts(message)) {
    Attempt attempt(words);
    const auto same_host = std::ranges::find(hosts, attempt.host, &Attempt::host);
    if (same_host == hosts.end()) {
      hosts.push_back(std::move(attempt));
    } else if (attempt.progress > same_host->progress) {
      *same_host = std::move(attempt);
    }
  }
  std::ranges::stable_sort(hosts, [](const Attempt& a, const Attempt& b) {
    return std::pair(a.progress, is_transient_sqlstate(a.sqlstate)) >
           std::pair(b.progress, is_transient_sqlstate(b.sqlstate));
  });
  for (const Attempt& attempt : hosts) {
    const std::string_view words(attempt.text);
    const auto end =
        hosts.size() > 1 ? words.find(kGuess) : words.size();  // libpq's guess helps for one host only
    text += fmt::format("{}{}", text.empty() ? "" : "; ", words.substr(0, end));
  }
  sqlstate = hosts.empty() ? "" : hosts.front().sqlstate;
  for (const auto& [phrase, remedy] : kRemedies) {
    if (text.find(phrase) != std::string::npos) {
      text += fmt::format("; {}", remedy);
    }
  }
}

// Codes: manual, Error Codes.
bool ConnectFailure::is_transient() const {
  if (sqlstate.empty()) {
    return std::ranges::none_of(
        kPermanent, [&](std::string_view phrase) { return text.find(phrase) != std::string::npos; });
  }
  return is_transient_sqlstate(sqlstate);
}

bool ConnectFailure::is_database_specific() const {
  return sqlstate == "3D000" || sqlstate == "42501" || sqlstate == "55000";
}

}  // namespace tap::pg

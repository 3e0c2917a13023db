// SPDX-License-Identifier: Apache-2.0
#include "password_file.hpp"

#include <atomic>
#include <cstdlib>

#include <sys/stat.h>

#include <tap/base/file.hpp>
#include <tap/base/log.hpp>

namespace tap::pg {

namespace {

constexpr const char* kNone = "/dev/null/none";  // a path that cannot exist

std::string given(const ConnectionSettings& server, std::string_view keyword) {
  const auto set = server.keywords.find(keyword);
  return set == server.keywords.end() ? connection_default(keyword) : set->second;
}

}  // namespace

// The same checks as in libpq (manual: libpq, The Password File).
ConnectionSettings without_unsafe_password_file(ConnectionSettings server, bool warns) {
  if (!given(server, "password").empty()) {
    return server;
  }
  std::string path = given(server, "passfile");
  path = path.empty() ? expand_home("~/.pgpass") : path;
  struct stat file {};
  if (stat(path.c_str(), &file) != 0) {
    return server;
  }
  const bool is_plain = S_ISREG(file.st_mode);
  if (is_plain && (file.st_mode & (S_IRWXG | S_IRWXO)) == 0) {
    return server;
  }
  server.keywords["passfile"] = kNone;
  static std::atomic<bool> has_warned = false;  // a watchdog's thread connects, too
  if (warns && !has_warned.exchange(true)) {
    if (is_plain) {
      log::warn("password file {0} is not used, since other users have access to it: chmod 0600 {0}", path);
    } else {
      log::warn("password file {} is not used: it is not a plain file", path);
    }
  }
  return server;
}

}  // namespace tap::pg

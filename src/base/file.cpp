// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <system_error>

#include <pwd.h>
#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tap/base/error.hpp>
#include <tap/base/file.hpp>

namespace tap {

std::string read_file(const std::string& path, std::size_t max_size) {
  const auto fail = [&](const std::string& why) {
    throw Error(ExitCode::usage, fmt::format("{}: cannot read: {}", path, why));
  };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) {
    fail(std::strerror(errno));
  }
  std::string text;
  constexpr std::size_t chunk = 65536;
  std::size_t count = 0;
  do {
    text.resize(text.size() + chunk);
    char* const end = text.data() + text.size();
    count = std::fread(end - chunk, 1, chunk, file.get());
    if (std::memchr(end - chunk, '\0', count) != nullptr) {
      fail("not a text file: it contains a NUL byte");
    }
    text.resize(text.size() - chunk + count);
    if (text.size() > max_size) {
      fail(fmt::format("larger than {} MiB", max_size >> 20U));
    }
  } while (count > 0);
  if (std::ferror(file.get()) != 0) {
    fail(std::strerror(errno));
  }
  return text;
}

void write_file(const std::string& path, std::string_view text) {
  const std::string temporary = fmt::format("{}.{}.tmp", path, ::getpid());
  const auto fail = [&] {
    const std::string why = std::strerror(errno);
    std::remove(temporary.c_str());
    throw Error(ExitCode::run_failed, fmt::format("{}: cannot write: {}", path, why));
  };
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(temporary.c_str(), "wb"), std::fclose);
  if (!file || std::fwrite(text.data(), 1, text.size(), file.get()) != text.size() ||
      std::fclose(file.release()) != 0 || std::rename(temporary.c_str(), path.c_str()) != 0) {
    fail();
  }
}

std::string follow_links(const std::string& path) {
  constexpr int most = 40;  // as Linux
  std::filesystem::path target = path;
  std::error_code none;  // a path that cannot be examined is no link: opening it reports why
  for (int count = 0; std::filesystem::is_symlink(std::filesystem::symlink_status(target, none)); ++count) {
    if (count == most) {
      throw Error(ExitCode::run_failed, fmt::format("{}: cannot write: {}", path, std::strerror(ELOOP)));
    }
    target = target.parent_path() / std::filesystem::read_symlink(target, none);
  }
  return target.string();
}

bool is_regular_file(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

std::string expand_home(const std::string& path) {
  if (path.compare(0, 2, "~/") != 0) {
    return path;
  }
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == '\0') {
    const passwd* const account = getpwuid(getuid());
    home = account != nullptr ? account->pw_dir : "";
  }
  return home + path.substr(1);
}

}  // namespace tap

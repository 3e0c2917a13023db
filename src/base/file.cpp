// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>
#include <tap/base/file.hpp>

namespace tap {

std::string read_file(const std::string& path) {
  const auto fail = [&] {
    throw Error(ExitCode::usage, fmt::format("{}: cannot read: {}", path, std::strerror(errno)));
  };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) {
    fail();
  }
  std::string text;
  constexpr std::size_t piece = 65536;
  std::size_t got = 0;
  do {
    text.resize(text.size() + piece);
    got = std::fread(text.data() + text.size() - piece, 1, piece, file.get());
    text.resize(text.size() - piece + got);
  } while (got > 0);
  if (std::ferror(file.get()) != 0) {
    fail();
  }
  return text;
}

}  // namespace tap

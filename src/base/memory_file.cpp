// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <cstring>

#include <spdlog/fmt/fmt.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tap/base/error.hpp>
#include <tap/base/memory_file.hpp>

namespace tap {

MemoryFile::MemoryFile(const std::string& name, std::string_view text)
    : file_(memfd_create(name.c_str(), MFD_CLOEXEC)) {
  constexpr mode_t owner_only = 0600;  // libpq and ssh reject a key with wider permissions
  const bool created = file_ >= 0 && fchmod(file_, owner_only) == 0 &&
                       write(file_, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (!created) {
    const std::string why = std::strerror(errno);
    close(file_);
    throw Error(ExitCode::run_failed, fmt::format("cannot create an in-memory file for {}: {}", name, why));
  }
}

MemoryFile::~MemoryFile() {
  close(file_);
}

std::string MemoryFile::path() const {
  return fmt::format("/proc/self/fd/{}", file_);
}

}  // namespace tap

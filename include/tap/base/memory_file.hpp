// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace tap {

/// A file that only this process has and that is nowhere on disk, for libraries that want a path where the
/// user gave the text itself. Gone with the object, and with the process however that ends.
class MemoryFile {
 public:
  /// `name` is for people who look into /proc. Throws Error (ExitCode::run_failed).
  MemoryFile(const std::string& name, std::string_view text);
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  MemoryFile(MemoryFile&&) = delete;
  MemoryFile& operator=(MemoryFile&&) = delete;

  [[nodiscard]] std::string path() const;

 private:
  int file_;
};

}  // namespace tap

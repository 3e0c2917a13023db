// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace tap {

/// An anonymous file in memory, for libraries that require a path where the user gives the text itself. It is
/// never on disk and disappears with the object, or with the process however that ends.
class MemoryFile {
 public:
  /// Creates the file with `text` as its contents. `name` appears in errors and in /proc. Throws Error
  /// (ExitCode::run_failed).
  MemoryFile(const std::string& name, std::string_view text);
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  MemoryFile(MemoryFile&&) = delete;
  MemoryFile& operator=(MemoryFile&&) = delete;

  /// A path that this process can open while the object exists.
  [[nodiscard]] std::string path() const;

 private:
  int file_;
};

}  // namespace tap

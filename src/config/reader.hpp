// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tap/base/json.hpp>

namespace tap::config {

/// One key's value as the user wrote it, read as the type that the setting wants. Strings and native JSON
/// types are taken alike: "5432" and 5432, "true" and true. Throws Error (ExitCode::usage) naming file and
/// key.
class Reader {
 public:
  /// `secret` keeps the value out of error texts.
  Reader(const std::string& source, const std::string& key, const Json& value, bool secret)
      : source_(source), key_(key), value_(value), secret_(secret) {}

  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool flag() const;
  [[nodiscard]] std::uint64_t count() const;  ///< a whole number, not negative
  /// The same several times, in text with commas between.
  [[nodiscard]] std::vector<std::uint64_t> counts() const;
  [[nodiscard]] double amount() const;  ///< a number, not negative
  /// A JSON array of strings, or comma-separated text; blanks around names are dropped, empty text is no
  /// name.
  [[nodiscard]] std::vector<std::string> list() const;

  template <class Choice>
  Choice one_of(const std::vector<std::pair<std::string_view, Choice>>& choices) const {
    const std::string word = text();
    std::string names;
    for (const auto& [name, choice] : choices) {
      if (name == word) {
        return choice;
      }
      names += (names.empty() ? "" : ", ") + std::string(name);
    }
    fail("one of " + names);
  }

  [[noreturn]] void fail(const std::string& wanted) const;

 private:
  const std::string& source_;
  const std::string& key_;
  const Json& value_;
  bool secret_;
};

}  // namespace tap::config

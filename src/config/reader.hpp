// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tap/base/json.hpp>

namespace tap::config {

/// Converts the value of one key to the type of its setting. Strings and native JSON types are equivalent:
/// "5432" and 5432, "true" and true. Every function throws Error (ExitCode::usage) that names file and key.
class Reader {
 public:
  /// `secret` keeps the value out of error texts.
  Reader(const std::string& source, const std::string& key, const Json& value, bool secret)
      : source_(source), key_(key), value_(value), secret_(secret) {}

  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool flag() const;
  [[nodiscard]] std::uint64_t count() const;  ///< an integer, 0 or more
  /// Comma-separated integers, 0 or more.
  [[nodiscard]] std::vector<std::uint64_t> counts() const;
  [[nodiscard]] double amount() const;  ///< a number, 0 or more
  /// A JSON array of strings or comma-separated text; surrounding blanks and empty names are dropped.
  [[nodiscard]] std::vector<std::string> list() const;

  /// An object or the JSON text of one; empty for blank text.
  [[nodiscard]] Json object() const;

  /// The value that belongs to the word in `choices`.
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

  /// File and key, for messages.
  [[nodiscard]] std::string place() const;
  /// Throws the Error that says the value must be `wanted`.
  [[noreturn]] void fail(const std::string& wanted) const;

 private:
  const std::string& source_;
  const std::string& key_;
  const Json& value_;
  bool secret_;
};

}  // namespace tap::config

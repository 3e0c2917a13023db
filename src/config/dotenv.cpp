// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/base/file.hpp>
#include <tap/base/log.hpp>
#include <tap/config/dotenv.hpp>

#include "settings.hpp"

namespace tap::config {

namespace {

constexpr std::string_view kBlanks = " \t\r";
constexpr std::string_view kPrefix = "TAP_POSTGRES_";

/// Reads a `.env` from front to back.
class DotenvParser {
 public:
  explicit DotenvParser(std::string_view text) : rest_(text) {}

  Dotenv parse() {
    Dotenv found;
    while (!rest_.empty()) {
      const std::size_t line = line_;
      skip_blanks();
      if (at_end_of_line()) {
        skip_line();
        continue;
      }
      const std::string_view statement = rest_;
      auto variable = read_variable();
      if (variable && at_end_of_line()) {
        found.variables.push_back(*std::move(variable));
      } else {
        found.malformed.push_back(line);
        rest_ = statement;  // a quote that is not closed must not hide the lines after it
        line_ = line;
      }
      skip_line();
    }
    return found;
  }

 private:
  void skip_blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(kBlanks), rest_.size())); }
  /// True if only a comment may follow. Skips blanks.
  bool at_end_of_line() {
    skip_blanks();
    return rest_.empty() || rest_.front() == '\n' || rest_.front() == '#';
  }
  void skip_line() {
    const auto end = rest_.find('\n');
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    ++line_;
  }

  std::optional<std::pair<std::string, std::string>> read_variable() {
    std::string name = read_name();
    if (name == "export" && !rest_.empty() && kBlanks.find(rest_.front()) != std::string_view::npos) {
      skip_blanks();
      if (!rest_.starts_with('=')) {
        name = read_name();
      }
    }
    skip_blanks();
    if (name.empty() || !rest_.starts_with('=')) {
      return std::nullopt;
    }
    rest_.remove_prefix(1);
    skip_blanks();
    auto value = rest_.starts_with('\'') || rest_.starts_with('"') ? read_quoted() : read_unquoted();
    return value ? std::optional(std::pair(std::move(name), *std::move(value))) : std::nullopt;
  }

  std::string read_name() {
    const auto end = std::find_if_not(rest_.begin(), rest_.end(),
                                      [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; });
    std::string name(rest_.begin(), end);
    rest_.remove_prefix(name.size());
    return name;
  }

  /// Up to the end of the line, or a comment.
  std::optional<std::string> read_unquoted() {
    std::string_view line = rest_.substr(0, rest_.find('\n'));
    for (auto comment = line.find('#'); comment != std::string_view::npos;
         comment = line.find('#', comment + 1)) {
      if (comment == 0 || kBlanks.find(line[comment - 1]) != std::string_view::npos) {
        line = line.substr(0, comment);
      }
    }
    rest_.remove_prefix(line.size());
    const auto last = line.find_last_not_of(kBlanks);
    return std::string(line.substr(0, last == std::string_view::npos ? 0 : last + 1));
  }

  /// Up to the closing quote; nothing if there is none.
  std::optional<std::string> read_quoted() {
    const char quote = rest_.front();
    std::string value;
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      char c = rest_[i];
      if (c == quote) {
        rest_.remove_prefix(i + 1);
        return value;
      }
      if (c == '\\' && i + 1 < rest_.size()) {
        c = unescape(rest_[i + 1], quote, value);
        ++i;
      }
      line_ += c == '\n' && rest_[i] == '\n' ? 1 : 0;
      value += c;
    }
    return std::nullopt;
  }

  /// The character that `\c` stands for. If it stands for itself, the backslash is added to `value`.
  static char unescape(char c, char quote, std::string& value) {
    if (c == quote || c == '\\') {
      return c;
    }
    if (quote == '"') {
      switch (c) {
        case 'n':
          return '\n';
        case 'r':
          return '\r';
        case 't':
          return '\t';
        default:
          break;
      }
    }
    value += '\\';
    return c;
  }

  std::string_view rest_;
  std::size_t line_ = 1;
};

std::string change_case(std::string_view text, int (*change)(int)) {
  std::string changed(text);
  std::ranges::transform(changed, changed.begin(),
                         [&](unsigned char c) { return static_cast<char>(change(c)); });
  return changed;
}

/// True if the environment has the variable, or that of the setting's other name.
bool is_set(const std::string& name) {
  const std::string_view other = other_name(key_of_variable(name));
  return std::getenv(name.c_str()) != nullptr ||
         (!other.empty() &&
          std::getenv((std::string(kPrefix) + change_case(other, std::toupper)).c_str()) != nullptr);
}

}  // namespace

Dotenv parse_dotenv(std::string_view text) {
  return DotenvParser(text).parse();
}

std::string key_of_variable(std::string_view name) {
  constexpr std::array<std::string_view, 3> options = {"loglevel", "part", "parts"};
  if (!name.starts_with(kPrefix)) {
    return "";
  }
  std::string key = change_case(name.substr(kPrefix.size()), std::tolower);
  return std::ranges::find(options, key) == options.end() ? key : "";
}

Dotenv read_dotenv() {
  std::error_code unknown;
  if (!std::filesystem::exists(kDotenvFile, unknown)) {
    return {};
  }
  Dotenv file = parse_dotenv(read_file(kDotenvFile));
  std::erase_if(file.variables, [](const auto& variable) {
    const std::string& name = variable.first;
    return !(name.starts_with(kPrefix) || name.starts_with("PG")) || is_set(name);
  });
  return file;
}

void set_variables(const Dotenv& file) {
  for (const auto& [name, value] : file.variables) {
    if (key_of_variable(name).empty()) {
      setenv(name.c_str(), value.c_str(), 1);
    }
  }
}

void report(const Dotenv& file) {
  for (const std::size_t line : file.malformed) {
    log::warn(".env: line {} is ignored, it is not NAME=value", line);
  }
  std::vector<std::string> names;
  for (const auto& [name, value] : file.variables) {
    if (std::ranges::find(names, name) == names.end()) {
      names.push_back(name);
    }
  }
  if (!names.empty()) {
    log::info("variables from .env: {}", fmt::join(names, ", "));
  }
}

}  // namespace tap::config

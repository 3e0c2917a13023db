// SPDX-License-Identifier: Apache-2.0
#include "reader.hpp"

#include <charconv>
#include <cmath>

#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>
#include <tap/base/text.hpp>

namespace tap::config {

namespace {

std::string_view trim(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  const auto from = text.find_first_not_of(blanks);
  return from == std::string_view::npos ? "" : text.substr(from, text.find_last_not_of(blanks) - from + 1);
}

template <class Number>
bool read_whole(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string Reader::place() const {
  return fmt::format("{}: \"{}\"", source_, key_);
}

void Reader::fail(const std::string& wanted) const {
  const std::string found = secret_ ? "something else" : to_text(value_);
  throw Error(ExitCode::usage, fmt::format("{} must be {}, but is {}", place(), wanted, found));
}

std::string Reader::text() const {
  if (value_.is_string()) {
    return value_.get<std::string>();
  }
  if (value_.is_boolean() || is_number(value_)) {
    return number_text(value_);
  }
  fail("text");
}

bool Reader::flag() const {
  std::string word = value_.is_boolean() || value_.is_string() || is_number(value_) ? text() : "";
  for (char& c : word) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  if (word == "true" || word == "1" || word == "yes" || word == "on") {
    return true;
  }
  if ((word.empty() && value_.is_string()) || word == "false" || word == "0" || word == "no" ||
      word == "off") {
    return false;
  }
  fail("true or false");
}

std::uint64_t Reader::count() const {
  const std::vector<std::uint64_t> numbers = counts();
  if (numbers.size() != 1) {
    fail("a whole number");
  }
  return numbers.front();
}

std::vector<std::uint64_t> Reader::counts() const {
  const std::string whole = value_.is_string() || is_number(value_) ? text() : "";
  std::vector<std::uint64_t> numbers;
  for (const std::string_view part : split_at_commas(whole)) {
    if (!read_whole(trim(part), numbers.emplace_back())) {
      fail("a whole number");
    }
  }
  return numbers;
}

double Reader::amount() const {
  double number = 0;
  if (!(value_.is_string() || is_number(value_)) || !read_whole(trim(text()), number) || !(number >= 0) ||
      std::isinf(number)) {
    fail("a number, 0 or more");
  }
  return number;
}

std::vector<std::string> Reader::list() const {
  std::vector<std::string> names;
  if (value_.is_array()) {
    for (const Json& name : value_) {
      if (!name.is_string()) {
        fail("a list of names");
      }
      names.push_back(name.get<std::string>());
    }
    return names;
  }
  if (!value_.is_string()) {
    fail("a list of names");
  }
  const std::string whole = value_.get<std::string>();
  for (const std::string_view part : split_at_commas(whole)) {
    if (const std::string_view name = trim(part); !name.empty()) {
      names.emplace_back(name);
    }
  }
  return names;
}

Json Reader::object() const {
  Json object = value_;
  if (value_.is_string()) {
    const std::string_view text = trim(value_.get_ref<const std::string&>());
    object = text.empty() ? Json::object() : parse_json(text, place());
  }
  if (!object.is_object()) {
    fail("an object");
  }
  return object;
}

}  // namespace tap::config

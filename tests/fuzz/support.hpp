// SPDX-License-Identifier: Apache-2.0
// Shared by the fuzz targets: parts of an input, and requirements on the output.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>

namespace tap::fuzz {

/// Ends the program, which libFuzzer reports with the input that led here.
[[noreturn]] inline void fail(const std::string& what, std::string_view text) {
  fmt::print(stderr, "{}: {}\n", what, text);
  std::abort();
}

inline std::string_view view_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Takes the part of `input` before `separator`, or all of it, and drops the separator.
inline std::string_view take(std::string_view& input, std::string_view separator) {
  const std::size_t end = std::min(input.find(separator), input.size());
  const std::string_view part = input.substr(0, end);
  input.remove_prefix(std::min(end + separator.size(), input.size()));
  return part;
}

/// A copy in a heap block of exactly its size: AddressSanitizer finds reads beyond its end.
class ExactCopy {
 public:
  explicit ExactCopy(std::string_view bytes) : bytes_(new char[bytes.size()]), size_(bytes.size()) {
    if (size_ > 0) {
      std::memcpy(bytes_.get(), bytes.data(), size_);
    }
  }

  [[nodiscard]] std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<char[]> bytes_;  // NOLINT(modernize-avoid-c-arrays): has no spare capacity
  std::size_t size_;
};

/// Accepts any JSON. Numbers may be larger than a double.
class AnyJson : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return true; }
  bool boolean(bool /*value*/) override { return true; }
  bool number_integer(number_integer_t /*value*/) override { return true; }
  bool number_unsigned(number_unsigned_t /*value*/) override { return true; }
  bool number_float(number_float_t /*value*/, const string_t& /*digits*/) override { return true; }
  bool string(string_t& /*value*/) override { return true; }
  bool binary(binary_t& /*value*/) override { return true; }
  bool start_object(std::size_t /*size*/) override { return true; }
  bool key(string_t& /*name*/) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t /*size*/) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& error) override {
    constexpr int number_overflow = 406;
    is_too_large_ = error.id == number_overflow;
    return false;
  }

  [[nodiscard]] bool is_too_large() const { return is_too_large_; }

 private:
  bool is_too_large_ = false;
};

/// Fails unless `text` is one JSON value in UTF-8, on one line.
inline void require_json(std::string_view text) {
  AnyJson json;
  if (!nlohmann::json::sax_parse(text, &json) && !json.is_too_large()) {
    fail("not valid JSON", text);
  }
  if (std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < ' '; })) {
    fail("has control characters", text);
  }
}

/// Drops warnings, which would slow the target down.
inline void silence_log() {
  log::set_level(log::Level::critical);
}

}  // namespace tap::fuzz

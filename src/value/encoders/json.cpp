// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <optional>

#include <tap/base/json_string.hpp>

#include "encode_functions.hpp"
#include "value/column_context.hpp"

namespace tap::value {

namespace {

constexpr char kJsonbVersion = 1;
constexpr std::size_t kUnicodeEscape = 6;  // \u00fc

bool is_high_surrogate(unsigned unit) {
  return unit >= 0xD800 && unit < 0xDC00;
}
bool is_low_surrogate(unsigned unit) {
  return unit >= 0xDC00 && unit < 0xE000;
}

/// Copies one JSON value without the whitespace between its tokens, in one pass. Throws InvalidValue if the
/// text is not exactly one value, because that would break the RECORD line around it. Type json accepts text
/// that JSON readers reject: bytes that are not UTF-8 (in SQL_ASCII databases) and unpaired surrogates. Both
/// become U+FFFD. Not recursive, because the depth is only limited by the server's max_stack_depth.
class JsonCopier {
 public:
  JsonCopier(const ColumnContext& column, std::string_view text, Buffer& out)
      : column_(column), text_(text), at_(text.data()), end_(at_ + text.size()), out_(out) {
    reserve();
  }

  void run() {
    open_.clear();
    do {
      while (!copy_value()) {
      }
    } while (!copy_end_of_value());
    out_.commit(to_);
    open_.shrink(kKeptDepth);
  }

 private:
  static constexpr std::size_t kKeptDepth = 4096;

  [[noreturn]] void fail() const { throw_invalid_value(column_, text_); }
  [[nodiscard]] std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
  /// The output is at most as long as the input, except for bytes that are not ASCII: see copy_non_ascii().
  void reserve() { to_ = out_.reserve(left() + kWord); }

  void copy() { *to_++ = *at_++; }
  void copy(std::size_t size) {
    std::memcpy(to_, at_, size);
    to_ += size;
    at_ += size;
  }

  /// Skips whitespace and returns the next character. Fails at the end of the text.
  char next() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r')) {
      ++at_;
    }
    if (at_ == end_) {
      fail();
    }
    return *at_;
  }

  /// Copies a scalar, or an empty array or object: true. Of any other array or object, copies only the part
  /// before its first value: false.
  bool copy_value() {
    switch (next()) {
      case '{':
      case '[': {
        const char closing = *at_ == '{' ? '}' : ']';
        copy();
        if (next() == closing) {
          copy();
          return true;
        }
        open_.push(closing);
        if (closing == '}') {
          copy_key();
        }
        return false;
      }
      case '"':
        copy_string();
        return true;
      case 't':
        copy_word("true");
        return true;
      case 'f':
        copy_word("false");
        return true;
      case 'n':
        copy_word("null");
        return true;
      default:
        copy_number();
        return true;
    }
  }

  /// After a value: copies the closing brackets, and a comma and key before another value. True at the end of
  /// the text.
  bool copy_end_of_value() {
    while (!open_.empty()) {
      const char closing = open_.view().back();
      const char found = next();
      if (found == ',') {
        copy();
        if (closing == '}') {
          copy_key();
        }
        return false;
      }
      if (found != closing) {
        fail();
      }
      copy();
      open_.truncate(open_.size() - 1);
    }
    if (text_.find_first_not_of(" \n\t\r", text_.size() - left()) != std::string_view::npos) {
      fail();
    }
    return true;
  }

  void copy_key() {
    if (next() != '"') {
      fail();
    }
    copy_string();
    if (next() != ':') {
      fail();
    }
    copy();
  }

  void copy_word(std::string_view expected) {
    if (left() < expected.size() || std::memcmp(at_, expected.data(), expected.size()) != 0) {
      fail();
    }
    copy(expected.size());
  }

  [[nodiscard]] bool is_at(char character) const { return at_ != end_ && *at_ == character; }
  void copy_digits() {
    const char* const from = at_;
    while (at_ != end_ && *at_ >= '0' && *at_ <= '9') {
      copy();
    }
    if (at_ == from) {
      fail();
    }
  }

  void copy_number() {
    if (is_at('-')) {
      copy();
    }
    if (is_at('0')) {
      copy();
    } else {
      copy_digits();
    }
    if (is_at('.')) {
      copy();
      copy_digits();
    }
    if (is_at('e') || is_at('E')) {
      copy();
      if (is_at('+') || is_at('-')) {
        copy();
      }
      copy_digits();
    }
  }

  void copy_string() {
    copy();
    while (true) {
      while (left() >= kWord) {
        std::uint64_t word = 0;
        std::memcpy(&word, at_, kWord);
        const std::uint64_t special = find_special_bytes(word);
        if (special != 0) {
          if constexpr (std::endian::native == std::endian::little) {  // the first byte is the lowest
            std::memcpy(to_, &word, kWord);
            const int plain = std::countr_zero(special) / 8;
            to_ += plain;
            at_ += plain;
          }
          break;
        }
        copy(kWord);
      }
      if (at_ == end_) {
        fail();
      }
      const auto byte = static_cast<unsigned char>(*at_);
      if (byte == '"') {
        return copy();
      }
      if (byte == '\\') {
        copy_escape();
      } else if (byte >= 0x80) {
        copy_non_ascii();
      } else if (byte < ' ') {
        fail();
      } else {
        copy();
      }
    }
  }

  void copy_escape() {
    constexpr std::string_view plain = "\"\\/bfnrt";
    if (left() >= 2 && plain.find(at_[1]) != std::string_view::npos) {
      return copy(2);
    }
    const auto unit = code_unit(at_);
    if (!unit) {
      fail();
    }
    if (is_high_surrogate(*unit) && is_low_surrogate(code_unit(at_ + kUnicodeEscape).value_or(0))) {
      return copy(2 * kUnicodeEscape);
    }
    if (!is_high_surrogate(*unit) && !is_low_surrogate(*unit)) {
      return copy(kUnicodeEscape);
    }
    std::memcpy(to_, "\\ufffd", kUnicodeEscape);
    to_ += kUnicodeEscape;
    at_ += kUnicodeEscape;
  }

  /// Returns the UTF-16 code unit of the escape \uXXXX at `at`; nullopt if there is none.
  [[nodiscard]] std::optional<unsigned> code_unit(const char* at) const {
    unsigned unit = 0;
    if (static_cast<std::size_t>(end_ - at) < kUnicodeEscape || at[0] != '\\' || at[1] != 'u') {
      return std::nullopt;
    }
    const char* const after = std::from_chars(at + 2, at + kUnicodeEscape, unit, 16).ptr;
    return after == at + kUnicodeEscape ? std::optional(unit) : std::nullopt;
  }

  void copy_non_ascii() {
    const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
    const char* const after = std::find_if(at_, end_, is_ascii);
    out_.commit(to_);
    append_json_characters(out_, {at_, static_cast<std::size_t>(after - at_)});
    at_ = after;
    reserve();
  }

  const ColumnContext& column_;
  std::string_view text_;
  const char* at_;
  const char* end_;
  Buffer& out_;
  char* to_ = nullptr;
  Buffer& open_ = column_.scratch;  ///< the expected closing brackets, the innermost last
};

}  // namespace

void encode_json(const ColumnContext& column, std::string_view value, Buffer& out) {
  if (column.options.json_as_object) {
    JsonCopier(column, value, out).run();
  } else {
    append_json_string(out, value);
  }
}

void encode_jsonb_binary(const ColumnContext& column, std::string_view value, Buffer& out) {
  if (value.empty() || value[0] != kJsonbVersion) {
    throw_invalid_value(column, value);
  }
  encode_json(column, value.substr(1), out);
}

}  // namespace tap::value

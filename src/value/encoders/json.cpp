// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <optional>

#include <tap/base/json_string.hpp>

#include "encoders.hpp"
#include "value/column.hpp"

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

/// Copies a JSON text without the blanks between its tokens, in one pass, and refuses what is not one whole
/// JSON value: it would end the record that it is put into. Type json keeps what JSON readers choke on: bytes
/// that are not UTF-8 (SQL_ASCII databases) and escapes of half a character. Both become U+FFFD. No
/// recursion: the server may have been told to allow any depth.
class DocumentCopy {
 public:
  DocumentCopy(const Column& column, std::string_view text, Buffer& out)
      : column_(column), text_(text), at_(text.data()), end_(at_ + text.size()), out_(out) {
    reserve();
  }

  void run() {
    open_.clear();
    do {
      while (!value()) {
      }
    } while (!is_complete());
    out_.commit(to_);
    open_.shrink(kKeptDepth);
  }

 private:
  static constexpr std::size_t kKeptDepth = 4096;

  [[noreturn]] void fail() const { malformed(column_, text_); }
  [[nodiscard]] std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
  /// What is written is never longer than what is read, but for bytes that are not ASCII.
  void reserve() { to_ = out_.reserve(left() + kWord); }

  void copy() { *to_++ = *at_++; }
  void copy(std::size_t size) {
    std::memcpy(to_, at_, size);
    to_ += size;
    at_ += size;
  }

  /// The next character that is not blank; the text must have one.
  char next() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r')) {
      ++at_;
    }
    if (at_ == end_) {
      fail();
    }
    return *at_;
  }

  /// Copies a value; of an array or object that is not empty only what is before the first value in it:
  /// false.
  bool value() {
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
          key();
        }
        return false;
      }
      case '"':
        string();
        return true;
      case 't':
        word("true");
        return true;
      case 'f':
        word("false");
        return true;
      case 'n':
        word("null");
        return true;
      default:
        number();
        return true;
    }
  }

  /// Behind a value: closes what ends there, or goes on to the next value. True at the end of the text.
  bool is_complete() {
    while (!open_.empty()) {
      const char closing = open_.view().back();
      const char found = next();
      if (found == ',') {
        copy();
        if (closing == '}') {
          key();
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

  void key() {
    if (next() != '"') {
      fail();
    }
    string();
    if (next() != ':') {
      fail();
    }
    copy();
  }

  void word(std::string_view expected) {
    if (left() < expected.size() || std::memcmp(at_, expected.data(), expected.size()) != 0) {
      fail();
    }
    copy(expected.size());
  }

  [[nodiscard]] bool is_at(char character) const { return at_ != end_ && *at_ == character; }
  void digits() {
    const char* const from = at_;
    while (at_ != end_ && *at_ >= '0' && *at_ <= '9') {
      copy();
    }
    if (at_ == from) {
      fail();
    }
  }

  void number() {
    if (is_at('-')) {
      copy();
    }
    if (is_at('0')) {
      copy();
    } else {
      digits();
    }
    if (is_at('.')) {
      copy();
      digits();
    }
    if (is_at('e') || is_at('E')) {
      copy();
      if (is_at('+') || is_at('-')) {
        copy();
      }
      digits();
    }
  }

  void string() {
    copy();
    while (true) {
      while (left() >= kWord) {
        std::uint64_t word = 0;
        std::memcpy(&word, at_, kWord);
        const std::uint64_t care = find_special_bytes(word);
        if (care != 0) {
          if constexpr (std::endian::native == std::endian::little) {  // the first such byte is the lowest
            std::memcpy(to_, &word, kWord);
            const int plain = std::countr_zero(care) / 8;
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
        escape();
      } else if (byte >= 0x80) {
        characters();
      } else if (byte < ' ') {
        fail();
      } else {
        copy();
      }
    }
  }

  void escape() {
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

  /// The UTF-16 code unit of the escape \uXXXX at `at`; nothing if something else is there.
  [[nodiscard]] std::optional<unsigned> code_unit(const char* at) const {
    unsigned unit = 0;
    if (static_cast<std::size_t>(end_ - at) < kUnicodeEscape || at[0] != '\\' || at[1] != 'u') {
      return std::nullopt;
    }
    const char* const after = std::from_chars(at + 2, at + kUnicodeEscape, unit, 16).ptr;
    return after == at + kUnicodeEscape ? std::optional(unit) : std::nullopt;
  }

  void characters() {
    const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
    const char* const after = std::find_if(at_, end_, is_ascii);
    out_.commit(to_);
    append_json_characters(out_, {at_, static_cast<std::size_t>(after - at_)});
    at_ = after;
    reserve();
  }

  const Column& column_;
  std::string_view text_;
  const char* at_;
  const char* end_;
  Buffer& out_;
  char* to_ = nullptr;
  Buffer& open_ = column_.scratch;  ///< the closing brackets to come, the innermost last
};

}  // namespace

void json(const Column& column, std::string_view value, Buffer& out) {
  if (column.options.json_as_object) {
    DocumentCopy(column, value, out).run();
  } else {
    append_json_string(out, value);
  }
}

void jsonb_binary(const Column& column, std::string_view value, Buffer& out) {
  if (value.empty() || value[0] != kJsonbVersion) {
    malformed(column, value);
  }
  json(column, value.substr(1), out);
}

}  // namespace tap::value

// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstdint>
#include <cstring>

#include <tap/base/json_string.hpp>
#include <tap/base/text.hpp>

namespace tap {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr std::array kHex = {'0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'};
constexpr std::size_t kLongestEscape = 6;  // \u001f

char* write_escape(char* to, unsigned char byte) {
  *to++ = '\\';
  switch (byte) {
    case '"':
    case '\\':
      *to++ = static_cast<char>(byte);
      return to;
    case '\n':
      *to++ = 'n';
      return to;
    case '\t':
      *to++ = 't';
      return to;
    case '\r':
      *to++ = 'r';
      return to;
    case '\b':
      *to++ = 'b';
      return to;
    case '\f':
      *to++ = 'f';
      return to;
    default:
      std::memcpy(to, "u00", 3);
      to[3] = kHex[byte >> 4U];
      to[4] = kHex[byte & 0xFU];
      return to + 5;
  }
}

}  // namespace

void append_json_characters(Buffer& out, std::string_view text) {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = at + text.size();
  // Room for the unchanged text and one more word; escapes and replacements, which are longer, reserve again.
  char* to = out.reserve(text.size() + kWord);
  while (at != end) {
    while (static_cast<std::size_t>(end - at) >= kWord) {
      std::uint64_t word = 0;
      std::memcpy(&word, at, kWord);
      if (has_special_byte(word)) {
        break;
      }
      std::memcpy(to, &word, kWord);
      at += kWord;
      to += kWord;
    }
    // The next eight bytes one by one: this passes the special byte that ended the loop above.
    const auto* const stop = static_cast<std::size_t>(end - at) > kWord ? at + kWord : end;
    while (at < stop) {
      const unsigned char byte = *at;
      if (byte >= 0x80) {
        const std::size_t length = utf8_length(at, end);
        const std::size_t grows = length == 0 ? kReplacement.size() : 0;
        if (grows != 0) {
          out.commit(to);
          to = out.reserve(static_cast<std::size_t>(end - at) + grows + kWord);
        }
        const auto* from = length == 0 ? reinterpret_cast<const unsigned char*>(kReplacement.data()) : at;
        const std::size_t size = length == 0 ? kReplacement.size() : length;
        std::memcpy(to, from, size);
        to += size;
        at += length == 0 ? 1 : length;
      } else if (byte < 0x20 || byte == '"' || byte == '\\') {
        out.commit(to);
        to = out.reserve(static_cast<std::size_t>(end - at) + kLongestEscape + kWord);
        to = write_escape(to, byte);
        ++at;
      } else {
        *to++ = static_cast<char>(byte);
        ++at;
      }
    }
  }
  out.commit(to);
}

void append_json_string(Buffer& out, std::string_view text) {
  out.push('"');
  append_json_characters(out, text);
  out.push('"');
}

}  // namespace tap

// SPDX-License-Identifier: Apache-2.0
#include "transcoder.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>

namespace tap::change {

namespace {

using Name = std::pair<std::string_view, const char*>;

// Encodings whose names differ between the server (manual: Character Set Support) and the C library.
constexpr auto kEncodingNames = std::to_array<Name>({
    {"EUC_CN", "EUC-CN"},         {"EUC_JP", "EUC-JP"},         {"EUC_JIS_2004", "EUC-JISX0213"},
    {"EUC_KR", "EUC-KR"},         {"EUC_TW", "EUC-TW"},         {"ISO_8859_5", "ISO-8859-5"},
    {"ISO_8859_6", "ISO-8859-6"}, {"ISO_8859_7", "ISO-8859-7"}, {"ISO_8859_8", "ISO-8859-8"},
    {"KOI8R", "KOI8-R"},          {"KOI8U", "KOI8-U"},          {"LATIN1", "ISO-8859-1"},
    {"LATIN2", "ISO-8859-2"},     {"LATIN3", "ISO-8859-3"},     {"LATIN4", "ISO-8859-4"},
    {"LATIN5", "ISO-8859-9"},     {"LATIN6", "ISO-8859-10"},    {"LATIN7", "ISO-8859-13"},
    {"LATIN8", "ISO-8859-14"},    {"LATIN9", "ISO-8859-15"},    {"LATIN10", "ISO-8859-16"},
    {"WIN866", "CP866"},          {"WIN874", "CP874"},          {"WIN1250", "CP1250"},
    {"WIN1251", "CP1251"},        {"WIN1252", "CP1252"},        {"WIN1253", "CP1253"},
    {"WIN1254", "CP1254"},        {"WIN1255", "CP1255"},        {"WIN1256", "CP1256"},
    {"WIN1257", "CP1257"},        {"WIN1258", "CP1258"},
});

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr std::size_t kMaxCharacterSize = 4;

/// Returns the offset of the first sequence beyond U+10FFFF, which the C library accepts, or the size of
/// `text`.
std::size_t find_beyond_unicode(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead > 0xF4 ||
        (lead == 0xF4 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) > 0x8F)) {
      return i;
    }
  }
  return text.size();
}

const iconv_t kInvalid =
    reinterpret_cast<iconv_t>(-1);  // NOLINT(performance-no-int-to-ptr): iconv's own convention

}  // namespace

Transcoder::Transcoder(std::string_view server_encoding)
    : is_utf8_(server_encoding == "UTF8"), is_sql_ascii_(server_encoding == "SQL_ASCII") {
  if (is_utf8_) {
    return;
  }
  const auto* name = std::ranges::find(kEncodingNames, server_encoding, &Name::first);
  const std::string from(is_sql_ascii_                  ? "UTF-8"
                         : name == kEncodingNames.end() ? server_encoding
                                                        : name->second);
  converter_ = iconv_open("UTF-8", from.c_str());
  if (converter_ == kInvalid) {
    throw Error(
        ExitCode::log_based_unprepared,
        fmt::format(
            "log-based replication does not support database encoding {}: the C library cannot convert "
            "it; use FULL_TABLE or INCREMENTAL",
            server_encoding));
  }
}

Transcoder::~Transcoder() {
  if (converter_ != nullptr && converter_ != kInvalid) {
    iconv_close(converter_);
  }
}

void Transcoder::append(std::string_view text, Buffer& out) {
  if (is_utf8_) {
    out.append(text);
    return;
  }
  while (is_sql_ascii_) {
    const std::size_t beyond = find_beyond_unicode(text);
    convert(text.substr(0, beyond), out);
    if (beyond == text.size()) {
      return;
    }
    out.append(kReplacement);
    text.remove_prefix(beyond + 1);
  }
  convert(text, out);
}

void Transcoder::convert(std::string_view text, Buffer& out) {
  auto* from = const_cast<char*>(text.data());  // iconv() does not write there
  std::size_t left = text.size();
  while (left > 0) {
    const std::size_t room = left + kMaxCharacterSize;
    char* to = out.reserve(room);
    std::size_t unused = room;
    const bool failed = iconv(converter_, &from, &left, &to, &unused) == static_cast<std::size_t>(-1);
    out.commit(to);
    if (failed && errno != E2BIG) {
      out.append(kReplacement);
      ++from;
      --left;
    }
  }
}

}  // namespace tap::change

// SPDX-License-Identifier: Apache-2.0
#include "wal2json_options.hpp"

#include <algorithm>
#include <array>

#include <tap/base/log.hpp>

namespace tap::sync {

namespace {

constexpr std::string_view kFormatVersion = "format-version";
constexpr std::string_view kNumbersAsText = "numeric-data-types-as-string";

/// Other options are needed to know where a transaction ends and when it was committed.
constexpr std::array kOptional = {kFormatVersion, kNumbersAsText, std::string_view("include-xids"),
                                  std::string_view("include-types"), std::string_view("add-tables")};

/// The option in wal2json's error `option "x" = "y" is unknown`; empty for other errors.
std::string unsupported_option(const pg::ServerError& error) {
  constexpr std::string_view before = "option \"";
  const std::string_view text = error.what();
  const auto start = text.find(before);
  if (error.sqlstate() != "22023" || start == std::string_view::npos) {
    return "";
  }
  const auto name = text.substr(start + before.size());
  return std::string(name.substr(0, name.find('"')));
}

const char* effect_of_leaving_out(std::string_view option) {
  if (option == kFormatVersion) {
    return "using format 1, which does not report TRUNCATE";
  }
  return option == kNumbersAsText ? "NaN and infinities are read as null" : "continuing without it";
}

}  // namespace

Wal2jsonOptions::Wal2jsonOptions(const config::Config& config)
    : is_format_1_(config.log.format == config::LogSettings::Format::v1),
      numbers_as_text_(config.values.non_finite_numbers == value::EncodingOptions::NonFinite::string) {}

pg::ReplicationStream::Options Wal2jsonOptions::build(const std::string& tables) const {
  pg::ReplicationStream::Options options = {{std::string(kFormatVersion), is_format_1_ ? "1" : "2"},
                                            {"include-lsn", "true"},
                                            {"include-timestamp", "true"},
                                            {"include-xids", "true"},
                                            {"include-types", "false"}};
  if (is_format_1_) {
    options.emplace_back("write-in-chunks", "true");
  }
  if (numbers_as_text_) {
    options.emplace_back(kNumbersAsText, "true");
  }
  if (!tables.empty()) {
    options.emplace_back("add-tables", tables);
  }
  std::erase_if(options,
                [&](const auto& option) { return std::ranges::count(unsupported_, option.first) > 0; });
  return options;
}

bool Wal2jsonOptions::leave_out_unsupported(const pg::ServerError& error) {
  const std::string option = unsupported_option(error);
  if (std::ranges::find(kOptional, option) == kOptional.end()) {
    return false;
  }
  log::warn("the server's wal2json does not support the option {}: {}", option,
            effect_of_leaving_out(option));
  is_format_1_ = is_format_1_ || option == kFormatVersion;
  unsupported_.push_back(option);
  return true;
}

std::unique_ptr<change::Decoder> Wal2jsonOptions::make_decoder(std::string_view server_encoding) const {
  return is_format_1_ ? change::make_wal2json_v1_decoder(server_encoding)
                      : change::make_wal2json_v2_decoder(server_encoding);
}

}  // namespace tap::sync

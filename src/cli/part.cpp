// SPDX-License-Identifier: Apache-2.0
#include "part.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>

namespace tap::cli {

namespace {

[[noreturn]] void usage_error(const std::string& text) {
  throw Error(ExitCode::usage, text);
}

/// Parses a number from 1 to sync::kMaxParts.
std::optional<std::size_t> parse_count(std::string_view text) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_valid = error == std::errc() && end == text.data() + text.size() && number >= 1;
  return is_valid && number <= sync::kMaxParts ? std::optional(number) : std::nullopt;
}

/// Parses `2/4`; `source` is the option or variable that has it.
sync::Part parse_part(const std::string& source, std::string_view text) {
  const auto slash = std::min(text.find('/'), text.size());
  const auto number = parse_count(text.substr(0, slash));
  const auto count = parse_count(text.substr(std::min(slash + 1, text.size())));
  if (!number || !count || *number > *count) {
    usage_error(fmt::format("{} {}: must be I/N, from 1/N to N/N, such as 2/4", source, text));
  }
  return {*number, *count};
}

/// The part of a pod of a Kubernetes Indexed Job; `source` is the option or variable with the number of
/// parts.
sync::Part part_of_pod(const std::string& source, std::size_t count) {
  const char* const index = std::getenv("JOB_COMPLETION_INDEX");
  if (index == nullptr) {
    usage_error(fmt::format(
        "{} requires split, or JOB_COMPLETION_INDEX in the environment; otherwise use --part I/N", source));
  }
  const std::string_view text = index;
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number >= count) {
    usage_error(fmt::format("JOB_COMPLETION_INDEX {}: must be from 0 to {}, because {} is {}", text,
                            count - 1, source, count));
  }
  return {number + 1, count};
}

/// The value of an environment variable; nothing if it is unset or empty.
std::optional<std::string> variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr || *value == '\0' ? std::nullopt : std::optional<std::string>(value);
}

}  // namespace

std::size_t parse_parts(const std::string& source, std::string_view text) {
  const auto count = parse_count(text);
  if (!count) {
    usage_error(fmt::format("{} {}: must be a number from 1 to {}", source, text, sync::kMaxParts));
  }
  return *count;
}

std::optional<sync::Part> part_of_run(const std::optional<std::string>& part, std::size_t parts) {
  if (part && parts > 0) {
    usage_error("--part and --parts both choose the part; give only one");
  }
  if (part) {
    return parse_part("--part", *part);
  }
  if (parts > 0) {
    return part_of_pod("--parts", parts);
  }
  if (const auto from_environment = variable("TAP_POSTGRES_PART")) {
    return parse_part("TAP_POSTGRES_PART", *from_environment);
  }
  const auto count = variable("TAP_POSTGRES_PARTS");
  return count ? std::optional(part_of_pod("TAP_POSTGRES_PARTS", parse_parts("TAP_POSTGRES_PARTS", *count)))
               : std::nullopt;
}

}  // namespace tap::cli

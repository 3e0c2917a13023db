// SPDX-License-Identifier: Apache-2.0
#include <charconv>

#include <spdlog/fmt/fmt.h>

#include <tap/pgtypes/lsn.hpp>

namespace tap {

namespace {

constexpr unsigned kHalf = 32;  // bits on either side of the slash

std::optional<std::uint32_t> read_half(std::string_view text) {
  std::uint32_t half = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), half, 16);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(half) : std::nullopt;
}

}  // namespace

std::string to_text(Lsn lsn) {
  return fmt::format("{:X}/{:X}", lsn.value >> kHalf, static_cast<std::uint32_t>(lsn.value));
}

std::optional<Lsn> read_lsn(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) {
    return std::nullopt;
  }
  const auto high = read_half(text.substr(0, slash));
  const auto low = read_half(text.substr(slash + 1));
  return high && low ? std::optional(Lsn{std::uint64_t{*high} << kHalf | *low}) : std::nullopt;
}

}  // namespace tap

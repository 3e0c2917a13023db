// SPDX-License-Identifier: Apache-2.0
#include "random_values.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <vector>

#include <spdlog/fmt/fmt.h>

namespace tap::test {

namespace {

template <class Float, class Bits>
std::string any_float(Random& random) {
  const auto value = std::bit_cast<Float>(static_cast<Bits>(random()));
  if (!std::isfinite(value)) {
    return "NaN";
  }
  // Half of the numbers have few digits, like most real data.
  char text[32];
  const bool few = random() % 2 == 0;
  const char* const end =
      few ? std::to_chars(text, text + sizeof(text), static_cast<double>(any_integer(random)) / 1000).ptr
          : std::to_chars(text, text + sizeof(text), value).ptr;
  return {text, static_cast<std::size_t>(end - text)};
}

std::string document(Random& random, int depth) {
  const auto blank = [&] { return std::string(random() % 3, " \n\t"[random() % 3]); };
  const auto text = [&] {
    std::string escaped;
    for (const char c : any_text(random)) {
      escaped += c == '"' || c == '\\'                  ? std::string("\\") + c
                 : static_cast<unsigned char>(c) < 0x20 ? fmt::format("\\u{:04x}", c)
                                                        : std::string(1, c);
    }
    return '"' + escaped + '"';
  };
  switch (between(random, depth > 3 ? 2 : 0, 6)) {
    case 0:
      return fmt::format("{{{0}{1}{0}:{2},{0}\"b\" :{3}{0}}}", blank(), text(), document(random, depth + 1),
                         document(random, depth + 1));
    case 1:
      return fmt::format("[{0}{1}{0},{2}]", blank(), document(random, depth + 1),
                         document(random, depth + 1));
    case 2:
      return "true";
    case 3:
      return "null";
    case 4:
      return fmt::format("{}.{}e{}", between(random, -99, 99), digits(random, 3), between(random, -9, 9));
    default:
      return text();
  }
}

}  // namespace

std::int64_t between(Random& random, std::int64_t low, std::int64_t high) {
  return std::uniform_int_distribution<std::int64_t>(low, high)(random);
}

std::int64_t any_integer(Random& random) {
  return static_cast<std::int64_t>(random()) >> between(random, 0, 63);
}

std::string digits(Random& random, std::int64_t count) {
  std::string text;
  for (std::int64_t i = 0; i < count; ++i) {
    text += static_cast<char>('0' + between(random, 0, 9));
  }
  return text;
}

std::string hex(Random& random, std::int64_t bytes) {
  std::string text;
  for (std::int64_t i = 0; i < bytes; ++i) {
    text += fmt::format("{:02x}", between(random, 0, 255));
  }
  return text;
}

std::string any_text(Random& random) {
  static const std::vector<std::string> pieces = {
      "a",     "B",      " ",      "  ",     "\"",         "'",        "\\",   "\\\\", "{",    "}",
      "(",     ")",      "[",      "]",      ",",          ";",        "=>",   "=",    "NULL", "null",
      "\n",    "\r",     "\t",     "\b",     "\f",         "\x01",     "\x1f", "\x7f", "/",    "\\u0041",
      "\\x41", "\u00e9", "\u20ac", "\u2028", "\U0001F600", "infinity", "0"};
  std::string text;
  for (std::int64_t i = between(random, 0, 12); i > 0; --i) {
    text += pieces[random() % pieces.size()];
  }
  return text;
}

std::string any_real(Random& random) {
  return fmt::format("'{}'", any_float<float, std::uint32_t>(random));
}

std::string any_double(Random& random) {
  return fmt::format("'{}'", any_double_text(random));
}

std::string any_double_text(Random& random) {
  return any_float<double, std::uint64_t>(random);
}

std::string any_numeric(Random& random) {
  const auto size = [&] {
    return between(random, 0, 1) == 0 ? between(random, 0, 5) : between(random, 0, 60);
  };
  const std::string zeros(static_cast<std::size_t>(size()), '0');
  return fmt::format("'{}{}.{}{}'", random() % 2 == 0 ? "-" : "", digits(random, size() + 1), zeros,
                     digits(random, size()));
}

std::string any_json(Random& random) {
  return document(random, 0);
}

std::string any_time(Random& random) {
  const std::string fraction =
      random() % 2 == 0 ? fmt::format(".{}", digits(random, between(random, 1, 6))) : "";
  return fmt::format("{:02}:{:02}:{:02}{}", between(random, 0, 23), between(random, 0, 59),
                     between(random, 0, 59), fraction);
}

std::string any_timetz(Random& random) {
  return fmt::format("'{}{}{:02}:{:02}:{:02}'", any_time(random), random() % 2 == 0 ? "+" : "-",
                     between(random, 0, 15), random() % 2 == 0 ? between(random, 0, 59) : 0,
                     random() % 4 == 0 ? between(random, 0, 59) : 0);
}

std::string any_interval(Random& random) {
  const auto count = [&] { return random() % 3 == 0 ? 0 : any_integer(random) >> 32; };
  const auto clock = [&] {
    return fmt::format("{}{:02}:{:02}:{:02}.{}", random() % 2 == 0 ? "-" : "",
                       std::abs(any_integer(random) >> 33), between(random, 0, 59), between(random, 0, 59),
                       digits(random, between(random, 1, 6)));
  };
  return fmt::format("interval '{} mons {} days' + interval '{}'", count(), count(),
                     random() % 3 == 0 ? "0" : clock());
}

std::string any_inet(Random& random) {
  const bool is_ipv6 = random() % 2 == 0;
  std::string address;
  for (int i = 0; i < (is_ipv6 ? 8 : 4); ++i) {
    const auto part = random() % 2 == 0 ? 0 : between(random, 0, is_ipv6 ? 0xFFFF : 0xFF);
    address += i == 0 ? "" : is_ipv6 ? ":" : ".";
    address += is_ipv6 ? fmt::format("{:x}", part) : fmt::format("{}", part);
  }
  return fmt::format("'{}{}'::inet", address,
                     random() % 2 == 0 ? "" : fmt::format("/{}", between(random, 0, is_ipv6 ? 128 : 32)));
}

std::string any_bits(Random& random) {
  std::string bits;
  for (std::int64_t i = between(random, 0, 40); i > 0; --i) {
    bits += random() % 2 == 0 ? '0' : '1';
  }
  return fmt::format("B'{}'", bits);
}

std::string any_snapshot(Random& random) {
  const std::int64_t xmin = between(random, 1, std::int64_t{1} << 50U);
  std::int64_t next = xmin;
  std::string running;
  for (std::int64_t i = between(random, 0, 5); i > 0; --i) {
    running += fmt::format("{}{}", running.empty() ? "" : ",", next);
    next += between(random, 1, 1000);
  }
  return fmt::format("'{}:{}:{}'", xmin, next, running);
}

std::string any_tsvector(Random& random) {
  std::string text;
  for (std::int64_t i = between(random, 0, 6); i > 0; --i) {
    text += " 'x";
    for (const char c : any_text(random)) {
      text += c == '\'' || c == '\\' ? std::string(2, c) : std::string(1, c);
    }
    text += "'";
    for (std::int64_t position = between(random, 0, 4); position > 0; --position) {
      text += text.back() == '\'' ? ':' : ',';
      text += fmt::format("{}{}", between(random, 1, 16383), "ABCD"[random() % 4]);
    }
  }
  return text;
}

std::string any_moment(Random& random, const char* type) {
  constexpr std::int64_t first = -211'813'488'000'000'000;
  constexpr std::int64_t last = 9'223'371'331'199'999'999;
  const std::int64_t micros = std::clamp(any_integer(random), first, last);
  constexpr std::int64_t micros_per_day = 86'400'000'000;
  const std::int64_t day = (micros - (micros < 0 ? micros_per_day - 1 : 0)) / micros_per_day;
  const std::int64_t clock = micros - day * micros_per_day;
  return fmt::format("{} '2000-01-01' + interval '{} days' + interval '{:02}:{:02}:{:02}.{:06}'", type, day,
                     clock / 3'600'000'000, clock / 60'000'000 % 60, clock / 1'000'000 % 60,
                     clock % 1'000'000);
}

std::string any_date(Random& random) {
  return fmt::format("date '2000-01-01' + ({})",
                     std::clamp<std::int64_t>(any_integer(random) >> 32, -2'451'545, 2'145'031'948));
}
}  // namespace tap::test

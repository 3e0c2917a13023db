// SPDX-License-Identifier: Apache-2.0
#include "assignment.hpp"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string_view>
#include <tuple>

#include <tap/base/text.hpp>

namespace tap::sync {

namespace {

constexpr double kMaxFill = 1.1;  // of the mean

/// The finalizer of SplitMix64.
std::uint64_t mix(std::uint64_t value) {
  value = (value ^ (value >> 30U)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27U)) * 0x94d049bb133111eb;
  return value ^ (value >> 31U);
}

/// The parts in the order in which a unit prefers them.
std::vector<std::size_t> preferred_parts(std::string_view name, std::size_t parts) {
  constexpr std::uint64_t golden = 0x9e3779b97f4a7c15;
  std::vector<std::size_t> order(parts);
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::sort(order, {}, [seed = stable_hash(name)](std::size_t part) {
    return std::pair(mix(seed + (part + 1) * golden), part);
  });
  return order;
}

}  // namespace

std::vector<std::size_t> assign_parts(const std::vector<Unit>& units, std::size_t parts) {
  std::vector<std::size_t> order(units.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    return std::tie(units[b].bytes, units[a].name) < std::tie(units[a].bytes, units[b].name);
  });
  const double total = std::accumulate(units.begin(), units.end(), 0.0,
                                       [](double sum, const Unit& unit) { return sum + unit.bytes; });
  const double most = kMaxFill * total / static_cast<double>(parts);
  std::vector<double> filled(parts);
  std::vector<std::size_t> assigned(units.size());
  for (const std::size_t i : order) {
    const double bytes = units[i].bytes;
    const std::vector<std::size_t> preferred = preferred_parts(units[i].name, parts);
    auto part =
        std::ranges::find_if(preferred, [&](std::size_t each) { return filled[each] + bytes <= most; });
    if (part == preferred.end()) {
      part = std::ranges::min_element(preferred, {}, [&](std::size_t each) { return filled[each]; });
    }
    filled[*part] += bytes;
    assigned[i] = *part;
  }
  return assigned;
}

}  // namespace tap::sync

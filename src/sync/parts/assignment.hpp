// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace tap::sync {

/// What goes to one part as a whole: a stream, or streams that belong together.
struct Unit {
  std::string name;  ///< unique; it decides which part is preferred
  double bytes = 0;  ///< estimated; a whole number, so that sums are exact
};

/// Returns the index of the part, from 0, for each unit. Depends on nothing but the names, the sizes and
/// `parts`, not on the order of `units`.
///
/// Each unit prefers the parts in an order of its own (rendezvous hashing) and goes to the first one that it
/// does not fill above 1.1 times the mean, largest units first; a unit that fits nowhere goes to the least
/// filled part. So the parts are balanced, and a new unit moves few others, where an assignment to the least
/// filled part alone would move a third of them.
std::vector<std::size_t> assign_parts(const std::vector<Unit>& units, std::size_t parts);

}  // namespace tap::sync

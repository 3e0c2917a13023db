// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <tap/base/error.hpp>
#include <tap/sync/slots/publications.hpp>

#include "published_units.hpp"

namespace tap::sync {

/// SQL that closes gaps.
struct PublicationPlan {
  /// Units that cannot be published like this.
  struct Obstacle {
    Problem problem;
    std::vector<PublishedUnit> units;
  };

  std::vector<std::string> statements;
  std::vector<PublishedUnit> units;  ///< which the statements publish
  std::vector<Obstacle> obstacles;
};
/// Plans to publish the units with the gap `unpublished` or `actions`. `losing`: those of streams that lose
/// changes by it, see loses_changes(), otherwise the others.
PublicationPlan plan_publications(const PublicationFacts& facts, bool losing);

}  // namespace tap::sync

// SPDX-License-Identifier: Apache-2.0
#include "initial_snapshot.hpp"

#include <algorithm>
#include <chrono>

#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>
#include <tap/base/signals.hpp>
#include <tap/sync/slots/server_requirements.hpp>

#include "sync/bookmark_lsn.hpp"
#include "sync/slots/open_transactions.hpp"
#include "sync/wal/records/recorded_partitions.hpp"

namespace tap::sync {

namespace {

constexpr std::chrono::seconds kReplayTimeout{60};
constexpr std::chrono::milliseconds kReplayPollInterval{200};

}  // namespace

InitialSnapshot SharedSnapshot::open(const config::Config& config, pg::Connection& connection,
                                     const std::string& database, const std::string& slot,
                                     const std::string& unusable) {
  constexpr std::chrono::seconds longest_wait{10};
  constexpr std::chrono::seconds longest_wait_after_failure{1};
  const auto shared = [this]() -> InitialSnapshot {
    return {{snapshot_->lsn(), snapshot_->timeline()}, snapshot_->name(), snapshot_};
  };
  if (snapshot_ && snapshot_->name() != unusable && Clock::now() - exported_ < kLongestAge &&
      snapshot_->is_alive()) {
    return shared();
  }
  snapshot_.reset();
  std::string reason;
  if (!failed_ || Clock::now() - *failed_ >= kRetryAfter) {
    const auto limit = std::chrono::ceil<std::chrono::seconds>(lock_timeout(connection, config.server));
    const auto wait = failed_ ? longest_wait_after_failure : longest_wait;
    try {
      snapshot_ = std::make_shared<pg::ExportedSnapshot>(config.server, database,
                                                         limit.count() > 0 ? std::min(wait, limit) : wait);
      exported_ = Clock::now();
      failed_.reset();
      return shared();
    } catch (const Error& error) {
      failed_ = Clock::now();
      reason = error.what();
    }
  }
  const auto found = pg::find_slot(connection, slot);
  if (!found) {
    throw Error(ExitCode::log_based_unprepared,
                fmt::format("replication slot {} was dropped during the run", slot));
  }
  if (!reason.empty()) {
    log::warn("could not export a snapshot ({}); changes after {} will be sent again, which is harmless",
              reason, to_text(found->confirmed_flush));
  }
  return {{found->confirmed_flush}, ""};
}

InitialSnapshot standby_initial_snapshot(pg::Connection& standby, Lsn required) {
  const auto deadline = std::chrono::steady_clock::now() + kReplayTimeout;
  while (true) {
    const Lsn replayed = pg::current_wal_lsn(standby);
    // Checked after the position: a server that is a standby now was one when it gave the position.
    require_standby(standby, pg::decoding_status(standby));
    if (replayed >= required) {
      return {{replayed}, ""};
    }
    if (std::chrono::steady_clock::now() > deadline) {
      throw Error(
          ExitCode::log_based_unprepared,
          fmt::format("the standby ({}) lags behind: it has replayed WAL up to {}, and the copy needs "
                      "it up to {}; run again once the standby has caught up",
                      standby.description(), to_text(replayed), to_text(required)));
    }
    signals::sleep_for(kReplayPollInterval);
  }
}

void finish_initial_snapshot(Json& bookmark, const pg::Relation& relation, const FollowFrom& from,
                             std::uint64_t snapshot_xmax) {
  bookmark["lsn"] = from.lsn.value;
  bookmark.erase(kTimelineKey);  // that of an earlier position
  if (from.timeline) {
    bookmark[kTimelineKey] = pg::to_text(*from.timeline);
  }
  bookmark["table_oid"] = relation.oid;
  const Json partitions = partition_oids(relation);
  record_partitions(
      bookmark, partitions,
      needs_next_transaction_id(relation, partitions) ? std::optional(snapshot_xmax) : std::nullopt);
}

}  // namespace tap::sync

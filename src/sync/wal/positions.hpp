// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <optional>
#include <utility>

#include <tap/pgtypes/lsn.hpp>

namespace tap::sync {

/// The progress of one attempt to read WAL. Positions move between transactions only: to the end of a commit
/// record, or to the position of a keepalive. Plain values; nothing here allocates or throws.
class WalPositions {
 public:
  WalPositions() = default;
  /// Reading starts at `start`. `catch_up` is where WAL ends now, in a run without an end LSN.
  WalPositions(Lsn start, std::optional<Lsn> catch_up)
      : received_lsn_(start), written_lsn_(start), catch_up_lsn_(catch_up) {}

  /// A transaction begins; `commit_end` is where its commit record ends. If it `is_included` in the run,
  /// in_transaction() is true until its end; else its changes are to be skipped.
  void begin_transaction(Lsn commit_end, bool is_included) {
    commit_end_ = commit_end;
    in_transaction_ = is_included;
    has_skipped_ = has_skipped_ || !is_included;
  }
  /// The transaction's commit. False if the transaction was skipped.
  bool end_transaction(Lsn commit_end) {
    commit_end_ = commit_end;
    return std::exchange(in_transaction_, false);
  }

  /// The server has sent everything that was committed up to `lsn`. Ignored within a transaction.
  void receive(Lsn lsn) {
    if (!in_transaction_) {
      received_lsn_ = std::max(received_lsn_, lsn);
    }
  }
  /// A keepalive with the position `lsn`.
  void receive_keepalive(Lsn lsn) {
    receive(lsn);
    has_caught_up_ = has_caught_up_ || (catch_up_lsn_ && lsn >= *catch_up_lsn_);
  }
  /// Everything that was received has been written. Ignored within a transaction.
  void mark_written() {
    if (!in_transaction_) {
      written_lsn_ = received_lsn_;
    }
  }

  [[nodiscard]] bool in_transaction() const { return in_transaction_; }
  /// Where the commit record of the current transaction ends.
  [[nodiscard]] Lsn commit_end() const { return commit_end_; }
  /// True once the written position is beyond the end of the last transaction.
  [[nodiscard]] bool has_passed_transaction() const { return written_lsn_ > commit_end_; }
  /// True once a transaction was skipped: it was committed after the end of the run.
  [[nodiscard]] bool has_skipped() const { return has_skipped_; }
  /// True once all WAL that existed at the start was received, in a run without an end LSN.
  [[nodiscard]] bool has_caught_up() const { return has_caught_up_; }
  [[nodiscard]] Lsn received_lsn() const { return received_lsn_; }
  /// At or before received_lsn(): rows that wait for TOAST backfill hold it back. The only position that may
  /// go into a STATE.
  [[nodiscard]] Lsn written_lsn() const { return written_lsn_; }

 private:
  Lsn commit_end_;
  Lsn received_lsn_;
  Lsn written_lsn_;
  std::optional<Lsn> catch_up_lsn_;
  bool in_transaction_ = false;
  bool has_skipped_ = false;
  bool has_caught_up_ = false;
};

}  // namespace tap::sync

// SPDX-License-Identifier: Apache-2.0
// Messages of pgoutput, separated by two bytes 0xFE, which UTF-8 does not have. Changes must be within a
// transaction, and a commit must end after what its begin says.
#include "decoders.hpp"

using namespace tap;
using change::Change;

namespace {

/// Follows the transactions of a stream.
class Transactions {
 public:
  void check(const Change& change) {
    const bool begins = change.kind == Change::Kind::begin;
    if (change.kind != Change::Kind::other && begins == begun_.has_value()) {
      fuzz::fail("out of order", std::to_string(static_cast<int>(change.kind)));
    }
    if (begins) {
      begun_ = change.commit_end;
    } else if (change.kind == Change::Kind::commit) {
      if (change.commit_end < *begun_) {
        fuzz::fail("ends too early", to_text(change.commit_end));
      }
      begun_.reset();
    }
  }
  void restart() { begun_.reset(); }

 private:
  std::optional<Lsn> begun_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Transactions transactions;
  const auto sink = [&](const Change& change) {
    transactions.check(change);
    fuzz::require_readable(change);
  };
  fuzz::decode_messages(*change::make_pgoutput_decoder(), fuzz::view_of(data, size), "\xFE\xFE", sink,
                        [&] { transactions.restart(); });
  return 0;
}

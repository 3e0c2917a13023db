// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <tap/base/error.hpp>
#include <tap/pg/errors.hpp>

namespace tap::sync {

/// Calls `work`, which serves one stream. If an error concerns that stream only, calls `fail` with it and
/// returns; rethrows what another attempt may repair and what ends the run.
template <class Work, class Fail>
void isolate_stream_errors(Work work, Fail fail) {
  try {
    work();
  } catch (const pg::ServerError& error) {
    if (error.is_transient()) {
      throw;
    }
    fail(error);
  } catch (const StreamError& error) {
    fail(error);
  } catch (const MalformedAnswer& error) {
    fail(error);
  }
}

}  // namespace tap::sync

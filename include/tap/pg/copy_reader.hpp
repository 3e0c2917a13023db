// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tap/pg/connection.hpp>
#include <tap/pg/input_pacing.hpp>

namespace tap::pg {

/// Reads the rows of a query through `COPY (...) TO STDOUT (FORMAT binary)` (manual: COPY, Binary Format),
/// one at a time, as they arrive.
class CopyReader {
 public:
  /// Starts the copy. The connection must outlive the reader and must not be used for anything else until
  /// next() has returned nothing; destroying the reader before leaves the connection unusable. Throws
  /// ServerError, TransientError.
  CopyReader(Connection& connection, const std::string& query) : CopyReader(connection, std::vector{query}) {}
  /// Starts a copy of each query, one after another. They are sent at once, so that no round trip passes
  /// between them.
  CopyReader(Connection& connection, const std::vector<std::string>& queries);

  /// The bytes of the next row: a 16-bit count of fields, then for each field a 32-bit length (-1 for NULL)
  /// and its value in binary. Valid until the next call. Returns nothing after the last row of a query, once
  /// the server has confirmed that its copy is complete; the next call returns the first row of the next
  /// query. Throws ServerError, TransientError.
  std::optional<std::string_view> next();

 private:
  struct Free {
    void operator()(char* memory) const;
  };

  bool receive(std::string_view& message);

  Connection& connection_;
  InputPacing pacing_;
  std::unique_ptr<char, Free> message_;
  std::size_t left_;      ///< queries that are not complete
  bool started_ = false;  ///< the header of the current query has been read
};

}  // namespace tap::pg

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <tap/base/buffer.hpp>
#include <tap/base/error.hpp>
#include <tap/value/options.hpp>
#include <tap/value/type.hpp>

namespace tap::value {

/// What a value's bytes are.
enum class Wire {
  binary,  ///< the type's send function (COPY BINARY, pgoutput binary); only where has_binary()
  text     ///< the type's output function, under the session settings that every connection of ours sets
};

struct Column;  // what an encode function knows of its column: src/value/column.hpp
using Encode = void (*)(const Column& column, std::string_view value, Buffer& out);

/// The bytes are not what the column's type sends: the column has changed, or we do not know the server.
class Malformed : public StreamError {
 public:
  using StreamError::StreamError;
};

/// Turns one value of a column into JSON text. Chosen once per column at plan time; calling it costs one call
/// through a function pointer and allocates nothing. An encoder belongs to one thread.
class Encoder {
 public:
  /// `column` names the column in warnings and errors ("public.orders.placed_at"). Throws std::logic_error if
  /// the wire is binary and the type has no binary form.
  Encoder(const Type& type, Wire wire, const EncodingOptions& options, std::string column);
  Encoder(Encoder&& other) noexcept;
  Encoder& operator=(Encoder&& other) noexcept;
  ~Encoder();

  /// Appends the JSON of a value that is not NULL. Both wires give the same JSON for the same value. Throws
  /// Malformed if the bytes are not such a value, StreamError if a date is out of range and the options say
  /// error; what was appended until then is of no use. A date that had to be changed is logged as a warning,
  /// once per encoder.
  void operator()(std::string_view value, Buffer& out) const { encode_(*column_, value, out); }

 private:
  Encode encode_;
  std::unique_ptr<const Column> column_;
};

}  // namespace tap::value

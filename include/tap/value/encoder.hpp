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

/// The format of a value's bytes (manual: Message Flow, format codes).
enum class Format {
  binary,  ///< of the type's send function (COPY BINARY, pgoutput binary); requires has_binary()
  text     ///< of the type's output function, under the session settings that every connection sets
};

struct ColumnContext;  // src/value/column_context.hpp
/// Appends the JSON of one value that is not NULL to `out`.
using EncodeFunction = void (*)(const ColumnContext& column, std::string_view value, Buffer& out);

/// A value's bytes are not a value of the column's type: the column's type has changed since the catalog was
/// read, or the server's format is unknown.
class InvalidValue : public StreamError {
 public:
  using StreamError::StreamError;
};

/// Turns values of one column into JSON text. Made once per column, before the first row; a call costs one
/// call through a function pointer and allocates nothing. Use an encoder in one thread only.
class Encoder {
 public:
  /// `column` names the column in warnings and errors ("public.orders.placed_at"). Copies what it needs of
  /// `type` and `options`. Throws std::logic_error if `format` is binary and has_binary() is false.
  Encoder(const Type& type, Format format, const EncodingOptions& options, std::string column);
  /// Returns an encoder of the same column for another thread. Both log a changed date only once.
  [[nodiscard]] Encoder for_another_thread() const;
  Encoder(Encoder&& other) noexcept;
  Encoder& operator=(Encoder&& other) noexcept;
  ~Encoder();

  /// Appends the JSON of a value that is not NULL. Both formats give the same JSON for the same value. Throws
  /// InvalidValue if the bytes are not a value of the type, and StreamError if a date is out of range and
  /// out_of_range_dates is `error`; `out` then ends with an incomplete value. Logs one warning per encoder if
  /// out_of_range_dates changes a date.
  void operator()(std::string_view value, Buffer& out) const { encode_(*column_, value, out); }

 private:
  Encoder(EncodeFunction encode, std::unique_ptr<const ColumnContext> column);

  EncodeFunction encode_;
  std::unique_ptr<const ColumnContext> column_;
};

}  // namespace tap::value

// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tap::value {

/// Settings of the JSON form of values and of their JSON schema. The config keys have the same names.
struct EncodingOptions {
  enum class NonFinite { null, string };
  enum class OutOfRange { clamp, null, string, error };
  enum class Dialect { portable, singer_io };
  enum class NumericAs { number, decimal_string };
  enum class OtherTypes { string, unsupported };

  NonFinite non_finite_numbers = NonFinite::null;     ///< NaN and infinities
  OutOfRange out_of_range_dates = OutOfRange::clamp;  ///< BC, year > 9999, infinity
  Dialect schema_dialect = Dialect::portable;
  NumericAs numeric_as = NumericAs::number;
  OtherTypes other_types = OtherTypes::string;  ///< types for which is_other() is true
  bool json_as_object = false;                  ///< json and jsonb as JSON values instead of strings
};

}  // namespace tap::value

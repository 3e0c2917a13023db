// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tap::value {

/// The JSON form of values and of their JSON schema. Members that are settings have the names of their keys.
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
  bool plain_dates = false;                     ///< no setting: date as YYYY-MM-DD, without the time
  bool bits_as_text = false;                    ///< no setting: bit(1) as "0" and "1"
};

}  // namespace tap::value

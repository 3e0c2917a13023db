// SPDX-License-Identifier: Apache-2.0
// Helpers of the value tests: the rows of pg_type, and values in the binary format.
#pragma once

#include <cstdint>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <tap/base/error.hpp>
#include <tap/base/json.hpp>
#include <tap/value/encoder.hpp>
#include <tap/value/type.hpp>

#include "catch.hpp"

namespace tap::value {

/// Rows of pg_type: built-in types and their arrays, and some user-defined types.
inline const TypeRows& type_rows() {
  static const TypeRows rows = [] {
    TypeRows types;
    const std::vector<std::pair<Oid, std::string>> base = {{16, "bool"},
                                                           {17, "bytea"},
                                                           {18, "char"},
                                                           {19, "name"},
                                                           {20, "int8"},
                                                           {21, "int2"},
                                                           {23, "int4"},
                                                           {25, "text"},
                                                           {26, "oid"},
                                                           {27, "tid"},
                                                           {28, "xid"},
                                                           {29, "cid"},
                                                           {114, "json"},
                                                           {142, "xml"},
                                                           {600, "point"},
                                                           {601, "lseg"},
                                                           {602, "path"},
                                                           {603, "box"},
                                                           {604, "polygon"},
                                                           {628, "line"},
                                                           {650, "cidr"},
                                                           {700, "float4"},
                                                           {701, "float8"},
                                                           {718, "circle"},
                                                           {774, "macaddr8"},
                                                           {790, "money"},
                                                           {829, "macaddr"},
                                                           {869, "inet"},
                                                           {1042, "bpchar"},
                                                           {1043, "varchar"},
                                                           {1082, "date"},
                                                           {1083, "time"},
                                                           {1114, "timestamp"},
                                                           {1184, "timestamptz"},
                                                           {1186, "interval"},
                                                           {1266, "timetz"},
                                                           {1560, "bit"},
                                                           {1562, "varbit"},
                                                           {1700, "numeric"},
                                                           {1790, "refcursor"},
                                                           {2205, "regclass"},
                                                           {2950, "uuid"},
                                                           {2970, "txid_snapshot"},
                                                           {3220, "pg_lsn"},
                                                           {3614, "tsvector"},
                                                           {3615, "tsquery"},
                                                           {3802, "jsonb"},
                                                           {4072, "jsonpath"},
                                                           {5038, "pg_snapshot"},
                                                           {5069, "xid8"},
                                                           {20000, "hstore"},
                                                           {20001, "citext"}};
    const auto add = [&types](Oid oid, const std::string& name, char kind, char category) -> TypeRow& {
      TypeRow& row = types[oid];
      row.name = name;
      row.kind = kind;
      row.category = category;
      return row;
    };
    const auto add_domain = [&add](Oid oid, const std::string& name, Oid over, std::int32_t modifier) {
      TypeRow& row = add(oid, name, 'd', 'U');
      row.base = over;
      row.modifier = modifier;
    };
    for (const auto& [oid, name] : base) {
      add(oid, name, 'b', 'U');
    }
    types[603].delimiter = ';';
    add(30, "oidvector", 'b', 'A').element = 26;
    add(20002, "mood", 'e', 'E');
    add(20003, "pair", 'c', 'C');
    const auto add_range = [&add](Oid oid, const std::string& name, Oid subtype, char kind = 'r') {
      add(oid, name, kind, 'R').subtype = subtype;
    };
    add_range(3904, "int4range", 23);
    add_range(3906, "numrange", 1700);
    add_range(3908, "tsrange", 1114);
    add_range(3910, "tstzrange", 1184);
    add_range(3912, "daterange", 1082);
    add_range(4451, "int4multirange", 23, 'm');
    add_range(4533, "tsmultirange", 1114, 'm');
    add_range(20020, "pricerange", 20012);
    add_range(20021, "bitsrange", 1562);
    add_range(20022, "timerange", 1083);
    add_range(20023, "zonedrange", 1266);
    add_range(20024, "textrange", 25);
    add_range(20025, "textmultirange", 25, 'm');
    add_range(20026, "listrange", 100023);
    add_domain(20027, "period", 3908, -1);
    add_domain(20010, "posint", 23, -1);
    add_domain(20011, "price", 1700, ((12 << 16) | 2) + 4);
    add_domain(20012, "net_price", 20011, -1);
    add_domain(20013, "intarr", 100023, -1);
    add(20014, "hstore", 'c', 'C');  // a user's type, not the extension's
    std::vector<Oid> elements;
    for (const auto& [oid, row] : types) {
      elements.push_back(oid);
    }
    for (const Oid oid : elements) {
      const TypeRow element = types[oid];
      TypeRow& array = add(100000 + oid, "_" + element.name, 'b', 'A');
      array.element = oid;
      array.is_array = true;
      array.delimiter = element.delimiter;
    }
    return types;
  }();
  return rows;
}

/// A type by its name; "int4[]" is the array of it.
inline Type type_of(std::string_view name, std::int32_t modifier = -1) {
  const bool array = name.ends_with("[]");
  name.remove_suffix(array ? 2 : 0);
  for (const auto& [oid, row] : type_rows()) {
    if (row.name == name && oid < 100000 && oid != 20014) {
      return resolve(type_rows(), array ? 100000 + oid : oid, modifier);
    }
  }
  FAIL("no type " << name);
  return {};
}

inline std::int32_t numeric_modifier(int precision, int scale) {
  return ((precision << 16) | (scale & 0x7FF)) + 4;
}

/// Returns the JSON of a value of column "t.c".
inline std::string encode(const Type& type, Format format, std::string_view value,
                          const EncodingOptions& options = {}) {
  Buffer out;
  Encoder(type, format, options, "t.c")(value, out);
  return std::string(out.view());
}
inline std::string from_binary(std::string_view type, std::string_view value,
                               const EncodingOptions& options = {}) {
  return encode(type_of(type), Format::binary, value, options);
}
inline std::string from_text(std::string_view type, std::string_view value,
                             const EncodingOptions& options = {}) {
  return encode(type_of(type), Format::text, value, options);
}

/// Checks that both formats of a value give the same JSON.
inline void check_both(std::string_view type, std::string_view binary, std::string_view text,
                       const std::string& json, const EncodingOptions& options = {}) {
  CAPTURE(type, text);
  CHECK(from_binary(type, binary, options) == json);
  CHECK(from_text(type, text, options) == json);
}

/// Checks that a truncated value is refused in binary format, and either refused or harmless in text format.
inline void check_cuts(std::string_view type, Format format, std::string_view value,
                       const EncodingOptions& options = {}) {
  for (std::size_t size = 0; size < value.size(); ++size) {
    CAPTURE(type, size);
    // An exact copy, so that AddressSanitizer detects a read past the end.
    const std::vector<char> cut(value.begin(), value.begin() + static_cast<std::ptrdiff_t>(size));
    const std::string_view view(cut.data(), cut.size());
    if (format == Format::binary) {
      CHECK_THROWS_AS(from_binary(type, view, options), Error);
    } else {
      try {
        const Json json = parse_json(from_text(type, view, options), "cut value");
        CHECK(!json.is_discarded());
      } catch (const Error& error) {
        CHECK(error.code() == ExitCode::run_failed);  // from the encoder: parse_json() throws ExitCode::usage
      }
    }
  }
}

/// Collects log messages while it exists.
class Log {
 public:
  Log() : before_(spdlog::default_logger()) {
    auto sink = std::make_shared<spdlog::sinks::ostream_sink_st>(text_);
    auto logger = std::make_shared<spdlog::logger>("test", sink);
    logger->set_pattern("%l %v");
    spdlog::set_default_logger(logger);
  }
  ~Log() { spdlog::set_default_logger(before_); }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  [[nodiscard]] std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
  std::shared_ptr<spdlog::logger> before_;
};

/// Returns the big-endian bytes of `value`, as in the binary formats.
template <class Integer>
std::string big_endian(Integer value) {
  std::string bytes;
  for (int shift = 8 * (static_cast<int>(sizeof(value)) - 1); shift >= 0; shift -= 8) {
    bytes += static_cast<char>(static_cast<std::uint64_t>(value) >> shift);
  }
  return bytes;
}
inline std::string int16(int value) {
  return big_endian(static_cast<std::int16_t>(value));
}
inline std::string int32(std::int64_t value) {
  return big_endian(static_cast<std::int32_t>(value));
}
inline std::string int64(std::int64_t value) {
  return big_endian(value);
}
/// Returns a value after its length.
inline std::string sized(const std::string& value) {
  return int32(static_cast<std::int64_t>(value.size())) + value;
}

}  // namespace tap::value

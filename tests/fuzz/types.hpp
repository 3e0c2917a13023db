// SPDX-License-Identifier: Apache-2.0
// The types whose values are fuzzed, and the options of their encoders.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include <tap/value/encoder.hpp>
#include <tap/value/type.hpp>

#include "value/type_table.hpp"

namespace tap::fuzz {

/// Every type of the table of types, its arrays, ranges and multiranges, and one of each other kind.
class Types {
 public:
  explicit Types(int server_version) {
    add_built_in_types();
    add(20000, "hstore");
    add(20001, "citext");
    add(20002, "enum").kind = 'e';
    add(20003, "composite").kind = 'c';
    add(20004, "other");
    add(20005, "box").delimiter = ';';
    add_ranges();
    add_arrays();
    for (auto& [oid, row] : rows_) {
      row.server_version = server_version;
    }
  }

  [[nodiscard]] const TypeRows& rows() const { return rows_; }

  /// Returns a type by its name: "int4", "int4[]", "range(int4)", "multirange(int4)". Any other name stands
  /// for one of the types, too.
  [[nodiscard]] Oid find(std::string_view name) const {
    const auto found = by_name_.find(name);
    if (found != by_name_.end()) {
      return found->second;
    }
    std::size_t hash = 0;
    for (const char c : name) {
      hash = hash * 31 + static_cast<unsigned char>(c);
    }
    return std::next(by_name_.begin(), static_cast<std::ptrdiff_t>(hash % by_name_.size()))->second;
  }
  [[nodiscard]] value::Type resolve(Oid oid) const { return value::resolve(rows_, oid, -1); }

 private:
  TypeRow& add(Oid oid, const std::string& name) {
    by_name_[name] = oid;
    rows_[oid].name = name;
    return rows_[oid];
  }

  /// The table cannot be listed from outside, but be asked for each OID.
  void add_built_in_types() {
    for (Oid oid = 1; oid < oids::kFirstNormalObjectId; ++oid) {
      const TypeRows rows = {{oid, TypeRow{}}};
      const value::TypeEntry* const entry = value::resolve(rows, oid, -1).entry;
      if (entry->oid == oid) {
        add(oid, std::string(entry->name));
      }
    }
  }

  void add_ranges() {
    for (const auto& [name, oid] : std::map(by_name_)) {
      if (resolve(oid).entry->output != nullptr) {
        TypeRow& range = add(30000 + oid, "range(" + name + ")");
        range.kind = 'r';
        range.subtype = oid;
        TypeRow& multirange = add(60000 + oid, "multirange(" + name + ")");
        multirange.kind = 'm';
        multirange.subtype = oid;
      }
    }
  }

  void add_arrays() {
    for (const auto& [name, oid] : std::map(by_name_)) {
      const char delimiter = rows_[oid].delimiter;
      TypeRow& array = add(100000 + oid, name + "[]");
      array.element = oid;
      array.is_array = true;
      array.delimiter = delimiter;
    }
  }

  TypeRows rows_;
  std::map<std::string, Oid, std::less<>> by_name_;
};

/// What the last byte of an input's first line chooses; printable bytes from '@' on choose everything.
struct Choices {
  explicit Choices(unsigned char byte)
      : format((byte & 1U) != 0 ? value::Format::text : value::Format::binary) {
    using Options = value::EncodingOptions;
    options.non_finite_numbers = (byte & 2U) != 0 ? Options::NonFinite::string : Options::NonFinite::null;
    options.out_of_range_dates = static_cast<Options::OutOfRange>((byte >> 2U) & 3U);
    options.numeric_as = (byte & 16U) != 0 ? Options::NumericAs::decimal_string : Options::NumericAs::number;
    options.json_as_object = (byte & 32U) != 0;
    is_old_server = (byte & 128U) != 0;
  }

  value::Format format;
  value::EncodingOptions options;
  bool is_old_server;
};

/// The types on the newest server or on an old one.
inline const Types& types_of(const Choices& choices) {
  static const Types newest(kNewestServer);
  static const Types old(90300);
  return choices.is_old_server ? old : newest;
}

}  // namespace tap::fuzz

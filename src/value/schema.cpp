// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <spdlog/fmt/fmt.h>

#include <tap/value/schema.hpp>

#include "kinds.hpp"
#include "precision.hpp"

namespace tap::value {

namespace {

const Type& innermost(const Type& type) {
  return type.element ? innermost(*type.element) : type;
}

bool is_bit_string(const Type& type) {
  return type.kind->family == Family::bit && type.modifier > 1;
}

/// True if the options make values other than what the Python tap sends, so that its schema cannot fit.
bool is_sent_otherwise(const Type& type, const EncodingOptions& options) {
  return (type.kind->family == Family::numeric &&
          options.numeric_as == EncodingOptions::NumericAs::decimal_string) ||
         (type.kind->family == Family::json && options.json_as_object);
}

/// A number, and what it may be instead: the Python tap knows no numbers as strings.
std::vector<std::string> number_types(const EncodingOptions& options) {
  if (options.schema_dialect == EncodingOptions::Dialect::portable &&
      options.non_finite_numbers == EncodingOptions::NonFinite::string) {
    return {"number", "string"};
  }
  return {"number"};
}

/// The JSON types of a value that is not NULL, of a type that is not an array.
std::vector<std::string> json_types(const Type& type, const EncodingOptions& options) {
  switch (type.kind->family) {
    case Family::int2:
    case Family::int4:
    case Family::int8:
      return {"integer"};
    case Family::floating:
      return number_types(options);
    case Family::numeric:
      return is_sent_otherwise(type, options) ? std::vector<std::string>{"string"} : number_types(options);
    case Family::boolean:
      return {"boolean"};
    case Family::bit:
      return {is_bit_string(type) ? "string" : "boolean"};
    case Family::json:
      if (is_sent_otherwise(type, options)) {
        return {"object", "array", "string", "number", "boolean"};
      }
      return {"string"};
    case Family::hstore:
      return {"object"};
    case Family::text:
    case Family::limited_text:
    case Family::date_time:
    case Family::array:
      break;
  }
  return {"string"};
}

std::vector<std::string> type_list(bool nullable, std::vector<std::string> types) {
  if (nullable) {
    types.insert(types.begin(), "null");
  }
  return types;
}

/// What a schema says of a value besides its type, alone or in an array.
void add_format(Json& schema, const Type& type, const EncodingOptions& options) {
  if (type.kind->family == Family::date_time) {
    schema["format"] = "date-time";
  } else if (type.kind->family == Family::hstore) {
    schema["additionalProperties"] = {{"type", {"null", "string"}}};
  } else if (type.kind->family == Family::numeric && is_sent_otherwise(type, options)) {
    schema["format"] = "x-singer.decimal";
    if (const auto declared = declared_precision(type.modifier)) {
      schema["precision"] = declared->precision;
      schema["scale"] = declared->scale;
    }
  }
}

template <class Integer>
void add_range(Json& schema) {
  schema["minimum"] = std::numeric_limits<Integer>::min();
  schema["maximum"] = std::numeric_limits<Integer>::max();
}

/// What a schema says of a column's value only.
void add_limits(Json& schema, const Type& type) {
  switch (type.kind->family) {
    case Family::int2:
      return add_range<std::int16_t>(schema);
    case Family::int4:
      return add_range<std::int32_t>(schema);
    case Family::int8:
      return add_range<std::int64_t>(schema);
    case Family::limited_text:
      if (type.modifier > kVarHeaderSize) {
        schema["maxLength"] = type.modifier - kVarHeaderSize;
      }
      return;
    default:
      return;
  }
}

Json portable(const Type& type, bool is_key, const EncodingOptions& options) {
  Json schema;
  if (!type.element) {
    schema["type"] = type_list(!is_key, json_types(type, options));
    add_format(schema, type, options);
    add_limits(schema, type);
    return schema;
  }
  const Type& element = innermost(type);
  auto types = json_types(element, options);
  if (std::ranges::find(types, "array") == types.end()) {
    types.emplace_back("array");
  }
  Json items;
  items["type"] = type_list(true, types);
  add_format(items, element, options);
  schema["type"] = type_list(!is_key, {"array"});
  schema["items"] = std::move(items);
  return schema;
}

/// The end of a definition's name: sdc_recursive_<this>_array.
std::string definition_of(const Type& element) {
  switch (element.kind->family) {
    case Family::int2:
    case Family::int4:
    case Family::int8:
      return "integer";
    case Family::floating:
      return "number";
    case Family::numeric: {
      const auto [precision, scale] = capped_precision(element.modifier);
      return fmt::format("decimal_{}_{}", precision, scale);
    }
    case Family::boolean:
      return "boolean";
    case Family::bit:
      return is_bit_string(element) ? "string" : "boolean";
    case Family::date_time:
      return "timestamp";
    case Family::hstore:
      return "object";
    default:
      return "string";
  }
}

std::string definition_name(const std::string& kind) {
  return fmt::format("sdc_recursive_{}_array", kind);
}

Json reference(const std::string& name) {
  return {{"$ref", "#/definitions/" + name}};
}

Json singer_io(const Type& type, bool is_key, const EncodingOptions& options) {
  if (is_other(type)) {
    return Json::object();
  }
  const Type& element = innermost(type);
  if (is_sent_otherwise(element, options)) {
    return portable(type, is_key, options);
  }
  if (element.kind->family == Family::numeric) {
    warn_if_capped(element.modifier);
  }
  Json schema;
  if (type.element) {
    schema["type"] = {"null", "array"};
    schema["items"] = reference(definition_name(definition_of(element)));
    return schema;
  }
  schema["type"] = type_list(!is_key, json_types(type, options));
  if (type.kind->family == Family::numeric) {
    const auto [precision, scale] = capped_precision(type.modifier);
    schema["exclusiveMaximum"] = true;
    schema["maximum"] = power_of_ten(precision - scale);
    schema["multipleOf"] = power_of_ten(-scale);
    schema["exclusiveMinimum"] = true;
    schema["minimum"] = power_of_ten(precision - scale, "-");
  } else if (type.kind->family == Family::hstore) {
    schema["properties"] = Json::object();
  } else {
    add_format(schema, type, options);
    add_limits(schema, type);
  }
  return schema;
}

}  // namespace

Json json_schema(const Type& type, bool is_key, const EncodingOptions& options) {
  return options.schema_dialect == EncodingOptions::Dialect::singer_io ? singer_io(type, is_key, options)
                                                                       : portable(type, is_key, options);
}

Json fixed_definitions() {
  Json definitions = Json::object();
  for (const std::string kind : {"integer", "number", "string", "boolean", "timestamp", "object"}) {
    const std::string name = definition_name(kind);
    const bool is_timestamp = kind == "timestamp";
    Json& definition = definitions[name];
    definition["type"] = {"null", is_timestamp ? "string" : kind, "array"};
    if (is_timestamp) {
      definition["format"] = "date-time";
    }
    definition["items"] = reference(name);
  }
  return definitions;
}

void add_definitions(Json& definitions, const Type& type) {
  const Type& element = innermost(type);
  if (!type.element || element.kind->family != Family::numeric) {
    return;
  }
  const std::string name = definition_name(definition_of(element));
  if (definitions.contains(name)) {
    return;
  }
  const auto [precision, scale] = capped_precision(element.modifier);
  Json definition;
  definition["type"] = {"null", "number", "array"};
  definition["multipleOf"] = power_of_ten(-scale);
  definition["exclusiveMaximum"] = true;
  definition["maximum"] = power_of_ten(precision - scale);
  definition["exclusiveMinimum"] = true;
  definition["minimum"] = power_of_ten(precision - scale, "-");
  definition["items"] = reference(name);
  definitions[name] = std::move(definition);
}

}  // namespace tap::value

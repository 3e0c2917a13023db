// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <spdlog/fmt/fmt.h>

#include <tap/value/schema.hpp>

#include "precision.hpp"
#include "type_table.hpp"

namespace tap::value {

namespace {

const Type& innermost_element(const Type& type) {
  return type.element ? innermost_element(*type.element) : type;
}

bool is_bit_string(const Type& type) {
  return type.entry->family == TypeFamily::bit && type.modifier > 1;
}

/// True if the options change the JSON of such values from the Python tap's, whose schema is then wrong.
bool differs_from_python_tap(const Type& type, const EncodingOptions& options) {
  return (type.entry->family == TypeFamily::numeric &&
          options.numeric_as == EncodingOptions::NumericAs::decimal_string) ||
         (type.entry->family == TypeFamily::json && options.json_as_object);
}

/// The JSON types of a number that may be NaN or infinite. The Python tap's schema never allows strings.
std::vector<std::string> number_types(const EncodingOptions& options) {
  if (options.schema_dialect == EncodingOptions::Dialect::portable &&
      options.non_finite_numbers == EncodingOptions::NonFinite::string) {
    return {"number", "string"};
  }
  return {"number"};
}

/// The JSON types of a value that is not NULL. `type` is not an array.
std::vector<std::string> json_types(const Type& type, const EncodingOptions& options) {
  switch (type.entry->family) {
    case TypeFamily::int2:
    case TypeFamily::int4:
    case TypeFamily::int8:
      return {"integer"};
    case TypeFamily::floating:
      return number_types(options);
    case TypeFamily::numeric:
      return differs_from_python_tap(type, options) ? std::vector<std::string>{"string"}
                                                    : number_types(options);
    case TypeFamily::boolean:
      return {"boolean"};
    case TypeFamily::bit:
      return {is_bit_string(type) ? "string" : "boolean"};
    case TypeFamily::json:
      if (differs_from_python_tap(type, options)) {
        return {"object", "array", "string", "number", "boolean"};
      }
      return {"string"};
    case TypeFamily::hstore:
      return {"object"};
    case TypeFamily::text:
    case TypeFamily::limited_text:
    case TypeFamily::date_time:
    case TypeFamily::array:
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

/// Adds the keywords besides `type` that a column and an array element share.
void add_format(Json& schema, const Type& type, const EncodingOptions& options) {
  if (type.entry->family == TypeFamily::date_time) {
    schema["format"] = "date-time";
  } else if (type.entry->family == TypeFamily::hstore) {
    schema["additionalProperties"] = {{"type", {"null", "string"}}};
  } else if (type.entry->family == TypeFamily::numeric && differs_from_python_tap(type, options)) {
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

/// Adds the keywords that only a column has.
void add_limits(Json& schema, const Type& type) {
  switch (type.entry->family) {
    case TypeFamily::int2:
      return add_range<std::int16_t>(schema);
    case TypeFamily::int4:
      return add_range<std::int32_t>(schema);
    case TypeFamily::int8:
      return add_range<std::int64_t>(schema);
    case TypeFamily::limited_text:
      if (type.modifier > kVarHeaderSize) {
        schema["maxLength"] = type.modifier - kVarHeaderSize;
      }
      return;
    default:
      return;
  }
}

Json portable_schema(const Type& type, bool is_key, const EncodingOptions& options) {
  Json schema;
  if (!type.element) {
    schema["type"] = type_list(!is_key, json_types(type, options));
    add_format(schema, type, options);
    add_limits(schema, type);
    return schema;
  }
  const Type& element = innermost_element(type);
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

/// Returns the variable part of a definition's name: sdc_recursive_<kind>_array.
std::string definition_kind(const Type& element) {
  switch (element.entry->family) {
    case TypeFamily::int2:
    case TypeFamily::int4:
    case TypeFamily::int8:
      return "integer";
    case TypeFamily::floating:
      return "number";
    case TypeFamily::numeric: {
      const auto [precision, scale] = capped_precision(element.modifier);
      return fmt::format("decimal_{}_{}", precision, scale);
    }
    case TypeFamily::boolean:
      return "boolean";
    case TypeFamily::bit:
      return is_bit_string(element) ? "string" : "boolean";
    case TypeFamily::date_time:
      return "timestamp";
    case TypeFamily::hstore:
      return "object";
    default:
      return "string";
  }
}

std::string definition_name(const std::string& kind) {
  return fmt::format("sdc_recursive_{}_array", kind);
}

Json make_reference(const std::string& name) {
  return {{"$ref", "#/definitions/" + name}};
}

Json singer_io_schema(const Type& type, bool is_key, const EncodingOptions& options) {
  if (is_other(type)) {
    return Json::object();
  }
  const Type& element = innermost_element(type);
  if (differs_from_python_tap(element, options)) {
    return portable_schema(type, is_key, options);
  }
  if (element.entry->family == TypeFamily::numeric) {
    warn_if_capped(element.modifier);
  }
  Json schema;
  if (type.element) {
    schema["type"] = {"null", "array"};
    schema["items"] = make_reference(definition_name(definition_kind(element)));
    return schema;
  }
  schema["type"] = type_list(!is_key, json_types(type, options));
  if (type.entry->family == TypeFamily::numeric) {
    const auto [precision, scale] = capped_precision(type.modifier);
    schema["exclusiveMaximum"] = true;
    schema["maximum"] = power_of_ten(precision - scale);
    schema["multipleOf"] = power_of_ten(-scale);
    schema["exclusiveMinimum"] = true;
    schema["minimum"] = power_of_ten(precision - scale, "-");
  } else if (type.entry->family == TypeFamily::hstore) {
    schema["properties"] = Json::object();
  } else {
    add_format(schema, type, options);
    add_limits(schema, type);
  }
  return schema;
}

/// The schema that `schema` refers to by `$ref`, if `root` has it, else `schema`.
const Json& dereferenced(const Json& schema, const Json& root) {
  constexpr std::string_view prefix = "#/definitions/";
  const auto reference = schema.find("$ref");
  const auto definitions = root.find("definitions");
  if (reference == schema.end() || !reference->is_string() || definitions == root.end() ||
      !definitions->is_object() || !reference->get_ref<const std::string&>().starts_with(prefix)) {
    return schema;
  }
  const auto found = definitions->find(reference->get_ref<const std::string&>().substr(prefix.size()));
  return found == definitions->end() ? schema : *found;
}

/// True if the `type` of a schema, a name or a list of names, contains `name`.
bool allows(const Json& schema, const Json& name) {
  const auto type = schema.find("type");
  return type != schema.end() &&
         (*type == name || (type->is_array() && std::ranges::find(*type, name) != type->end()));
}

}  // namespace

EncodingOptions options_for(const Type& type, const Json& property, const Json& root,
                            EncodingOptions options) {
  const Type* element = &type;
  const Json* schema = &property;
  for (; element->element; element = element->element.get()) {
    const auto items = schema->find("items");
    if (items == schema->end()) {
      return options;
    }
    schema = &dereferenced(*items, root);
  }
  if (element->entry->family == TypeFamily::json) {
    options.json_as_object = options.json_as_object || allows(*schema, "object");
  } else if (element->entry->oid == oids::kDate) {
    const auto format = schema->find("format");
    options.plain_dates = format != schema->end() && *format == "date";
  } else if (element->entry->family == TypeFamily::bit) {
    options.bits_as_text = allows(*schema, "string") && !allows(*schema, "boolean");
  }
  return options;
}

Json json_schema(const Type& type, bool is_key, const EncodingOptions& options) {
  return options.schema_dialect == EncodingOptions::Dialect::singer_io
             ? singer_io_schema(type, is_key, options)
             : portable_schema(type, is_key, options);
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
    definition["items"] = make_reference(name);
  }
  return definitions;
}

void add_definitions(Json& definitions, const Type& type) {
  const Type& element = innermost_element(type);
  if (!type.element || element.entry->family != TypeFamily::numeric) {
    return;
  }
  const std::string name = definition_name(definition_kind(element));
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
  definition["items"] = make_reference(name);
  definitions[name] = std::move(definition);
}

}  // namespace tap::value

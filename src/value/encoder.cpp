// SPDX-License-Identifier: Apache-2.0
#include <stdexcept>

#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>
#include <tap/value/encoder.hpp>

#include "column.hpp"

namespace tap::value {

Encoder::Encoder(const Type& type, Wire wire, const EncodingOptions& options, std::string column)
    : encode_(wire == Wire::binary ? type.kind->binary : type.kind->text) {
  if (wire == Wire::binary && !has_binary(type)) {
    throw std::logic_error(fmt::format("{}: {} has no binary form", column, type.kind->name));
  }
  auto element =
      type.element ? std::make_unique<const Encoder>(*type.element, wire, options, column) : nullptr;
  // Not make_unique: clang 14 cannot initialise an aggregate in parentheses.
  column_.reset(new Column{.name = std::move(column),
                           .kind = *type.kind,
                           .wire = wire,
                           .options = options,
                           .element = std::move(element),
                           .delimiter = type.delimiter,
                           .scratch = {}});
}

Encoder::Encoder(Encoder&& other) noexcept = default;
Encoder& Encoder::operator=(Encoder&& other) noexcept = default;
Encoder::~Encoder() = default;

void malformed(const Column& column, std::string_view value) {
  throw Malformed(fmt::format(
      "{}: the server sent {} bytes that are not the {} form of type {}; please report this "
      "with the server's version and the column's type",
      column.name, value.size(), column.wire == Wire::binary ? "binary" : "text", column.kind.name));
}

}  // namespace tap::value

// SPDX-License-Identifier: Apache-2.0
#include <stdexcept>

#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>
#include <tap/value/encoder.hpp>

#include "column_context.hpp"

namespace tap::value {

Encoder::Encoder(const Type& type, Format format, const EncodingOptions& options, std::string column)
    : encode_(format == Format::binary ? type.entry->binary : type.entry->text) {
  if (format == Format::binary && !has_binary(type)) {
    throw std::logic_error(fmt::format("{}: {} has no binary encoder", column, type.entry->name));
  }
  auto element =
      type.element ? std::make_unique<const Encoder>(*type.element, format, options, column) : nullptr;
  // Not make_unique: clang 14 cannot initialize an aggregate in parentheses.
  column_.reset(new ColumnContext{.name = std::move(column),
                                  .entry = *type.entry,
                                  .format = format,
                                  .options = options,
                                  .server_version = type.server_version,
                                  .element = std::move(element),
                                  .delimiter = type.delimiter,
                                  .output_bound = type.bound != nullptr ? type.bound->output : nullptr,
                                  .scratch = {},
                                  .warned = std::make_shared<std::atomic_flag>()});
}

Encoder::Encoder(EncodeFunction encode, std::unique_ptr<const ColumnContext> column)
    : encode_(encode), column_(std::move(column)) {}

Encoder Encoder::for_another_thread() const {
  const ColumnContext& own = *column_;
  auto element = own.element ? std::make_unique<const Encoder>(own.element->for_another_thread()) : nullptr;
  return {encode_,
          std::unique_ptr<const ColumnContext>(new ColumnContext{.name = own.name,
                                                                 .entry = own.entry,
                                                                 .format = own.format,
                                                                 .options = own.options,
                                                                 .server_version = own.server_version,
                                                                 .element = std::move(element),
                                                                 .delimiter = own.delimiter,
                                                                 .output_bound = own.output_bound,
                                                                 .scratch = {},
                                                                 .warned = own.warned})};
}

Encoder::Encoder(Encoder&& other) noexcept = default;
Encoder& Encoder::operator=(Encoder&& other) noexcept = default;
Encoder::~Encoder() = default;

void throw_invalid_value(const ColumnContext& column, std::string_view value) {
  throw InvalidValue(fmt::format(
      "{}: the server sent {} bytes that are not a {} value of type {}; please report this with the server's "
      "version and the column's type",
      column.name, value.size(), column.format == Format::binary ? "binary" : "text", column.entry.name));
}

}  // namespace tap::value

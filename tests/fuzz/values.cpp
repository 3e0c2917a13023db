// SPDX-License-Identifier: Apache-2.0
// Values of every type. An input is a line `int4[] @`, a type and a byte for Choices, and the value's bytes.
// The encoder must write valid JSON or refuse the value, whatever it has read before.
#include <tap/base/error.hpp>

#include "support.hpp"
#include "types.hpp"

using namespace tap;

namespace {

/// Returns the JSON, or nothing if the value is refused.
std::string encode(const value::Encoder& encode, std::string_view bytes) {
  const fuzz::ExactCopy value(bytes);
  Buffer out;
  try {
    encode(value.view(), out);
  } catch (const StreamError&) {
    return "";
  }
  fuzz::require_json(out.view());
  return std::string(out.view());
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  fuzz::silence_log();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input = fuzz::view_of(data, size);
  std::string_view name = fuzz::take(input, "\n");
  const fuzz::Choices choices(name.empty() ? '@' : static_cast<unsigned char>(name.back()));
  name = name.substr(0, name.rfind(' '));
  const fuzz::Types& types = fuzz::types_of(choices);
  const value::Type type = types.resolve(types.find(name));
  const value::Format format = has_binary(type) ? choices.format : value::Format::text;

  const std::string json = encode(value::Encoder(type, format, choices.options, "t.c"), input);
  const value::Encoder used(type, format, choices.options, "t.c");
  encode(used, input.substr(0, input.size() / 2));
  encode(used, input.substr(0, input.size() - std::min<std::size_t>(input.size(), 1)));
  if (encode(used, input) != json) {
    fuzz::fail("an encoder that was used gives another result than", json);
  }
  return 0;
}

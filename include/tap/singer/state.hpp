// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include <tap/base/json.hpp>

namespace tap::singer {

/// What the target has kept: `{"bookmarks": {"<tap_stream_id>": {...}}, "currently_syncing": ...}`. Keys that
/// we do not know are carried along.
class State {
 public:
  State() : State(Json::object(), "state") {}
  /// Throws Error (ExitCode::usage) that names `source` and the place if the document has another shape.
  State(Json document, const std::string& source);

  /// A stream's bookmark, made empty if there is none. Good until the state is changed otherwise.
  Json& bookmark(const std::string& stream);

  [[nodiscard]] bool has_bookmark(const std::string& stream) const;
  /// Gives a bookmark to a stream whose id was another before.
  void rename_bookmark(const std::string& from, const std::string& to);

  [[nodiscard]] std::optional<std::string> currently_syncing() const;
  /// Nothing: null, no stream is being copied.
  void set_currently_syncing(const std::optional<std::string>& stream);

  [[nodiscard]] const Json& document() const { return document_; }

 private:
  Json document_;
};

}  // namespace tap::singer

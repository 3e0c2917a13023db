// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <unordered_map>

#include <tap/base/json.hpp>

namespace tap::singer {

/// A Singer state: `{"bookmarks": {"<tap_stream_id>": {...}}, "currently_syncing": ...}`. Unknown keys are
/// preserved.
class State {
 public:
  State() : State(Json::object(), "state") {}
  /// Throws Error (ExitCode::usage) that names `source` and the place if the document has another shape.
  State(Json document, const std::string& source);

  /// A stream's bookmark, created empty if there is none. The reference is valid until a bookmark is added,
  /// renamed or removed.
  Json& bookmark(const std::string& stream);

  /// Null if there is none. The pointer is valid as long as the reference that bookmark() returns.
  [[nodiscard]] const Json* find_bookmark(const std::string& stream) const;
  /// Moves a bookmark to a stream's new id.
  void rename_bookmark(const std::string& from, const std::string& to);

  [[nodiscard]] std::optional<std::string> currently_syncing() const;
  /// std::nullopt: no stream is being copied.
  void set_currently_syncing(const std::optional<std::string>& stream);

  [[nodiscard]] const Json& document() const { return document_; }

 private:
  Json::object_t& bookmarks() { return document_["bookmarks"].get_ref<Json::object_t&>(); }

  Json document_;
  std::unordered_map<std::string, std::size_t> positions_;  ///< of bookmarks: a document searches its keys
};

/// Reads the state file at `path`. Throws Error (ExitCode::usage).
State load_state(const std::string& path);

}  // namespace tap::singer

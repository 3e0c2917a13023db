// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tap/base/error.hpp>
#include <tap/base/file.hpp>
#include <tap/base/log.hpp>
#include <tap/sync/parts/part.hpp>
#include <tap/sync/row_filter.hpp>

#include "sync/progress.hpp"
#include "units.hpp"

namespace tap::sync {

namespace {

/// The sizes of the tables of all selected streams, by tap_stream_id.
std::map<std::string, pg::TableSize> read_sizes(const config::Config& config,
                                                const std::vector<singer::Stream>& streams) {
  std::map<std::string, std::vector<const singer::Stream*>> by_database;
  for (const singer::Stream& stream : streams) {
    if (stream.selected) {
      by_database[stream.database.empty() ? config.server.database() : stream.database].push_back(&stream);
    }
  }
  std::map<std::string, pg::TableSize> sizes;
  for (const auto& [database, wanted] : by_database) {
    std::vector<pg::TableName> tables;
    for (const singer::Stream* stream : wanted) {
      tables.push_back({stream->schema_name, stream->table});
    }
    pg::Connection connection(config.server, database);
    const std::vector<pg::TableSize> found = pg::table_sizes(connection, tables);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      sizes.emplace(wanted[i]->id, found[i]);
    }
  }
  return sizes;
}

void make_folder(const std::string& folder) {
  constexpr mode_t everyone = 0777;  // less the umask
  if (::mkdir(folder.c_str(), everyone) != 0 && errno != EEXIST) {
    throw Error(ExitCode::usage,
                fmt::format("--out {}: cannot create the folder: {}", folder, std::strerror(errno)));
  }
}

std::string path_of_part(const std::string& folder, std::size_t number) {
  return fmt::format("{}/part-{}.json", folder, number);
}

/// A scheduler that runs all files of the folder would read these streams twice.
void refuse_more_parts(const std::string& folder, std::size_t parts) {
  if (const std::string next = path_of_part(folder, parts + 1); ::access(next.c_str(), F_OK) == 0) {
    throw Error(ExitCode::usage,
                fmt::format("--out {}: {} is left from a split into more parts; remove the part files there "
                            "first",
                            folder, next));
  }
}

}  // namespace

std::vector<singer::Stream> streams_of_part(const std::vector<singer::Stream>& catalog,
                                            const config::Config& config, const Part& part) {
  const auto assigned =
      assign_streams(catalog, {config.default_replication_method, config.server.database(), {}}, part.count);
  std::vector<singer::Stream> streams;
  for (std::size_t i = 0; i < catalog.size(); ++i) {
    if (assigned[i] == part.number - 1) {
      streams.push_back(catalog[i]);
    }
  }
  log::info("part {} of {}: {} of {} selected streams", part.number, part.count, streams.size(),
            std::ranges::count_if(assigned, [](const auto& each) { return each.has_value(); }));
  return streams;
}

FullRefresh refresh_of_part(const FullRefresh& refresh, const std::vector<singer::Stream>& catalog,
                            const std::vector<singer::Stream>& part) {
  FullRefresh restricted = refresh;
  std::erase_if(restricted.streams, [&](const std::string& name) {
    const auto is_named = [&](const singer::Stream& stream) {
      return stream.selected && (name == stream.id || name == stream.name || name == stream.table);
    };
    return std::ranges::any_of(catalog, is_named) && std::ranges::none_of(part, is_named);
  });
  return restricted;
}

void split_catalog(const std::string& catalog, const config::Config* config, std::size_t parts,
                   const std::string& folder) {
  Json document = singer::load_catalog_document(catalog);
  const singer::Catalog whole{singer::read_catalog(document, catalog), document.contains(singer::kPartKey)};
  const std::vector<singer::Stream>& streams = whole.streams;
  if (config != nullptr) {
    refuse_mistaken_row_filters(*config, whole);
  }
  make_folder(folder);
  refuse_more_parts(folder, parts);
  StreamFacts facts;
  if (config != nullptr) {
    facts = {config->default_replication_method, config->server.database(), read_sizes(*config, streams)};
  } else if (std::ranges::none_of(streams,
                                  [](const auto& stream) { return stream.selected && stream.rows > 0; })) {
    log::warn(
        "{}: no selected stream has a row-count, so all count as equally large: run ANALYZE and discover "
        "again, or give --config to read the sizes of the tables",
        catalog);
  }
  const auto assigned = assign_streams(streams, facts, parts);
  Json all = std::move(document["streams"]);
  for (std::size_t part = 0; part < parts; ++part) {
    Json chosen = Json::array();
    double bytes = 0;
    for (std::size_t i = 0; i < streams.size(); ++i) {
      if (assigned[i] == part) {
        chosen.push_back(std::move(all[i]));
        bytes += bytes_of(streams[i], facts);
      }
    }
    const std::size_t count = chosen.size();
    document["streams"] = std::move(chosen);
    document[singer::kPartKey] = fmt::format("{}/{}", part + 1, parts);
    write_file(path_of_part(folder, part + 1), to_text(document, 2) + "\n");
    log::info("{}: {} streams, about {}", path_of_part(folder, part + 1), count,
              readable_size(static_cast<std::uint64_t>(bytes)));
  }
}

}  // namespace tap::sync

// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/pg/catalog/publication_statements.hpp>
#include <tap/pg/quote.hpp>

namespace tap::pg {

namespace {

std::string list_of(const std::vector<Member>& tables, bool with_filters = true) {
  std::string list;
  for (const Member& table : tables) {
    list += list.empty() ? "" : ", ";
    list += table.only ? "ONLY " : "";
    list += quote_qualified(table.name.schema, table.name.table);
    list += with_filters && !table.row_filter.empty() ? fmt::format(" WHERE ({})", table.row_filter) : "";
  }
  return list;
}

/// The value of the option `publish`.
std::string publish(std::vector<std::string> actions, ServerVersion version) {
  if (version.publishes_truncate()) {
    actions.emplace_back("truncate");
  }
  return fmt::format("'{}'", fmt::join(actions, ", "));
}

}  // namespace

std::string create_publication(const NewPublication& publication, ServerVersion version) {
  std::vector<std::string> options;
  if (publication.inserts_only) {
    options.emplace_back("publish = " + publish({"insert"}, version));
  }
  if (publication.via_root && version.publishes_partitioned_tables()) {
    options.emplace_back("publish_via_partition_root = true");
  }
  if (version.publishes_generated_columns()) {
    options.emplace_back("publish_generated_columns = stored");
  }
  return fmt::format("CREATE PUBLICATION {}{}{}", quote_identifier(publication.name),
                     publication.tables.empty() ? "" : " FOR TABLE " + list_of(publication.tables),
                     options.empty() ? "" : fmt::format(" WITH ({})", fmt::join(options, ", ")));
}

std::string add_tables(const std::string& publication, const std::vector<Member>& tables) {
  return fmt::format("ALTER PUBLICATION {} ADD TABLE {}", quote_identifier(publication), list_of(tables));
}

std::string drop_tables(const std::string& publication, const std::vector<Member>& tables) {
  return fmt::format("ALTER PUBLICATION {} DROP TABLE {}", quote_identifier(publication),
                     list_of(tables, false));
}

std::string set_actions(const std::string& publication, const std::vector<std::string>& actions,
                        ServerVersion version) {
  return set_option(publication, "publish", publish(actions, version));
}

std::string set_option(const std::string& publication, const std::string& option, const std::string& value) {
  return fmt::format("ALTER PUBLICATION {} SET ({} = {})", quote_identifier(publication), option, value);
}

}  // namespace tap::pg

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <tap/pg/catalog/publications.hpp>
#include <tap/pg/server_version.hpp>

namespace tap::pg {

// SQL that creates and alters publications (manual: CREATE PUBLICATION, ALTER PUBLICATION). Names are quoted.

/// A table as a member of a publication.
struct Member {
  TableName name;
  bool only = false;         ///< without its child tables; for a partitioned table it has no effect
  std::string row_filter{};  ///< an SQL condition; empty: all rows

  bool operator==(const Member&) const = default;
};

/// The publication to create. Options that the server does not know are left out of the statement.
struct NewPublication {
  std::string name;
  std::vector<Member> tables;
  bool inserts_only = false;  ///< publish = 'insert, truncate'
  bool via_root = true;       ///< publish_via_partition_root
};

std::string create_publication(const NewPublication& publication, ServerVersion version);
std::string add_tables(const std::string& publication, const std::vector<Member>& tables);
std::string drop_tables(const std::string& publication, const std::vector<Member>& tables);
/// Publishes these actions and, since version 11, TRUNCATE.
std::string set_actions(const std::string& publication, const std::vector<std::string>& actions,
                        ServerVersion version);
/// `option` and `value` are SQL.
std::string set_option(const std::string& publication, const std::string& option, const std::string& value);

}  // namespace tap::pg

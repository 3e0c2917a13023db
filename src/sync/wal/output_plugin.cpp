// SPDX-License-Identifier: Apache-2.0
#include "output_plugin.hpp"

#include <tap/sync/slots/server_requirements.hpp>

namespace tap::sync {

OutputPlugin::OutputPlugin(const config::Config& config, const WalSource& source)
    : source_(source), wal2json_(config) {}

bool OutputPlugin::is_pgoutput() const {
  return source_.plugin == kPgoutput;
}

pg::ReplicationStream::Options OutputPlugin::build_options(const std::string& tables) const {
  return is_pgoutput() ? pg::pgoutput_options(source_.publications, is_binary_) : wal2json_.build(tables);
}

bool OutputPlugin::leave_out_unsupported(const pg::ServerError& error) {
  return !is_pgoutput() && wal2json_.leave_out_unsupported(error);
}

std::unique_ptr<change::Decoder> OutputPlugin::make_decoder() const {
  return is_pgoutput() ? change::make_pgoutput_decoder() : wal2json_.make_decoder(source_.server_encoding);
}

}  // namespace tap::sync

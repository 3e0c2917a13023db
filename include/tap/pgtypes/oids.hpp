// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tap {

using Oid = std::uint32_t;

/// The fixed OIDs of built-in types that this program treats by name (src/include/catalog/pg_type.dat).
namespace oids {

constexpr Oid kBool = 16;
constexpr Oid kBytea = 17;
constexpr Oid kName = 19;
constexpr Oid kInt8 = 20;
constexpr Oid kInt2 = 21;
constexpr Oid kInt4 = 23;
constexpr Oid kText = 25;
constexpr Oid kJson = 114;
constexpr Oid kCidr = 650;
constexpr Oid kFloat4 = 700;
constexpr Oid kFloat8 = 701;
constexpr Oid kMoney = 790;
constexpr Oid kMacaddr = 829;
constexpr Oid kInet = 869;
constexpr Oid kBpchar = 1042;
constexpr Oid kVarchar = 1043;
constexpr Oid kDate = 1082;
constexpr Oid kTime = 1083;
constexpr Oid kTimestamp = 1114;
constexpr Oid kTimestamptz = 1184;
constexpr Oid kTimetz = 1266;
constexpr Oid kBit = 1560;
constexpr Oid kNumeric = 1700;
constexpr Oid kUuid = 2950;
constexpr Oid kJsonb = 3802;

/// FirstNormalObjectId: the objects that initdb creates have OIDs below it.
constexpr Oid kFirstNormalObjectId = 16384;

}  // namespace oids

}  // namespace tap

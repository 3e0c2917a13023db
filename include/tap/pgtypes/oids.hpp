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
constexpr Oid kOid = 26;
constexpr Oid kTid = 27;
constexpr Oid kXid = 28;
constexpr Oid kCid = 29;
constexpr Oid kJson = 114;
constexpr Oid kXml = 142;
constexpr Oid kPoint = 600;
constexpr Oid kLseg = 601;
constexpr Oid kPath = 602;
constexpr Oid kBox = 603;
constexpr Oid kPolygon = 604;
constexpr Oid kLine = 628;
constexpr Oid kCidr = 650;
constexpr Oid kFloat4 = 700;
constexpr Oid kFloat8 = 701;
constexpr Oid kCircle = 718;
constexpr Oid kMacaddr8 = 774;
constexpr Oid kMoney = 790;
constexpr Oid kMacaddr = 829;
constexpr Oid kInet = 869;
constexpr Oid kBpchar = 1042;
constexpr Oid kVarchar = 1043;
constexpr Oid kDate = 1082;
constexpr Oid kTime = 1083;
constexpr Oid kTimestamp = 1114;
constexpr Oid kTimestamptz = 1184;
constexpr Oid kInterval = 1186;
constexpr Oid kTimetz = 1266;
constexpr Oid kBit = 1560;
constexpr Oid kVarbit = 1562;
constexpr Oid kNumeric = 1700;
constexpr Oid kRefcursor = 1790;
constexpr Oid kUuid = 2950;
constexpr Oid kTxidSnapshot = 2970;
constexpr Oid kLsn = 3220;
constexpr Oid kTsvector = 3614;
constexpr Oid kJsonb = 3802;
constexpr Oid kJsonpath = 4072;
constexpr Oid kSnapshot = 5038;
constexpr Oid kXid8 = 5069;

/// FirstNormalObjectId: the objects that initdb creates have OIDs below it.
constexpr Oid kFirstNormalObjectId = 16384;

}  // namespace oids

}  // namespace tap

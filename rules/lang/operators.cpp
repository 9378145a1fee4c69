#include "rules/lang/operators.h"

#include <algorithm>
#include <array>

namespace nudge::lang {
namespace {

constexpr Families kTimes = kDate | kTimestamp;
constexpr Families kAny = kText | kNumeric | kDate | kTimestamp | kBoolean | kList | kObject;

constexpr std::array<OperatorInfo, 25> kOperators = {{
    {"equals", Op::equals, kText | kNumeric | kBoolean, Operand::same, true, true},
    {"not_equals", Op::not_equals, kText | kNumeric, Operand::same, true, true},
    {"in", Op::in, kText | kNumeric, Operand::list, false, true},
    {"not_in", Op::not_in, kText | kNumeric, Operand::list, false, true},
    {"contains", Op::contains, kText, Operand::text, true, true},
    {"not_contains", Op::not_contains, kText, Operand::text, true, true},
    {"starts_with", Op::starts_with, kText, Operand::text, true, true},
    {"ends_with", Op::ends_with, kText, Operand::text, true, true},
    {"matches", Op::matches, kText, Operand::pattern, false, true},
    {"greater_than", Op::greater_than, kNumeric, Operand::same, true, false},
    {"at_least", Op::at_least, kNumeric, Operand::same, true, false},
    {"less_than", Op::less_than, kNumeric, Operand::same, true, false},
    {"at_most", Op::at_most, kNumeric, Operand::same, true, false},
    {"between", Op::between, kNumeric | kTimes, Operand::pair, false, false},
    {"before", Op::before, kTimes, Operand::same, true, false},
    {"after", Op::after, kTimes, Operand::same, true, false},
    {"within", Op::within, kTimes, Operand::duration, false, false},
    {"older_than", Op::older_than, kTimes, Operand::duration, false, false},
    {"in_next", Op::in_next, kTimes, Operand::duration, false, false},
    {"anniversary_in_next", Op::anniversary_in_next, kTimes, Operand::duration, false, false},
    {"anniversary_today", Op::anniversary_today, kTimes, Operand::truth, false, false},
    {"has", Op::has, kList, Operand::text, false, true},
    {"has_any", Op::has_any, kList, Operand::texts, false, true},
    {"has_all", Op::has_all, kList, Operand::texts, false, true},
    {"exists", Op::exists, kAny, Operand::truth, false, false},
}};

}  // namespace

Families family_of(Type type) {
  switch (type) {
    case Type::text:
    case Type::phone: return kText;
    case Type::integer:
    case Type::number:
    case Type::decimal: return kNumeric;
    case Type::date: return kDate;
    case Type::timestamp: return kTimestamp;
    case Type::boolean: return kBoolean;
    case Type::list: return kList;
    case Type::object: return kObject;
  }
  return 0;
}

const OperatorInfo* find_operator(std::string_view word) {
  const auto found = std::find_if(kOperators.begin(), kOperators.end(), [&](const OperatorInfo& o) { return o.word == word; });
  return found == kOperators.end() ? nullptr : &*found;
}

std::vector<std::string_view> operators_for(Type type, bool attribute) {
  const Families family = family_of(type);
  std::vector<std::string_view> words;
  for (const OperatorInfo& info : kOperators) {
    if ((info.families & family) != 0) words.push_back(info.word);
  }
  if (family == kList) words.push_back("size");
  if ((family & kTimes) != 0) words.push_back("days_since");
  if (attribute && family != kObject) {
    words.push_back("changed");
    words.push_back("has_been");
  }
  return words;
}

}  // namespace nudge::lang

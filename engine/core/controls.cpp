#include "engine/core/controls.h"

#include <algorithm>

namespace nudge {

const Silence* Controls::silenced(const ActionOut& action, TimeMs now) const {
  const auto fits = [](const std::string& wanted, std::string_view is) { return wanted.empty() || wanted == is; };
  for (const Silence& s : silences) {
    if (now < s.from || now >= s.until) continue;
    if (fits(s.rule, action.rule) && fits(s.channel, action.channel) && fits(s.category, category_name(action.category)) &&
        fits(s.customer, action.customer))
      return &s;
  }
  return nullptr;
}

std::string describe_silence(const Silence& s) {
  std::string out;
  const auto add = [&](const char* what, const std::string& value) {
    if (!value.empty()) out += (out.empty() ? "" : ", ") + std::string(what) + " " + value;
  };
  add("rule", s.rule);
  add("channel", s.channel);
  add("category", s.category);
  add("customer", s.customer);
  return out;
}

void encode_controls(Writer& out, const Controls& c) {
  out.varint(c.silences.size());
  for (const Silence& s : c.silences) {
    out.varint(s.id);
    for (const std::string* text : {&s.rule, &s.channel, &s.category, &s.customer, &s.author, &s.reason}) out.string(*text);
    out.svarint(s.from);
    out.fixed64(static_cast<std::uint64_t>(s.until));
  }
  out.varint(c.braked.size());
  for (const auto& [rule, b] : c.braked) {
    out.varint(rule);
    out.svarint(b.since);
    out.string(b.policy);
    out.string(b.words);
    out.varint(b.kept);
  }
  out.u8(c.stopped ? 1 : 0);
  out.svarint(c.stopped_at);
  out.string(c.stopped_by);
  out.string(c.stopped_why);
  out.varint(c.last_silence);
}

bool decode_controls(Reader& in, Controls& c) {
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    Silence& s = c.silences.emplace_back();
    s.id = in.varint();
    for (std::string* text : {&s.rule, &s.channel, &s.category, &s.customer, &s.author, &s.reason}) *text = in.string();
    s.from = in.svarint();
    s.until = static_cast<TimeMs>(in.fixed64());
  }
  for (std::uint64_t n = in.varint(); n > 0 && !in.bad(); --n) {
    Braked& b = c.braked[static_cast<RuleId>(in.varint())];
    b.since = in.svarint();
    b.policy = in.string();
    b.words = in.string();
    b.kept = in.varint();
  }
  c.stopped = in.u8() != 0;
  c.stopped_at = in.svarint();
  c.stopped_by = in.string();
  c.stopped_why = in.string();
  c.last_silence = in.varint();
  return !in.bad();
}

}  // namespace nudge

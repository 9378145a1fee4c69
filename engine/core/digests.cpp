#include "engine/core/digests.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "engine/base/json.h"
#include "engine/base/text.h"
#include "engine/core/render_filter.h"

namespace nudge {

namespace {

constexpr std::uint8_t kVersion = 1;
// Quotes within texts are escaped, so this is the member itself; the compiler puts it at the end.
constexpr std::string_view kMember = ",\"digest\":{";
constexpr std::size_t kPayloadBytes = 4U << 20;

// What all hits of a group share: where they go, and what the rule groups by.
std::string key_of(const ActionOut& action, const Gather& gather) {
  std::string key;
  Writer out(key);
  out.string(action.kind);
  out.string(action.connector);
  out.string(gather.to);
  out.varint(gather.by.size());
  for (const std::string& value : gather.by) out.string(value);
  return key;
}

std::string listed(const std::vector<DigestPart>& parts, Escape escape) {
  const std::string_view next = escape == Escape::html ? "<br>\n" : escape == Escape::header ? "; " : "\n";
  std::string out;
  for (std::size_t i = 0; i < std::min(parts.size(), kDigestLines); ++i) {
    if (i > 0) out += next;
    append_escaped(out, parts[i].line, escape);
  }
  if (parts.size() > kDigestLines) out.append(next).append("… +" + std::to_string(parts.size() - kDigestLines));
  return out;
}

// The payload without the member, and with each mark replaced. The newest hit's: what differs between hits belongs into the line.
std::string filled(std::string payload, const std::vector<DigestPart>& parts) {
  if (const std::size_t member = payload.rfind(kMember); member != std::string::npos) payload.replace(member, std::string::npos, "}");
  for (const Escape escape : {Escape::none, Escape::html, Escape::header, Escape::sms}) {
    for (const std::string_view property : {"list", "size"}) {
      const std::string mark = digest_mark(property, escape);
      std::string text;
      append_json_escaped(text, property == "size" ? std::to_string(parts.size()) : listed(parts, escape));
      for (std::size_t at = payload.find(mark); at != std::string::npos; at = payload.find(mark, at + text.size())) payload.replace(at, mark.size(), text);
    }
  }
  return payload;
}

}  // namespace

std::optional<Gather> gather_of(const ActionOut& action) {
  if (action.payload.find(kMember) == std::string::npos) return std::nullopt;
  const Result<JsonValue> payload = parse_json(action.payload, kPayloadBytes);
  const JsonValue* digest = payload ? payload->find("digest") : nullptr;
  if (digest == nullptr) return std::nullopt;
  Gather out;
  const auto text = [](const JsonValue* from, std::string_view name) {
    const JsonValue* value = from->find(name);
    return value != nullptr ? value->text : std::string();
  };
  out.to = text(&*payload, "to");
  out.line = text(digest, "line");
  out.wait = std::strtoll(text(digest, "wait").c_str(), nullptr, 10);
  out.every = std::strtoll(text(digest, "every").c_str(), nullptr, 10);
  if (const JsonValue* by = digest->find("by")) {
    for (const JsonValue& one : by->items) out.by.push_back(one.text);
  }
  return out;
}

bool is_hit(const ActionOut& action) { return gather_of(action).has_value(); }

std::string digest_of_one(const ActionOut& action) {
  const std::optional<Gather> gather = gather_of(action);
  return gather ? filled(action.payload, {{0, action, gather->line}}) : action.payload;
}

void Digests::set_due(DigestGroup& group, TimeMs due) {
  clocks_.erase({group.due, group.key});
  group.due = due;
  if (due != kNever) clocks_.emplace(due, group.key);
}

std::vector<std::uint64_t> Digests::forget(std::string_view customer) {
  std::vector<std::uint64_t> numbers;
  for (auto& [key, group] : groups_) {
    std::erase_if(group.parts, [&](const DigestPart& part) {
      if (part.action.customer != customer) return false;
      numbers.push_back(part.number);
      return true;
    });
  }
  return numbers;
}

TimeMs Digests::add(ActionOut action, std::uint64_t number, DigestOut& out) {
  const std::optional<Gather> gather = gather_of(action);
  if (!gather) return kNever;
  std::string key = key_of(action, *gather);
  const auto [found, fresh] = groups_.try_emplace(key);
  DigestGroup& group = found->second;
  if (fresh) group.key = std::move(key);
  group.every = gather->every;
  const TimeMs at = action.at;
  const bool first = group.parts.empty();
  group.parts.push_back({number, std::move(action), gather->line});
  if (first) set_due(group, std::max(at + gather->wait, group.last == kAlways ? kAlways : group.last + gather->every));
  out.added.emplace_back(group.key, group.parts.back());
  if (first) out.touched.push_back(head_of(group));
  return group.due;
}

void Digests::load(DigestGroup group) {
  const std::string key = group.key;
  const TimeMs due = group.due;
  DigestGroup& kept = groups_[key] = std::move(group);
  kept.due = kNever;
  set_due(kept, due);
}

void Digests::load(const std::string& key, DigestPart part) {
  const auto found = groups_.find(key);
  if (found != groups_.end()) found->second.parts.push_back(std::move(part));
}

void Digests::run(TimeMs now, DigestOut& out) {
  while (!clocks_.empty() && clocks_.begin()->first <= now) {
    const auto [at, key] = *clocks_.begin();
    DigestGroup& group = groups_[key];
    if (group.parts.empty()) {  // quiet for so long that its next hit is a first one
      set_due(group, kNever);
      out.touched.push_back(std::move(group));
      groups_.erase(key);
      continue;
    }
    DigestOut::Message message;
    message.parts = std::exchange(group.parts, {});
    message.action = message.parts.back().action;
    std::string bytes = key;
    Writer name(bytes);
    name.svarint(at);
    name.fixed64(message.parts.front().action.id.hi);
    name.fixed64(message.parts.front().action.id.lo);
    message.action.id = hash128(bytes);
    message.action.at = at;
    message.action.payload = filled(std::move(message.action.payload), message.parts);
    group.last = at;
    set_due(group, at + group.every);
    out.touched.push_back(head_of(group));
    out.messages.push_back(std::move(message));
  }
}

void encode_digest_group(std::string& bytes, const DigestGroup& g) {
  Writer out(bytes);
  out.u8(kVersion);
  out.string(g.key);
  out.svarint(g.last);
  out.fixed64(static_cast<std::uint64_t>(g.due));
  out.svarint(g.every);
}

Result<DigestGroup> decode_digest_group(std::string_view bytes) {
  Reader in(bytes);
  DigestGroup g;
  const bool good = in.u8() == kVersion;
  g.key = in.string();
  g.last = in.svarint();
  g.due = static_cast<TimeMs>(in.fixed64());
  g.every = in.svarint();
  if (!good || in.bad()) return fail(Code::corrupt, "a stored digest can't be read: it is damaged or was written by a newer version");
  return g;
}

void encode_digest_part(std::string& bytes, std::string_view key, const DigestPart& part) {
  Writer out(bytes);
  out.u8(kVersion);
  out.string(key);
  out.varint(part.number);
  out.string(part.line);
  encode_action(out, part.action);
}

Result<std::pair<std::string, DigestPart>> decode_digest_part(std::string_view bytes) {
  Reader in(bytes);
  std::pair<std::string, DigestPart> out;
  const bool good = in.u8() == kVersion;
  out.first = in.string();
  out.second.number = in.varint();
  out.second.line = in.string();
  if (!good || !decode_action(in, out.second.action) || in.bad())
    return fail(Code::corrupt, "a stored hit of a digest can't be read: it is damaged or was written by a newer version");
  return out;
}

}  // namespace nudge

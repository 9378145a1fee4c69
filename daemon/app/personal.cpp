#include "daemon/app/personal.h"

#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "engine/base/text.h"
#include "engine/core/render_filter.h"

namespace nudge::daemon {
namespace {

namespace bj = boost::json;

constexpr std::size_t kLeastBytes = 2;      // shorter texts stand in too many others
constexpr std::size_t kRowsLooked = 1'000;  // of each event type, the newest
constexpr std::size_t kPhoneDigits = 7;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

// Digits apart from the last four and, of long ones, all before the four that are hidden.
std::string masked_phone(std::string_view text) {
  const auto digits = static_cast<std::size_t>(std::ranges::count_if(text, is_digit));
  const std::size_t shown_first = digits >= 11 ? digits - 8 : digits >= 9 ? 2 : 0;
  const std::size_t shown_last = digits >= 9 ? 4 : 2;
  std::string out;
  std::size_t seen = 0;
  for (const char c : text) {
    if (!is_digit(c)) {
      out.push_back(c);
      continue;
    }
    out.push_back(seen < shown_first || seen >= digits - shown_last ? c : '*');
    ++seen;
  }
  return out;
}

// As the renderer escapes it: what stands in a message is found by that.
std::string html_escaped(std::string_view text) {
  std::string out;
  append_escaped(out, text, Escape::html);
  return out;
}

std::string json_inside(std::string_view text) {
  std::string out;
  append_json_escaped(out, text);
  return out;
}

// A word is no match within a longer one.
bool stands_alone(std::string_view text, std::size_t at, std::size_t size) {
  const bool begins = at == 0 || !is_word(text[at]) || !is_word(text[at - 1]);
  const std::size_t end = at + size;
  return begins && (end >= text.size() || !is_word(text[end - 1]) || !is_word(text[end]));
}

std::string replaced(std::string_view text, const std::vector<std::pair<std::string, std::string>>& texts) {
  std::string out(text);
  for (const auto& [what, instead] : texts) {
    for (std::size_t at = out.find(what); at != std::string::npos; at = out.find(what, at)) {
      if (!stands_alone(out, at, what.size())) {
        ++at;
        continue;
      }
      out.replace(at, what.size(), instead);
      at += instead.size();
    }
  }
  return out;
}

void hide_in(bj::value& value, const std::set<std::string, std::less<>>& names, bool inside) {
  if (value.is_object()) {
    for (auto& member : value.get_object()) {
      const std::string_view key(member.key().data(), member.key().size());
      const std::size_t dot = key.rfind('.');
      hide_in(member.value(), names, inside || names.contains(key) || (dot != key.npos && names.contains(key.substr(dot + 1))));
    }
  } else if (value.is_array()) {
    for (bj::value& item : value.get_array()) hide_in(item, names, inside);
  } else if (inside && value.is_string()) {
    const std::string shown = masked(std::string_view(value.get_string().data(), value.get_string().size()));
    value = bj::string(shown);
  } else if (inside && !value.is_null()) {
    value = bj::string("***");
  }
}

void add_names(std::set<std::string, std::less<>>& names, const std::vector<LeafDef>& leaves) {
  for (const LeafDef& leaf : leaves) {
    if (!leaf.pii) continue;
    names.insert(leaf.name);
    names.insert(leaf.name.substr(leaf.name.rfind('.') + 1));
  }
}

}  // namespace

std::string masked(std::string_view text) {
  if (text.empty()) return {};
  const std::size_t at = text.rfind('@');
  if (at != std::string_view::npos && at > 0 && at + 1 < text.size())
    return std::string(prefix_utf8(text, 1)) + "***" + std::string(text.substr(at));
  if (is_phone(text) && static_cast<std::size_t>(std::ranges::count_if(text, is_digit)) >= kPhoneDigits) return masked_phone(text);
  return length_utf8(text) < 2 ? "*" : std::string(prefix_utf8(text, 1)) + "***";
}

std::string masked_json(const ValueView& value) {
  std::string out;
  if (value.kind == Kind::text) {
    append_json_string(out, masked(value.bytes));
  } else if (value.kind == Kind::list) {
    out = "[";
    for (const std::string_view item : unpack_list(value.bytes)) {
      if (out.size() > 1) out.push_back(',');
      append_json_string(out, masked(item));
    }
    out.push_back(']');
  } else {
    out = value.missing() ? "null" : "\"***\"";
  }
  return out;
}

void Personal::add(const ValueView& value) {
  if (value.kind == Kind::text) {
    if (value.bytes.size() >= kLeastBytes) texts_.emplace_back(value.bytes, masked(value.bytes));
  } else if (value.kind == Kind::list) {
    for (const std::string_view item : unpack_list(value.bytes))
      if (item.size() >= kLeastBytes) texts_.emplace_back(item, masked(item));
  } else if (value.kind == Kind::date || value.kind == Kind::timestamp) {
    texts_.emplace_back(to_text(value), "***");
  }
}

void Personal::finish() {
  std::ranges::sort(texts_);
  const auto [first, last] = std::ranges::unique(texts_);
  texts_.erase(first, last);
  for (std::size_t i = 0, n = texts_.size(); i < n; ++i) {
    if (std::string html = html_escaped(texts_[i].first); html != texts_[i].first) texts_.emplace_back(std::move(html), html_escaped(texts_[i].second));
  }
  for (const auto& [what, instead] : texts_) json_texts_.emplace_back(json_inside(what), json_inside(instead));
  const auto longest = [](const auto& a, const auto& b) { return a.first.size() != b.first.size() ? a.first.size() > b.first.size() : a < b; };
  std::ranges::sort(texts_, longest);
  std::ranges::sort(json_texts_, longest);
}

Personal Personal::of(const CustomerState& state, const Catalog& catalog) {
  Personal personal;
  for (std::size_t i = 0; i < state.attributes.size(); ++i) {
    const AttributeId attribute = state.attributes.attribute(i);
    if (attribute < catalog.attributes.size() && catalog.attributes[attribute].pii) personal.add(state.attributes.value(i));
  }
  for (const auto& [type, rows] : state.events) {
    if (type >= catalog.events.size()) continue;
    const EventTypeDef& def = catalog.events[type];
    for (std::size_t f = 0; f < def.fields.size(); ++f) {
      if (!def.fields[f].pii) continue;
      const auto field = static_cast<FieldId>(f);
      for (std::size_t row = rows.size() - std::min(kRowsLooked, rows.size()); row < rows.size(); ++row) {
        if (rows.has_field(row, field)) personal.add(rows.field(row, field, kind_of(def.fields[f].type)));
      }
    }
  }
  personal.finish();
  return personal;
}

std::string Personal::hide(std::string_view text) const { return replaced(text, texts_); }
std::string Personal::hide_json(std::string_view json) const { return replaced(json, json_texts_); }

std::string shown_json(const LeafDef& leaf, const ValueView& value, const Personal* hidden) {
  if (hidden == nullptr) return to_json(value);
  if (leaf.pii) return masked_json(value);
  return value.kind == Kind::text || value.kind == Kind::list ? hidden->hide_json(to_json(value)) : to_json(value);
}

bool any_personal(const Catalog& catalog) {
  const auto marked = [](const std::vector<LeafDef>& leaves) { return std::ranges::any_of(leaves, &LeafDef::pii); };
  return marked(catalog.attributes) || std::ranges::any_of(catalog.events, [&](const EventTypeDef& type) { return marked(type.fields); });
}

std::string hide_members(std::string_view raw, const Catalog& catalog) {
  std::set<std::string, std::less<>> names;
  add_names(names, catalog.attributes);
  for (const EventTypeDef& type : catalog.events) add_names(names, type.fields);
  if (names.empty()) return std::string(raw);
  boost::system::error_code error;
  bj::value value = bj::parse(bj::string_view(raw.data(), raw.size()), error);
  if (error) return "(not shown: it is no JSON, so what is personal in it can't be told; ask with personal=full)";
  hide_in(value, names, false);
  return bj::serialize(value);
}

}  // namespace nudge::daemon

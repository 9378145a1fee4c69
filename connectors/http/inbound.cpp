#include "connectors/http/inbound.h"

#include <chrono>

#include "connectors/http/digest.h"
#include "connectors/http/payload.h"

namespace nudge::connectors {

using sdk::Outcome;

namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string form_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// What is no UTF-8 would make the whole answer unreadable; each such byte becomes a question mark.
std::string valid_utf8(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const std::size_t size = lead < 0x80                   ? 1
                             : lead >= 0xc2 && lead < 0xe0 ? 2
                             : lead >= 0xe0 && lead < 0xf0 ? 3
                             : lead >= 0xf0 && lead < 0xf5 ? 4
                                                           : 0;
    bool good = size != 0 && at + size <= text.size();
    for (std::size_t i = 1; good && i < size; ++i) good = (static_cast<unsigned char>(text[at + i]) & 0xc0) == 0x80;
    if (good && size > 2) {  // overlong forms, surrogates, beyond U+10FFFF
      const auto second = static_cast<unsigned char>(text[at + 1]);
      good = !(lead == 0xe0 && second < 0xa0) && !(lead == 0xed && second > 0x9f) && !(lead == 0xf0 && second < 0x90) &&
             !(lead == 0xf4 && second > 0x8f);
    }
    if (good && text[at] != '\0') {
      out.append(text.substr(at, size));
      at += size;
    } else {
      out += '?';
      ++at;
    }
  }
  return out;
}

void put(boost::json::object& object, const char* name, const std::string& text) {
  if (!text.empty()) object[name] = valid_utf8(text);
}

std::string_view last_segment(std::string_view path, std::string_view prefix) {
  const std::size_t at = path.find(prefix);
  if (at == std::string_view::npos) return {};
  path.remove_prefix(at + prefix.size());
  const std::size_t slash = path.find('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
}

}  // namespace

FormFields read_form(std::string_view text) {
  FormFields fields;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    fields.emplace_back(form_decoded(pair.substr(0, equals)), form_decoded(pair.substr(std::min(equals + 1, pair.size()))));
  }
  return fields;
}

std::string_view form_field(const FormFields& fields, std::string_view name) {
  for (const auto& [key, value] : fields)
    if (key == name) return value;
  return {};
}

std::optional<Inbound> Inbound::read(std::string_view payload) {
  const auto object = json_object(payload);
  if (!object) return std::nullopt;
  Inbound in;
  const std::string url = member_text(*object, "url");
  const std::size_t mark = std::min(url.find('?'), url.size());
  in.path = url.substr(0, mark);
  if (mark < url.size()) in.query = url.substr(mark + 1);
  const auto body = unbase64(member_text(*object, "body"));
  if (!body) return std::nullopt;
  in.body = *body;
  const auto* trusted = object->if_contains("trusted");
  in.trusted = trusted != nullptr && trusted->is_bool() && trusted->get_bool();
  if (const auto* headers = object->if_contains("headers"); headers != nullptr && headers->is_object())
    for (const auto& member : headers->get_object())
      if (member.value().is_string()) in.headers_.emplace_back(member.key(), member.value().get_string());
  return in;
}

std::string_view Inbound::header(std::string_view name) const { return form_field(headers_, name); }

std::string_view Inbound::key() const { return last_segment(path, "/v1/callbacks/"); }

sdk::Field callback_key_field() {
  return {.name = "callback_key",
          .type = sdk::FieldType::secret,
          .help = "what stands behind /v1/callbacks/NAME/ in the address that the provider calls; without it callbacks are refused"};
}

bool called_with_key(const Inbound& inbound, std::string_view key, std::string& why) {
  if (inbound.trusted) return true;
  if (key.empty()) {
    why = "callback_key is not set, so nobody can be told from anybody";
    return false;
  }
  why = "the key in the address is not callback_key";
  return same_bytes(inbound.key(), key);
}

Outcome reported(const std::vector<Report>& reports, const CallbackAnswer& answer) {
  boost::json::array list;
  for (const Report& report : reports) {
    boost::json::object one{{"state", report.state}};
    put(one, "action", report.action);
    put(one, "ref", report.ref);
    put(one, "address", report.address);
    put(one, "id", report.id);
    put(one, "code", report.code);
    put(one, "reason", report.reason);
    put(one, "text", report.text);
    put(one, "status", report.status);
    put(one, "raw_status", report.raw_status);
    if (report.at_ms != 0) one["at_ms"] = report.at_ms;
    if (report.gone) one["gone"] = true;
    list.push_back(std::move(one));
  }
  Outcome outcome = Outcome::accepted({});
  outcome.result =
      boost::json::serialize(boost::json::object{{"reports", list}, {"answer", {{"type", answer.type}, {"body", answer.body}}}});
  return outcome;
}

Outcome not_from_provider(std::string why) { return Outcome::refused(std::move(why), 401); }
Outcome not_understood(std::string why) { return Outcome::refused(std::move(why), 400); }

std::int64_t parse_plain_time(std::string_view text, std::int64_t offset_ms) {
  const auto number = [&](std::size_t at, std::size_t size) {
    int value = 0;
    for (std::size_t i = at; i < at + size; ++i) {
      if (i >= text.size() || text[i] < '0' || text[i] > '9') return -1;
      value = value * 10 + (text[i] - '0');
    }
    return value;
  };
  using namespace std::chrono;
  const int y = number(0, 4), m = number(5, 2), d = number(8, 2), h = number(11, 2), min = number(14, 2), s = number(17, 2);
  if (y < 1970 || m < 1 || d < 1 || h < 0 || h > 23 || min < 0 || min > 59 || s < 0 || s > 60) return 0;
  const year_month_day day{year(y), month(static_cast<unsigned>(m)), std::chrono::day(static_cast<unsigned>(d))};
  if (!day.ok()) return 0;
  const auto at = sys_days(day) + hours(h) + minutes(min) + seconds(s);
  return duration_cast<milliseconds>(at.time_since_epoch()).count() - offset_ms;
}

std::int64_t parse_instant(std::string_view text) {
  const std::int64_t at = parse_plain_time(text, 0);
  if (at == 0 || text.size() < 20) return 0;
  std::string_view zone = text.substr(19);
  if (zone.starts_with('.')) zone.remove_prefix(std::min(zone.find_first_not_of("0123456789", 1), zone.size()));
  if (zone == "Z" || zone == "z") return at;
  if (zone.size() < 5 || (zone[0] != '+' && zone[0] != '-')) return 0;
  const std::string_view minutes = zone.substr(zone[3] == ':' ? 4 : 3);
  const auto two = [](std::string_view digits) {
    return digits.size() >= 2 && digits[0] >= '0' && digits[0] <= '9' && digits[1] >= '0' && digits[1] <= '9'
               ? (digits[0] - '0') * 10 + (digits[1] - '0')
               : 0;
  };
  const std::int64_t offset = (two(zone.substr(1)) * 60 + two(minutes)) * std::int64_t{60'000};
  return zone[0] == '+' ? at - offset : at + offset;
}

}  // namespace nudge::connectors

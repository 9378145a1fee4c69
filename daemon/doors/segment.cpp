#include "daemon/doors/segment.h"

#include "daemon/doors/raw_json.h"
#include "daemon/doors/translate.h"
#include "engine/base/text.h"

namespace nudge::doors {
namespace {

using daemon::DoorDocument;
using daemon::IntakeSchema;

std::string text_of(const std::vector<RawMember>& members, std::string_view key) { return raw_text(raw_member(members, key)).value_or(""); }

void append_field(std::string& out, std::string_view key, std::string_view text) {
  if (out.size() > 1) out.push_back(',');
  append_json_string(out, key);
  out.push_back(':');
  append_json_string(out, text);
}

// The batch's context with the message's own members over it.
std::string merged_context(std::string_view batch, std::string_view own) {
  const auto below = raw_object(batch);
  const auto above = raw_object(own);
  if (!below) return std::string(own);
  std::string out = "{";
  const auto add = [&](const RawMember& member) {
    if (out.size() > 1) out.push_back(',');
    append_json_string(out, member.key);
    out.push_back(':');
    out.append(member.value);
  };
  if (above) {
    for (const RawMember& member : *above) add(member);
  }
  for (const RawMember& member : *below) {
    if (!above || raw_member(*above, member.key).empty()) add(member);
  }
  return out + "}";
}

class Message {
 public:
  Message(const SegmentMapping& mapping, const IntakeSchema& schema, const SegmentCall& call, std::string_view json,
          std::vector<DoorDocument>& out)
      : mapping_(mapping), schema_(schema), call_(call), json_(json), out_(out) {}

  void open() {
    auto members = raw_object(json_);
    if (!members) return refuse("bad_json", "", members.error().message);
    members_ = *std::move(members);
    if (!call_.context.empty()) add_context();
    type_ = call_.type.empty() ? text_of(members_, "type") : std::string(call_.type);
    user_ = text_of(members_, "userId");
    anonymous_ = text_of(members_, "anonymousId");
    if (type_ == "alias") return alias();
    if (user_.empty() && anonymous_.empty()) {
      return refuse("missing_customer", "userId", "a message needs `userId` or `anonymousId`: whose is this?");
    }
    const bool both = !user_.empty() && !anonymous_.empty() && user_ != anonymous_;
    if (both && (mapping_.merge == MergeOn::always || (mapping_.merge == MergeOn::identify && type_ == "identify")))
      merge(anonymous_, user_, true);
    if (type_ == "identify") return identify(mapping_.identify, raw_member(members_, "traits"));
    if (type_ == "track") return track();
    if (type_ == "page") return named(mapping_.page, "page", {"name", "category"});
    if (type_ == "screen") return named(mapping_.screen, "screen", {"name", "category"});
    if (type_ == "group") return group();
    refuse("unknown_type", "type",
           type_.empty() ? "`type` is missing: one of identify, track, page, screen, group, alias"
                         : "`type` is `" + type_ + "`; it must be one of identify, track, page, screen, group, alias");
  }

 private:
  void refuse(std::string code, std::string field, std::string reason) {
    DoorDocument document;
    document.problem = {std::move(code), std::move(field), std::move(reason)};
    document.message = kept();
    out_.push_back(std::move(document));
  }

  // The message as the quarantine keeps it, with what stood beside it in the request.
  std::string kept() const {
    std::string out = "{\"door\":\"segment\"";
    if (!call_.type.empty()) append_field(out, "type", call_.type);
    if (!call_.sent_at.empty()) append_field(out, "sentAt", call_.sent_at);
    return out + ",\"message\":" + std::string(json_) + "}";
  }

  void add_context() {
    own_ = merged_context(call_.context, raw_member(members_, "context"));
    std::string whole = "{";
    for (const RawMember& member : members_) {
      if (member.key == "context") continue;
      append_json_string(whole, member.key);
      whole += ":" + std::string(member.value) + ",";
    }
    whole += "\"context\":" + own_ + "}";
    own_ = std::move(whole);
    auto again = raw_object(own_);
    if (!again) return;
    json_ = own_;
    members_ = *std::move(again);
  }

  // {"customer": …, "id": …, "time": … — to which the caller adds the rest.
  std::string head(DoorDocument& document) const {
    std::string out = "{";
    append_field(out, "customer", user_.empty() ? anonymous_ : user_);
    if (const std::string id = text_of(members_, "messageId"); !id.empty()) append_field(out, "id", id);
    std::string original = text_of(members_, "originalTimestamp");
    if (original.empty()) original = text_of(members_, "timestamp");
    std::string sent(call_.sent_at);
    if (sent.empty()) sent = text_of(members_, "sentAt");
    if (const auto time = corrected_time(original, sent, call_.received)) append_field(out, "time", format_timestamp(*time));
    document.computed_time = true;
    return out;
  }

  void finish(DoorDocument& document, std::string_view key, const Result<std::string>& object, const std::string& event) {
    if (!object) return refuse("bad_json", "", object.error().message);
    std::string json = head(document);
    if (!event.empty()) append_field(json, "event", event);
    json += ",\"" + std::string(key) + "\":" + *object + "}";
    document.json = std::move(json);
    document.message = kept();
    out_.push_back(std::move(document));
  }

  void identify(const Translation& translation, std::string_view traits) {
    if (translation.ignored) return;
    DoorDocument document;
    const ObjectParts parts{json_, "/traits", traits, mapping_.unknown_fields};
    const Result<std::string> object = make_object(translation, parts, schema_.attributes());
    if (object && *object == "{}") return;  // says only that there is such a customer
    finish(document, "attributes", object, "");
  }

  void event(const Translation& translation, const std::string& name, std::string_view base, std::string_view object) {
    DoorDocument document;
    const std::uint32_t type = schema_.events().find(name);
    if (type == daemon::NameTable::kMissing) {
      if (mapping_.unknown_events == Unknown::ignore && translation.event.empty()) return;
      return finish(document, "data", std::string("{}"), name);  // intake says what is wrong, with the nearest name
    }
    const daemon::LeafNames& names = schema_.fields(static_cast<EventTypeId>(type));
    finish(document, "data", make_object(translation, {json_, base, object, mapping_.unknown_fields}, names), name);
  }

  void track() {
    const std::string name = text_of(members_, "event");
    if (name.empty()) return refuse("missing_event", "event", "a track message needs `event`: what happened?");
    const std::string_view properties = raw_member(members_, "properties");
    if (const auto found = mapping_.track.find(name); found != mapping_.track.end()) {
      if (!found->second.ignored) event(found->second, found->second.event, "/properties", properties);
      return;
    }
    event({}, known_name(schema_.events(), name).value_or(name), "/properties", properties);
  }

  // page and screen: their own members count as properties where the catalog has fields of that name.
  void named(const Translation& translation, const std::string& usual, std::initializer_list<std::string_view> own) {
    if (translation.ignored) return;
    const std::string name = translation.event.empty() ? usual : translation.event;
    Translation with = translation;
    add_own(with, name, own);
    event(with, name, "/properties", raw_member(members_, "properties"));
  }

  void add_own(Translation& translation, const std::string& event_name, std::initializer_list<std::string_view> own) const {
    const std::uint32_t type = schema_.events().find(event_name);
    if (type == daemon::NameTable::kMissing) return;
    for (const std::string_view key : own) {
      const auto known = known_name(schema_.fields(static_cast<EventTypeId>(type)).table, key);
      if (known && !raw_member(members_, key).empty()) translation.fields.push_back({*known, "/" + std::string(key), Convert::none, 0, {}, {}});
    }
  }

  void group() {
    if (mapping_.group.ignored) return;
    if (text_of(members_, "groupId").empty()) return refuse("missing_group", "groupId", "a group message needs `groupId`");
    const std::string_view traits = raw_member(members_, "traits");
    // A group's own traits are no attributes of the customer: only what the mapping names.
    if (mapping_.group.event.empty() && !mapping_.group.fields.empty()) return identify(mapping_.group, {});
    const std::string name = mapping_.group.event.empty() ? "group" : mapping_.group.event;
    Translation with = mapping_.group;
    with.event = name;
    add_own(with, name, {"groupId"});
    event(with, name, "/traits", traits);
  }

  void alias() {
    const std::string previous = text_of(members_, "previousId");
    if (user_.empty()) return refuse("missing_customer", "userId", "an alias message needs `userId`: whom is it to become?");
    if (previous.empty()) return refuse("missing_previous", "previousId", "an alias message needs `previousId`: who was it before?");
    if (previous != user_) merge(previous, user_, false);
  }

  void merge(const std::string& from, const std::string& into, bool implied) {
    DoorDocument document;
    document.json = "{";
    append_field(document.json, "customer", into);
    append_field(document.json, "merge", from);
    document.json += implied ? ",\"unless_merged\":true}" : "}";
    document.message = kept();
    out_.push_back(std::move(document));
  }

  const SegmentMapping& mapping_;
  const IntakeSchema& schema_;
  const SegmentCall& call_;
  std::string_view json_;
  std::vector<DoorDocument>& out_;
  std::vector<RawMember> members_;
  std::string own_;  // the message with the batch's context
  std::string type_, user_, anonymous_;
};

}  // namespace

std::optional<TimeMs> corrected_time(std::string_view original, std::string_view sent, TimeMs received) {
  const Result<TimeMs> happened = read_timestamp(original);
  if (!happened) return std::nullopt;
  const Result<TimeMs> left = read_timestamp(sent);
  const TimeMs time = left ? received - (*left - *happened) : *happened;
  if (time < kTimeMin) return std::nullopt;
  return std::min(time, received);
}

void open_segment(const SegmentMapping& mapping, const IntakeSchema& schema, const SegmentCall& call, std::string_view message,
                  std::vector<DoorDocument>& out) {
  Message(mapping, schema, call, message, out).open();
}

Result<std::vector<DoorDocument>> reopen_segment(const SegmentMapping& mapping, const IntakeSchema& schema, std::string_view kept,
                                                 TimeMs received) {
  NUDGE_ASSIGN(const std::vector<RawMember> members, raw_object(kept));
  const std::string type = text_of(members, "type"), sent = text_of(members, "sentAt");
  const SegmentCall call{type, sent, {}, received};
  std::vector<DoorDocument> out;
  open_segment(mapping, schema, call, raw_member(members, "message"), out);
  return out;
}

}  // namespace nudge::doors

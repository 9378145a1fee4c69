#include "engine/core/render.h"

#include <algorithm>

#include "engine/base/limits.h"
#include "engine/base/locale.h"
#include "engine/base/text.h"
#include "engine/core/evaluate.h"
#include "engine/core/render_filter.h"

namespace nudge {

namespace {

using PartKind = TemplatePart::Kind;

constexpr std::size_t kRounds = 2000;  // of all loops of one text together

// Where a loop is.
struct LoopState {
  const Rows* rows = nullptr;
  std::vector<std::size_t> picked;           // rows
  std::vector<std::string_view> items;       // … or items of a list
  std::size_t at = 0;
  std::size_t size() const { return rows != nullptr ? picked.size() : items.size(); }
};

class Renderer {
 public:
  Renderer(const RenderContext& context, Escape how, const Template& t, std::vector<LateText>* late)
      : context_(context), how_(how), late_(late), filters_{&context.evaluator, t.language}, slots_(t.slots), loops_(t.slots) {}

  Result<void> parts(const std::vector<TemplatePart>& parts);
  std::string take() { return std::move(out_); }

 private:
  Result<void> branch(const TemplateBlock& block);
  Result<void> loop(const TemplatePart& part);
  void collect_rows(const TemplateBlock& block, LoopState& state) const;
  bool holds(const TemplateTest& test);
  bool compare(const TemplateTest& test);
  Shown shown(const TemplatePart& part);
  Value resolve(const TemplatePart& part);
  Value rule_field(std::string_view name) const;
  Value tags() const;
  Value band(const TemplatePart& part);
  Value forloop(const TemplatePart& part) const;

  const RenderContext& context_;
  Escape how_;
  std::vector<LateText>* late_;
  FilterContext filters_;
  std::vector<Shown> slots_;
  std::vector<LoopState> loops_;
  std::string out_;
  std::size_t rounds_ = 0;
};

Result<void> Renderer::parts(const std::vector<TemplatePart>& parts) {
  for (const TemplatePart& part : parts) {
    switch (part.kind) {
      case PartKind::text: out_ += part.text; break;
      case PartKind::branch: NUDGE_TRY(branch(*part.block)); break;
      case PartKind::loop: NUDGE_TRY(loop(part)); break;
      case PartKind::assign: {
        Shown value = shown(part.block->list[0]);
        slots_[part.slot] = std::move(value);
        break;
      }
      case PartKind::assignee_field:
        if (late_ != nullptr) late_->push_back({out_.size(), part.text, part.filters, std::string(filters_.language), how_});
        break;
      default: {
        const Shown value = shown(part);
        if (!value.missing()) append_escaped(out_, value.as_text(), how_);
      }
    }
    if (out_.size() > limits::kRenderedBytes) {
      return fail(Code::too_large, "the rendered text is longer than " + std::to_string(limits::kRenderedBytes) +
                                       " bytes; shorten the template or truncate the values it shows");
    }
  }
  return {};
}

Result<void> Renderer::branch(const TemplateBlock& block) {
  for (const TemplateBlock::Branch& branch : block.branches) {
    if (branch.otherwise || holds(branch.test) != branch.negated) return parts(branch.parts);
  }
  return {};
}

// The newest rows at or before now, at most as many as are shown.
void Renderer::collect_rows(const TemplateBlock& block, LoopState& state) const {
  state.rows = context_.state.rows(block.event);
  if (state.rows == nullptr) return;
  std::uint32_t skip = block.offset;
  const EventTypeDef& type = context_.plan.catalog->events[block.event];
  std::string key;
  for (std::size_t row = state.rows->upper_bound(context_.now); row > 0 && state.picked.size() < block.limit;) {
    --row;
    if (block.same != kNoField && !context_.cause.key.empty()) {
      key.clear();
      Writer out(key);
      encode_value(out, state.rows->field(row, block.same, block.same == kTimeField ? Kind::timestamp : kind_of(type.fields[block.same].type)));
      if (key != context_.cause.key) continue;
    }
    if (skip > 0) {
      --skip;
      continue;
    }
    state.picked.push_back(row);
  }
}

Result<void> Renderer::loop(const TemplatePart& part) {
  const TemplateBlock& block = *part.block;
  LoopState state;
  Value list;
  if (block.event != kNoEventType) {
    collect_rows(block, state);
  } else {
    list = shown(block.list[0]).value;
    if (list.kind == Kind::list) state.items = unpack_list(list.bytes);
    state.items.erase(state.items.begin(), state.items.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(block.offset, state.items.size())));
    if (state.items.size() > block.limit) state.items.resize(block.limit);
  }
  if (block.reversed) {
    std::ranges::reverse(state.picked);
    std::ranges::reverse(state.items);
  }
  if (state.size() == 0) return parts(block.otherwise);
  const std::size_t count = state.size();
  loops_[part.slot] = std::move(state);
  for (std::size_t i = 0; i < count; ++i) {
    if (++rounds_ > kRounds) {
      return fail(Code::too_large, "the loops of this text go round more than " + std::to_string(kRounds) + " times; give them a lower `limit`");
    }
    LoopState& now = loops_[part.slot];
    now.at = i;
    if (now.rows == nullptr) slots_[part.slot] = {Value::of_text(now.items[i]), {}, false};
    NUDGE_TRY(parts(block.parts));
  }
  return {};
}

bool Renderer::holds(const TemplateTest& test) {
  switch (test.kind) {
    case TemplateTest::Kind::all: return std::ranges::all_of(test.children, [&](const TemplateTest& t) { return holds(t); });
    case TemplateTest::Kind::any: return std::ranges::any_of(test.children, [&](const TemplateTest& t) { return holds(t); });
    case TemplateTest::Kind::compare: return compare(test);
    case TemplateTest::Kind::holds: break;
  }
  const Shown left = shown(test.left);
  return !left.missing() && (left.is_text || left.value.kind != Kind::boolean || left.value.bits != 0);
}

bool is_empty(const Shown& s, bool blank) {
  if (!s.is_text && s.value.missing()) return blank;
  if (!s.is_text && s.value.kind == Kind::boolean) return blank && s.value.bits == 0;
  if (!s.is_text && s.value.kind != Kind::text && s.value.kind != Kind::list) return false;
  const std::string_view text = s.is_text ? std::string_view(s.text) : std::string_view(s.value.bytes);
  const bool list = !s.is_text && s.value.kind == Kind::list;
  return text.empty() || (blank && !list && text.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos);
}

bool Renderer::compare(const TemplateTest& test) {
  const Shown left = shown(test.left);
  const bool wanted = test.op != Op::not_equals;
  if (test.against != TemplateTest::Right::value) return is_empty(left, test.against == TemplateTest::Right::blank) == wanted;
  const Shown right = shown(test.right);
  const Value a = left.is_text ? Value::of_text(left.text) : left.value;
  const Value b = right.is_text ? Value::of_text(right.text) : right.value;
  if (test.op == Op::equals || test.op == Op::not_equals) return same_value(a.view(), b.view()) == wanted;
  if (a.missing() || b.missing()) return false;
  if (test.op == Op::contains)
    return a.kind == Kind::list ? list_has(a.bytes, b.bytes) : a.kind == Kind::text && a.bytes.find(b.bytes) != std::string::npos;
  const bool numbers = is_numeric(a.kind) && is_numeric(b.kind);
  if (!numbers && a.kind != b.kind) return false;
  const int order = numbers ? compare_numeric(a.view(), b.view()) : a.bits < b.bits ? -1 : a.bits > b.bits ? 1 : 0;
  switch (test.op) {
    case Op::less_than: return order < 0;
    case Op::at_most: return order <= 0;
    case Op::greater_than: return order > 0;
    default: return order >= 0;
  }
}

Shown Renderer::shown(const TemplatePart& part) {
  Shown piece = part.kind == PartKind::variable ? slots_[part.slot] : Shown{resolve(part), {}, false};
  for (const Filter& filter : part.filters) {
    if (filter.operand == nullptr) {
      apply_filter(filters_, filter, nullptr, piece);
    } else {
      const Shown operand = shown(*filter.operand);
      apply_filter(filters_, filter, &operand, piece);
    }
  }
  return piece;
}

Value Renderer::resolve(const TemplatePart& part) {
  const bool has_row = context_.cause.type != kNoEventType;
  switch (part.kind) {
    case PartKind::value: return context_.evaluator.plain(context_.evaluator.value(part.expr));
    case PartKind::customer_id: return Value::of_text(context_.state.id);
    case PartKind::event_time: return Value::of_timestamp(has_row ? context_.cause.row_time : context_.cause.at);
    case PartKind::event_id: return has_row ? Value::of_text(context_.cause.row_id) : Value();
    case PartKind::rule_name: return Value::of_text(context_.rule.name);
    case PartKind::now: return Value::of_timestamp(context_.now);
    case PartKind::literal: return part.literal;
    case PartKind::rule_field: return rule_field(part.text);
    case PartKind::goal_field: {
      const Goal& goal = context_.rule.goal;
      if (goal.event == kNoEventType) return {};
      if (part.text == "event") return Value::of_text(context_.plan.catalog->events[goal.event].name);
      return Value::of_integer(goal.within / kDay);
    }
    case PartKind::owner_field: {
      TimeMs until = kNever;
      const ValueView id = context_.state.attributes.at(static_cast<AttributeId>(part.ref), context_.now, until);
      const Member* member = id.kind == Kind::text ? find_member(context_.plan, id.bytes) : nullptr;
      return member == nullptr ? Value() : member_property(*member, part.text, context_.now);
    }
    case PartKind::segment: return Value::of_boolean(context_.evaluator.truth(part.node).truth);
    case PartKind::tags: return tags();
    case PartKind::band: return band(part);
    case PartKind::forloop: return forloop(part);
    case PartKind::row_field:
    case PartKind::row_id: {
      const LoopState& loop = loops_[part.slot];
      if (loop.rows == nullptr || loop.at >= loop.picked.size()) return {};
      const std::size_t row = loop.picked[loop.at];
      if (part.kind == PartKind::row_id) return Value::of_text(loop.rows->id(row));
      const auto field = static_cast<FieldId>(part.ref);
      if (field == kTimeField) return Value::of_timestamp(loop.rows->time(row));
      return Value(loop.rows->field(row, field, kind_of(context_.plan.catalog->events[part.event].fields[field].type)));
    }
    default: return {};
  }
}

Value Renderer::rule_field(std::string_view name) const {
  const Rule& rule = context_.rule;
  if (name == "name") return Value::of_text(rule.name);
  if (name == "description") return rule.description.empty() ? Value() : Value::of_text(rule.description);
  if (name == "version") return Value::of_integer(static_cast<std::int64_t>(rule.version));
  if (name == "priority") return Value::of_integer(rule.priority);
  if (name == "category") return Value::of_text(category_name(rule.category));
  return Value::of_text(purpose_name(rule.purpose));
}

Value Renderer::tags() const {
  std::vector<std::string> carried;
  // In order of (tag, time, id): the last update of a tag up to now says whether it is carried.
  for (const TagUpdate& update : context_.state.tags) {
    if (update.time > context_.now) continue;
    if (!carried.empty() && carried.back() == update.tag) carried.pop_back();
    if (!update.removed && context_.now < update.expires) carried.push_back(update.tag);
  }
  return Value::of_list(carried);
}

Value Renderer::band(const TemplatePart& part) {
  const Value points = context_.evaluator.plain(context_.evaluator.value(part.expr));
  std::string_view found;
  for (const Score::Band& b : context_.plan.scores[part.ref].bands) {
    if (!points.missing() && compare_numeric(points.view(), ValueView::of_decimal(b.from)) >= 0) found = b.name;
  }
  return found.empty() ? Value() : Value::of_text(found);
}

Value Renderer::forloop(const TemplatePart& part) const {
  using Counter = TemplateBlock::Counter;
  const LoopState& loop = loops_[part.slot];
  const auto at = static_cast<std::int64_t>(loop.at);
  const auto size = static_cast<std::int64_t>(loop.size());
  switch (static_cast<Counter>(part.ref)) {
    case Counter::index: return Value::of_integer(at + 1);
    case Counter::index0: return Value::of_integer(at);
    case Counter::rindex: return Value::of_integer(size - at);
    case Counter::rindex0: return Value::of_integer(size - at - 1);
    case Counter::first: return Value::of_boolean(at == 0);
    case Counter::last: return Value::of_boolean(at + 1 == size);
    case Counter::length: break;
  }
  return Value::of_integer(size);
}

// The text in the customer's language: the tag itself, then shorter ones (zh-hant-tw, zh-hant, zh), else as the template was written.
const Template& in_language(const RenderContext& context, const Template& t) {
  if (t.translations.empty()) return t;
  TimeMs until = kNever;
  const ValueView wanted = context.state.attributes.at(t.language_attribute, context.now, until);
  if (wanted.kind != Kind::text || !is_language_tag(wanted.bytes)) return t;
  for (std::string tag = normal_language(wanted.bytes); !tag.empty();) {
    if (tag == t.language) return t;
    for (const Template::Translation& translation : t.translations) {
      if (translation.language == tag) return context.plan.templates[translation.text];
    }
    const std::size_t cut = tag.rfind('-');
    tag.resize(cut == std::string::npos ? 0 : cut);
  }
  return t;
}

// Which escapes a parameter's values need.
Escape escape_of(const Action& action, std::string_view param, Escape how) {
  // Headers of a message must not be split by a value; HTML bodies must not be opened by one.
  if (param == "html") return Escape::html;
  if (param == "subject" || param == "to" || param == "from" || param == "reply_to") return Escape::header;
  if (param == "text" && action.channel == "sms") return Escape::sms;
  return how;
}

// Parameters as JSON, with the places that are left open.
class ParamWriter {
 public:
  ParamWriter(const RenderContext& context, const Action& action) : context_(context), action_(action) {}

  Result<void> append(const Param& param, Escape how, bool top);
  RenderedParams take() { return {std::move(out_), std::move(late_)}; }

 private:
  Result<void> append_text(const Param& param, Escape how) {
    std::vector<LateText> late;
    NUDGE_ASSIGN(const std::string text, render(context_, param.text, how, &late));
    out_.push_back('"');
    std::size_t from = 0;
    for (LateText& one : late) {
      append_json_escaped(out_, std::string_view(text).substr(from, one.at - from));
      from = one.at;
      one.at = out_.size();
      late_.push_back(std::move(one));
    }
    append_json_escaped(out_, std::string_view(text).substr(from));
    out_.push_back('"');
    return {};
  }

  const RenderContext& context_;
  const Action& action_;
  std::string out_;
  std::vector<LateText> late_;
};

Result<void> ParamWriter::append(const Param& param, Escape how, bool top) {
  switch (param.kind) {
    case Param::Kind::text: return append_text(param, escape_of(action_, param.name, how));
    case Param::Kind::value: append_json(out_, param.value.view()); break;
    case Param::Kind::duration: out_ += std::to_string(param.duration); break;
    case Param::Kind::expr: append_json(out_, context_.evaluator.plain(context_.evaluator.value(param.expr)).view()); break;
    case Param::Kind::map:
    case Param::Kind::list: {
      const bool map = param.kind == Param::Kind::map;
      out_.push_back(map ? '{' : '[');
      bool first = true;
      for (const Param& item : top ? action_.params : param.items) {
        if (!first) out_.push_back(',');
        first = false;
        if (map) {
          append_json_string(out_, item.name);
          out_.push_back(':');
        }
        NUDGE_TRY(append(item, how, false));
      }
      out_.push_back(map ? '}' : ']');
      break;
    }
  }
  return {};
}

}  // namespace

Result<std::string> render(const RenderContext& context, TemplateId id, Escape how, std::vector<LateText>* late) {
  const Template& t = in_language(context, context.plan.templates[id]);
  Renderer renderer(context, how, t, late);
  NUDGE_TRY(renderer.parts(t.parts));
  return renderer.take();
}

Result<RenderedParams> render_params(const RenderContext& context, const Action& action) {
  Param all;
  all.kind = Param::Kind::map;
  ParamWriter writer(context, action);
  NUDGE_TRY(writer.append(all, Escape::none, true));
  return writer.take();
}

}  // namespace nudge

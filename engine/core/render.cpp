#include "engine/core/render.h"

#include <algorithm>

#include "engine/base/limits.h"
#include "engine/base/text.h"
#include "engine/core/evaluate.h"

namespace nudge {

namespace {

std::string escape(std::string text, Escape how) {
  if (how == Escape::none) return text;
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (how == Escape::header) {
      out.push_back(c == '\r' || c == '\n' || c == '\0' ? ' ' : c);
      continue;
    }
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out.push_back(c);
    }
  }
  return out;
}

// Digits with a comma between thousands: "1234567.5" -> "1,234,567.5".
std::string group_thousands(std::string text) {
  const std::size_t start = text.starts_with('-') ? 1 : 0;
  const std::size_t point = std::min(text.find('.'), text.size());
  for (std::size_t i = point; i > start + 3; i -= 3) text.insert(i - 3, ",");
  return text;
}

// The number with exactly `places` digits after the point, halves away from zero.
std::string fixed_places(const ValueView& v, int places) {
  Int128 units = 0;
  if (v.kind == Kind::integer)
    units = Int128{v.i} * Decimal::kScale;
  else if (v.kind == Kind::decimal)
    units = v.i;
  else
    units = static_cast<Int128>(std::clamp(v.d, -1e15, 1e15) * static_cast<double>(Decimal::kScale) + (v.d < 0 ? -0.5 : 0.5));
  places = std::clamp(places, 0, 6);
  Int128 step = 1;
  for (int i = places; i < 6; ++i) step *= 10;
  const bool negative = units < 0;
  Int128 rounded = ((negative ? -units : units) + step / 2) / step * step;
  std::string whole = format_units(rounded / Decimal::kScale * Decimal::kScale);
  std::string fraction;
  Int128 rest = rounded % Decimal::kScale;
  for (int i = 0; i < places; ++i) {
    rest *= 10;
    fraction.push_back(static_cast<char>('0' + static_cast<int>(rest / Decimal::kScale)));
    rest %= Decimal::kScale;
  }
  std::string text = (negative && rounded != 0 ? "-" : "") + whole;
  if (places > 0) text += "." + fraction;
  return text;
}

// A date or time in a strftime-like pattern of %Y %m %d %H %M %S %%; other letters stand for themselves.
std::string format_wall(std::string_view pattern, const Ymd& ymd, DurationMs of_day) {
  const auto pad = [](std::int64_t n, std::size_t width) {
    std::string s = std::to_string(n);
    return s.size() < width ? std::string(width - s.size(), '0') + s : s;
  };
  std::string out;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%' || i + 1 == pattern.size()) {
      out.push_back(pattern[i]);
      continue;
    }
    switch (pattern[++i]) {
      case 'Y': out += pad(ymd.year, 4); break;
      case 'm': out += pad(ymd.month, 2); break;
      case 'd': out += pad(ymd.day, 2); break;
      case 'H': out += pad(of_day / kHour, 2); break;
      case 'M': out += pad(of_day / kMinute % 60, 2); break;
      case 'S': out += pad(of_day / kSecond % 60, 2); break;
      case '%': out.push_back('%'); break;
      default: out.push_back('%'); out.push_back(pattern[i]);
    }
  }
  return out;
}

std::string format_time(const RenderContext& context, const ValueView& v, std::string_view pattern) {
  if (v.kind == Kind::date) return format_wall(pattern, ymd_of(static_cast<DateDays>(v.i)), 0);
  if (v.kind != Kind::timestamp) return to_text(v);
  const LocalTime wall = context.evaluator.zone().local(v.i);
  return format_wall(pattern, ymd_of(wall.date), wall.of_day);
}

std::string ascii_case(std::string text, bool up) {
  for (char& c : text) {
    if (up && c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    if (!up && c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

int number_arg(const Filter& filter, std::size_t i, int fallback) {
  if (i >= filter.args.size()) return fallback;
  int n = 0;
  for (const char c : filter.args[i]) {
    if (c < '0' || c > '9' || n > 100000) return fallback;
    n = n * 10 + (c - '0');
  }
  return n;
}

struct Piece {
  Value value;       // while it is a value
  std::string text;  // once a filter made it text
  bool is_text = false;
  bool missing() const { return is_text ? false : value.missing(); }
  std::string as_text() const { return is_text ? text : to_text(value.view()); }
};

void apply(const RenderContext& context, const Filter& filter, Piece& piece) {
  using Fn = Filter::Fn;
  const auto arg = [&](std::size_t i, std::string_view fallback) {
    return i < filter.args.size() ? filter.args[i] : std::string(fallback);
  };
  const auto become = [&](std::string text) {
    piece.text = std::move(text);
    piece.is_text = true;
  };
  if (filter.fn == Fn::default_) {
    const bool empty = piece.missing() || (!piece.is_text && piece.value.kind == Kind::text && piece.value.bytes.empty());
    if (empty) become(arg(0, ""));
    return;
  }
  if (piece.missing()) return;
  const ValueView view = piece.value.view();
  const bool numeric = !piece.is_text && is_numeric(view.kind);
  switch (filter.fn) {
    case Fn::date: become(piece.is_text ? piece.text : format_time(context, view, arg(0, "%Y-%m-%d"))); break;
    case Fn::time: become(piece.is_text ? piece.text : format_time(context, view, arg(0, "%H:%M"))); break;
    case Fn::number:
      if (numeric) become(group_thousands(filter.args.empty() ? to_text(view) : fixed_places(view, number_arg(filter, 0, 0))));
      break;
    case Fn::money:
      if (numeric) become((filter.args.empty() ? std::string() : filter.args[0] + " ") + group_thousands(fixed_places(view, 2)));
      break;
    case Fn::truncate: {
      const std::string text = piece.as_text();
      const auto n = static_cast<std::size_t>(number_arg(filter, 0, 50));
      become(length_utf8(text) <= n ? text : std::string(prefix_utf8(text, n > 0 ? n - 1 : 0)) + "…");
      break;
    }
    case Fn::upcase: become(ascii_case(piece.as_text(), true)); break;
    case Fn::downcase: become(ascii_case(piece.as_text(), false)); break;
    case Fn::capitalize: {
      std::string text = piece.as_text();
      if (!text.empty()) text = ascii_case(text.substr(0, 1), true) + text.substr(1);
      become(std::move(text));
      break;
    }
    case Fn::mask: {
      const std::string text = piece.as_text();
      const std::size_t n = length_utf8(text);
      const std::size_t keep = std::min<std::size_t>(static_cast<std::size_t>(number_arg(filter, 0, 4)), n);
      become(std::string(n - keep, '*') + text.substr(prefix_utf8(text, n - keep).size()));
      break;
    }
    case Fn::join: {
      if (view.kind != Kind::list) break;
      std::string text;
      for (const std::string_view item : unpack_list(view.bytes)) {
        if (!text.empty()) text += arg(0, ", ");
        text += item;
      }
      become(std::move(text));
      break;
    }
    case Fn::default_: break;
  }
}

Piece resolve(const RenderContext& context, const TemplatePart& part) {
  using Kind_ = TemplatePart::Kind;
  Piece piece;
  const bool has_row = context.cause.type != kNoEventType;
  switch (part.kind) {
    case Kind_::text:
      piece.text = part.text;
      piece.is_text = true;
      break;
    case Kind_::value: piece.value = context.evaluator.plain(context.evaluator.value(part.expr)); break;
    case Kind_::customer_id: piece.value = Value::of_text(context.state.id); break;
    case Kind_::event_time: piece.value = Value::of_timestamp(has_row ? context.cause.row_time : context.cause.at); break;
    case Kind_::event_id:
      if (has_row) piece.value = Value::of_text(context.cause.row_id);
      break;
    case Kind_::rule_name: piece.value = Value::of_text(context.rule.name); break;
    case Kind_::now: piece.value = Value::of_timestamp(context.now); break;
  }
  return piece;
}

Result<void> append_param(const RenderContext& context, const Param& param, Escape how, std::string& out) {
  switch (param.kind) {
    case Param::Kind::text: {
      // Headers of a message must not be split by a value; HTML bodies must not be opened by one.
      Escape inner = how;
      if (param.name == "html")
        inner = Escape::html;
      else if (param.name == "subject" || param.name == "to" || param.name == "from")
        inner = Escape::header;
      NUDGE_ASSIGN(const std::string text, render(context, param.text, inner));
      append_json_string(out, text);
      break;
    }
    case Param::Kind::value: append_json(out, param.value.view()); break;
    case Param::Kind::duration: out += std::to_string(param.duration); break;
    case Param::Kind::expr: append_json(out, context.evaluator.plain(context.evaluator.value(param.expr)).view()); break;
    case Param::Kind::map:
    case Param::Kind::list: {
      const bool map = param.kind == Param::Kind::map;
      out.push_back(map ? '{' : '[');
      bool first = true;
      for (const Param& item : param.items) {
        if (!first) out.push_back(',');
        first = false;
        if (map) {
          append_json_string(out, item.name);
          out.push_back(':');
        }
        NUDGE_TRY(append_param(context, item, how, out));
      }
      out.push_back(map ? '}' : ']');
      break;
    }
  }
  return {};
}

}  // namespace

Result<std::string> render(const RenderContext& context, TemplateId id, Escape how) {
  std::string out;
  for (const TemplatePart& part : context.plan.templates[id].parts) {
    if (part.kind == TemplatePart::Kind::text) {
      out += part.text;
    } else {
      Piece piece = resolve(context, part);
      for (const Filter& filter : part.filters) apply(context, filter, piece);
      if (!piece.missing()) out += escape(piece.as_text(), how);
    }
    if (out.size() > limits::kRenderedBytes) {
      return fail(Code::too_large, "the rendered text is longer than " + std::to_string(limits::kRenderedBytes) +
                                       " bytes; shorten the template or truncate the values it shows");
    }
  }
  return out;
}

Result<std::string> render_params(const RenderContext& context, const Action& action) {
  Param all;
  all.kind = Param::Kind::map;
  all.items = action.params;
  std::string out;
  NUDGE_TRY(append_param(context, all, Escape::none, out));
  return out;
}

}  // namespace nudge

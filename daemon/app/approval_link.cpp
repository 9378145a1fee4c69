// The page behind the signed link of a message that asks for a yes, in English or Chinese. A GET of it decides nothing: scanners follow links.
#include <algorithm>

#include "daemon/app/api.h"
#include "daemon/app/reads.h"
#include "daemon/http/uri.h"
#include "daemon/runtime/approvals.h"
#include "daemon/runtime/tasks.h"
#include "daemon/store/keys.h"
#include "engine/core/render_filter.h"

namespace nudge::daemon {
namespace {

constexpr std::size_t kReasonBytes = 16U << 10U;

struct Words {
  std::string_view lang;
  std::string_view bad_link, bad_link_help, answered, too_late, later, not_asked, stored;
  std::string_view which, which_help, why_not, why_not_help;
  std::string_view customer, rule, kind, until, otherwise_send, otherwise_drop, reason, approve, reject, approved, rejected;
};

constexpr Words kEnglish{
    .lang = "en",
    .bad_link = "This link is not valid",
    .bad_link_help = "It was cut off, or is too old. Please look for the question in the console, or ask for a newer message.",
    .answered = "This was answered already",
    .too_late = "The time to answer is over",
    .later = "Please try again later",
    .not_asked = "You are not asked any more",
    .stored = "Your answer is stored",
    .which = "Approve or reject?",
    .which_help = "Please go back and press one of the two.",
    .why_not = "Please say why not",
    .why_not_help = "Go back and write a reason, in less than 16 KiB.",
    .customer = "Customer",
    .rule = "Rule",
    .kind = "What goes out",
    .until = "Answer until",
    .otherwise_send = "without an answer it is sent",
    .otherwise_drop = "without an answer it is dropped",
    .reason = "Reason",
    .approve = "Approve",
    .reject = "Reject",
    .approved = "Approved",
    .rejected = "Rejected",
};

constexpr Words kChinese{
    .lang = "zh-CN",
    .bad_link = "链接无效",
    .bad_link_help = "链接不完整或已过期。请在控制台中查找该审批，或索取新的消息。",
    .answered = "此审批已有结果",
    .too_late = "已过答复期限",
    .later = "请稍后再试",
    .not_asked = "此审批已不再由您决定",
    .stored = "您的答复已保存",
    .which = "批准还是拒绝？",
    .which_help = "请返回上一页，选择其中之一。",
    .why_not = "请说明拒绝的理由",
    .why_not_help = "请返回上一页填写理由，不超过 16 KiB。",
    .customer = "客户",
    .rule = "规则",
    .kind = "将要发出",
    .until = "答复期限",
    .otherwise_send = "到期未答复则照常发送",
    .otherwise_drop = "到期未答复则不发送",
    .reason = "理由",
    .approve = "批准",
    .reject = "拒绝",
    .approved = "已批准",
    .rejected = "已拒绝",
};

// The member's property `language` says it; else what the browser asks for first.
const Words& words_for(const http::Request& request, const Plan& plan, const std::string& person) {
  const Member* member = find_member(plan, person);
  if (member != nullptr) {
    for (const auto& [name, value] : member->properties) {
      if (name == "language" && value.kind == Kind::text) return std::string_view(value.bytes).starts_with("zh") ? kChinese : kEnglish;
    }
  }
  std::string_view wanted = request.header("accept-language");
  const std::size_t zh = wanted.find("zh"), en = wanted.find("en");
  return zh != wanted.npos && zh < en ? kChinese : kEnglish;
}

std::string html(std::string_view text) {
  std::string out;
  append_escaped(out, text, Escape::html);
  return out;
}

http::Response page(const Words& words, int status, std::string_view title, std::string_view body) {
  http::Response response;
  response.status = status;
  response.content_type = "text/html; charset=utf-8";
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  response.headers.emplace_back("Cache-Control", "no-store");
  response.headers.emplace_back("Vary", "Accept-Language");
  response.body = "<!doctype html><html lang=\"" + std::string(words.lang) +
                  "\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>" + html(title) + "</title><body><h1>" + html(title) + "</h1>" +
                  std::string(body) + "</body></html>\n";
  return response;
}

std::string paragraph(std::string_view text) { return "<p>" + html(text) + "</p>"; }

http::Response not_ours(const Words& words) { return page(words, 404, words.bad_link, paragraph(words.bad_link_help)); }

// What became of it, in the reader's language.
std::string outcome(const Words& words, const Request& r) {
  if (&words == &kEnglish) return decision_words(r);
  const std::string why = r.reason.empty() ? "" : "：" + r.reason;
  switch (r.state) {
    case ApprovalState::given: return r.decided_by + " 已批准" + why;
    case ApprovalState::refused: return r.decided_by + " 已拒绝" + why;
    case ApprovalState::expired: return "到 " + format_timestamp(r.deadline) + " 无人答复，" + (r.otherwise_send ? "已照常发送" : "不予发送");
    case ApprovalState::open: break;
  }
  return "等待答复";
}

http::Response answered(const Words& words, const Request& r) {
  return page(words, 409, words.answered, paragraph(r.subject + (&words == &kEnglish ? ": " + outcome(words, r) + "." : "：" + outcome(words, r) + "。")));
}

// What a link can't do any more; nothing while it can.
std::optional<http::Response> too_late(const Words& words, const Request& r, const Asking& asking, TimeMs now) {
  if (r.state != ApprovalState::open) return answered(words, r);
  if (now > asking.deadline) return page(words, 410, words.too_late, paragraph(r.subject));
  return std::nullopt;
}

std::string form_member(std::string_view body, std::string_view name) {
  std::vector<std::pair<std::string, std::string>> members;
  if (!http::parse_query(body, members)) return {};
  const auto found = std::ranges::find(members, name, &std::pair<std::string, std::string>::first);
  return found == members.end() ? std::string() : found->second;
}

}  // namespace

http::Response Api::approval_page(const http::Request& request) {
  const std::shared_ptr<const Plan> plan = runtime_.plan();
  const std::optional<Asking> asking = runtime_.options().delivery.approvals.read(request.param("token"));
  const Words& words = words_for(request, *plan, asking ? asking->person : std::string());
  if (!asking) return not_ours(words);
  const Result<Request> found = approval_by_id(runtime_.store(), id_bytes(asking->id));
  if (!found) return not_ours(words);
  if (auto late = too_late(words, *found, *asking, runtime_.now())) return *std::move(late);
  const auto row = [](std::string_view name, std::string_view value) { return "<dt>" + html(name) + "</dt><dd>" + html(value) + "</dd>"; };
  const auto form = [&](std::string_view answer, std::string_view label, bool must) {
    return "<form method=\"post\"><p><label>" + html(words.reason) + " <input name=\"reason\" maxlength=\"1000\"" + (must ? " required" : "") + "></label></p><button name=\"answer\" value=\"" +
           std::string(answer) + "\">" + html(label) + "</button></form>";
  };
  return page(words, 200, found->subject,
              paragraph(found->action.reason) + "<dl>" + row(words.kind, found->action.kind) + row(words.rule, found->action.rule) + row(words.customer, found->action.customer) +
                  row(words.until, format_timestamp(asking->deadline)) + "</dl>" + paragraph(found->otherwise_send ? words.otherwise_send : words.otherwise_drop) +
                  form("approve", words.approve, false) + form("reject", words.reject, true));
}

void Api::approval_by_link(http::Request& request, http::Responder responder) {
  const std::optional<Asking> asking = runtime_.options().delivery.approvals.read(request.param("token"));
  const Words& words = words_for(request, *runtime_.plan(), asking ? asking->person : std::string());
  if (!asking) return responder.send(not_ours(words));
  const std::string answer = form_member(request.body, "answer"), reason = form_member(request.body, "reason");
  if (answer != "approve" && answer != "reject") return responder.send(page(words, 400, words.which, paragraph(words.which_help)));
  if ((answer == "reject" && reason.empty()) || reason.size() > kReasonBytes)
    return responder.send(page(words, 400, words.why_not, paragraph(words.why_not_help)));
  ApprovalCommand command{asking->id, answer == "approve", asking->person, reason, false};
  request.actor = "link:" + asking->person;
  audited_change("approval." + answer, [this, command, asking = *asking, &words](http::Request&, http::Responder inner) {
    auto to = std::make_shared<http::Responder>(std::move(inner));
    const auto work = [this, to, command, asking, &words] {
      const Result<Request> found = approval_by_id(runtime_.store(), id_bytes(command.id));
      if (!found) return to->send(not_ours(words));
      if (auto late = too_late(words, *found, asking, runtime_.now())) return to->send(*std::move(late));
      runtime_.tasks().answer(command, [this, to, command, &words](Result<void> result) {
        auto told = [this, to, command, &words, result = std::move(result)] {
          const Result<Request> now = approval_by_id(runtime_.store(), id_bytes(command.id));
          http::Response response;
          if (!result && result.error().code == Code::denied)
            response = page(words, 403, words.not_asked, &words == &kEnglish ? paragraph(result.error().message + ".") : std::string());
          else if (!now || now->state == ApprovalState::open)
            response = page(words, 500, words.later, "");
          else if (!result)
            response = answered(words, *now);
          else
            response = page(words, 200, command.yes ? words.approved : words.rejected, paragraph(now->subject));
          response.note = to_hex(command.id);
          to->send(std::move(response));
        };
        auto shared = std::make_shared<decltype(told)>(std::move(told));
        if (!workers_.post([shared] { (*shared)(); })) to->send(page(words, 200, words.stored, ""));
      });
    };
    if (!workers_.post(work)) to->send(page(words, 503, words.later, ""));
  })(request, std::move(responder));
}

}  // namespace nudge::daemon

// History under a rule set, without a daemon: what would be in each segment, what would have fired.
#include <algorithm>
#include <fstream>
#include <set>
#include <tuple>

#include "daemon/cli/commands.h"
#include "daemon/cli/words.h"
#include "daemon/import/feed.h"
#include "engine/base/text.h"
#include "engine/simulate/world.h"

namespace nudge::cli {
namespace {

constexpr std::size_t kProblemsShown = 10;

/// Writes NDJSON to a file; "-" is standard output.
class Lines {
 public:
  static Result<std::unique_ptr<Lines>> open(const std::string& path) {
    auto lines = std::unique_ptr<Lines>(new Lines);
    if (path != "-") {
      lines->file_.open(path, std::ios::binary | std::ios::trunc);
      if (!lines->file_) return fail(Code::io, say("cannot write {1}: check the directory and its permissions", {path}));
    }
    return lines;
  }
  Lines& begin() {
    line_ = "{";
    return *this;
  }
  Lines& text(std::string_view key, std::string_view value) {
    name(key);
    append_json_string(line_, value);
    return *this;
  }
  Lines& json(std::string_view key, std::string_view value) {
    name(key);
    line_ += value;
    return *this;
  }
  void end() {
    line_ += "}\n";
    if (file_.is_open()) {
      file_ << line_;
    } else {
      std::fwrite(line_.data(), 1, line_.size(), stdout);
    }
  }

 private:
  void name(std::string_view key) {
    if (line_.size() > 1) line_ += ',';
    append_json_string(line_, key);
    line_ += ':';
  }
  std::ofstream file_;
  std::string line_;
};

Result<std::vector<TimeMs>> instants(const std::vector<std::string>& texts) {
  std::vector<TimeMs> out;
  for (const std::string& text : texts) {
    NUDGE_ASSIGN(const TimeMs at, read_instant(text));
    out.push_back(at);
  }
  return out;
}

Result<void> write_decisions(const World& world, const std::string& path) {
  NUDGE_ASSIGN(const auto lines, Lines::open(path));
  for (const Decision& d : world.record().decisions) {
    lines->begin()
        .text("rule", d.rule)
        .text("customer", d.customer)
        .text("at", format_timestamp(d.at))
        .json("fired", d.fired ? "true" : "false");
    if (!d.fired) lines->text("held", held_text(d.held));
    if (d.cause.kind == Cause::Kind::event) lines->text("event", d.cause.row_id).text("event_time", format_timestamp(d.cause.row_time));
    if (!d.detail.empty()) lines->text("detail", d.detail);
    lines->end();
  }
  return {};
}

// Whose each task would be: nobody does them, so each stays with whom it goes to until the rules or its clocks say otherwise.
Result<void> write_tasks(const World& world, const std::string& path) {
  NUDGE_ASSIGN(const auto lines, Lines::open(path));
  for (const Task& task : world.tasks()) {
    const ActionOut& a = task.action;
    auto& line = lines->begin();
    line.text("rule", a.rule).text("customer", a.customer).text("subject", json_text(a.payload, "subject")).text("team", a.assignment.team);
    line.text("owner", a.owner).text("state", task_state_name(task.state)).text("at", format_timestamp(a.at));
    if (a.due != 0) line.text("due", format_timestamp(a.due));
    std::string steps = "[";
    for (const TaskStep& step : task.steps) {
      if (steps.size() > 1) steps += ',';
      steps += "{\"at\":\"" + format_timestamp(step.at) + "\"";
      for (const auto& [name, text] : {std::pair<std::string_view, const std::string&>{"what", step.what}, {"who", step.who}, {"why", step.words}}) {
        steps += ",\"" + std::string(name) + "\":";
        append_json_string(steps, text);
      }
      steps += '}';
    }
    line.json("steps", steps + "]").end();
  }
  return {};
}

// How much each person would get: whether it is fair.
void people(const Output& out, const World& world) {
  Table table({"PERSON", ">GIVEN", ">DECLINED"});
  for (const auto& [id, account] : world.desk().roster().ledger())
    table.row({id, grouped(static_cast<std::int64_t>(account.given)), grouped(static_cast<std::int64_t>(account.declined))});
  if (!table.empty()) table.print(out.terminal);
}

Result<void> write_edges(const World& world, const std::string& path) {
  NUDGE_ASSIGN(const auto lines, Lines::open(path));
  for (const WorldRecord::CustomerEdge& e : world.record().edges) {
    lines->begin()
        .text("segment", e.segment)
        .text("customer", e.customer)
        .text("edge", e.edge.entered ? "entered" : "left")
        .text("at", format_timestamp(e.edge.at))
        .end();
  }
  return {};
}

Result<void> write_members(World& world, const std::vector<TimeMs>& at, const std::string& path) {
  NUDGE_ASSIGN(const auto lines, Lines::open(path));
  for (const TimeMs instant : at) {
    for (const Segment& segment : world.plan().segments) {
      std::string ids = "[";
      for (const std::string& id : world.members_at(segment.node, instant)) {
        if (ids.size() > 1) ids += ',';
        append_json_string(ids, id);
      }
      lines->begin().text("segment", segment.name).text("at", format_timestamp(instant)).json("ids", ids + "]").end();
    }
  }
  return {};
}

Result<void> write_values(World& world, const std::vector<TimeMs>& at, const std::string& path) {
  NUDGE_ASSIGN(const auto lines, Lines::open(path));
  const Plan& plan = world.plan();
  for (const TimeMs instant : at) {
    for (const auto& [id, state] : world.customers()) {
      const auto write = [&](std::string_view kind, std::string_view name, const Value& value) {
        if (value.missing()) return;
        lines->begin()
            .text("customer", id)
            .text(kind, name)
            .text("at", format_timestamp(instant))
            .json("value", to_json(value.view()))
            .end();
      };
      for (const Trait& trait : plan.traits) write("trait", trait.name, world.value_at(id, trait.expr, instant));
      for (std::uint32_t i = 0; i < plan.scores.size(); ++i) write("score", plan.scores[i].name, world.score_at(id, i, instant));
    }
  }
  return {};
}

void run_history(World& world, std::vector<Input>& inputs, bool live) {
  std::ranges::sort(inputs,
                    [](const Input& a, const Input& b) { return std::tie(a.time, a.id, a.customer) < std::tie(b.time, b.id, b.customer); });
  if (live) {
    for (Input& input : inputs) {
      input.import = false;
      world.move_to(input.time);
      world.submit(std::move(input));
    }
  } else {
    for (Input& input : inputs) {
      input.import = true;
      world.submit(std::move(input));
    }
  }
  world.settle();
}

void summary(const Output& out, World& world, std::size_t inputs, bool live) {
  const auto n = [](std::size_t size) { return static_cast<std::int64_t>(size); };
  out.terminal.line(say("{1} of {2}", {counted(n(inputs), "input"), counted(n(world.customers().size()), "customer")}));
  if (!live) return;
  Table table({"RULE", ">FIRED", ">HELD BACK", ">CUSTOMERS"});
  for (const Rule& rule : world.plan().rules) {
    std::set<std::string_view> customers;
    std::size_t fired = 0, held = 0;
    for (const Decision& d : world.record().decisions) {
      if (d.rule != rule.name) continue;
      if (d.fired && d.step == kNone) {
        ++fired;
        customers.insert(d.customer);
      }
      if (!d.fired) ++held;
    }
    table.row({rule.name, grouped(n(fired)), grouped(n(held)), grouped(n(customers.size()))});
  }
  if (!table.empty()) table.print(out.terminal);
  people(out, world);
}

}  // namespace

Result<TimeMs> read_instant(const std::string& text) {
  if (const auto exact = parse_timestamp(text)) return *exact;
  if (const auto day = parse_date(text)) return Zone().start_of(*day);
  return fail(Code::invalid,
              say("`{1}` is no instant: write 2026-02-01T09:00:00+08:00, or 2026-02-01 for its first moment in UTC", {text}));
}

Exit replay(const Output& out, const ReplayOptions& options) {
  auto project = Project::open(options.paths);
  if (!project) return report(out, project.error());
  std::unique_ptr<Plan> plan = project->compile();
  if (plan == nullptr) {
    out.terminal.line(doc::render_text(project->diagnostics(), out.terminal.colors()));
    return Exit::failed;
  }
  const auto at = instants(options.at);
  if (!at) return report(out, at.error());
  std::vector<Input> inputs;
  std::vector<import::RowProblem> problems;
  for (std::size_t i = 0; i < options.data.size(); ++i) {
    std::unique_ptr<import::Mapping> mapping;
    if (i < options.mappings.size()) {
      auto read = import::load_mapping(options.mappings[i], *project->catalog());
      if (!read) return report(out, read.error());
      mapping = std::move(*read);
    }
    const std::size_t before = problems.size();
    if (const auto read = import::read_inputs(options.data[i], mapping.get(), project->catalog(), inputs, problems); !read)
      return report(out, read.error());
    for (std::size_t p = before; p < problems.size() && p < before + kProblemsShown; ++p) {
      out.terminal.error(options.data[i] + ":" + std::to_string(problems[p].line) + ": " +
                         (problems[p].column.empty() ? "" : say("column {1}: ", {problems[p].column})) + problems[p].reason);
    }
  }
  if (!problems.empty())
    out.terminal.error(problems.size() == 1
                           ? say("1 row does not fit and is left out")
                           : say("{1} rows do not fit and are left out", {grouped(static_cast<std::int64_t>(problems.size()))}));
  TimeMs first = kTimeMax, last = kTimeMin;
  for (const Input& input : inputs) {
    first = std::min(first, input.time);
    last = std::max(last, input.time);
  }
  if (inputs.empty()) first = last = 0;
  const std::size_t count = inputs.size();
  World world((options.live ? first : last) - 1);
  world.load(std::move(plan));
  world.move_to(options.live ? first : last);
  run_history(world, inputs, options.live);
  if (options.live && !at->empty()) {
    world.move_to(*std::ranges::max_element(*at));
    world.settle();
  }
  for (const auto& written : {options.decisions.empty() ? Result<void>() : write_decisions(world, options.decisions),
                              options.tasks.empty() ? Result<void>() : write_tasks(world, options.tasks),
                              options.edges.empty() ? Result<void>() : write_edges(world, options.edges),
                              options.members.empty() ? Result<void>() : write_members(world, *at, options.members),
                              options.values.empty() ? Result<void>() : write_values(world, *at, options.values)}) {
    if (!written) return report(out, written.error());
  }
  if (options.digest) {
    out.terminal.line(world.digest());
  } else {
    summary(out, world, count, options.live);
  }
  return Exit::ok;
}

Exit replay_log(const Output& out, Client& client, const ReplayOptions& options) {
  if (!options.digest)
    return report(out, {Code::invalid, say("name the files to run with --data, or ask for --digest of a running nudged's log")});
  const auto replayed = client.post("/v1/digest/replay", "");
  if (!replayed) return report(out, replayed.error());
  const bool decisions = (*replayed)["same_decisions"].truth, states = (*replayed)["same_states"].truth;
  if (out.json) {
    out.terminal.line("{\"digest\":\"" + (*replayed)["digest"].text + "\",\"live\":\"" + (*replayed)["live"].text +
                      "\",\"same_states\":" + (states ? "true" : "false") + ",\"same_decisions\":" + (decisions ? "true" : "false") +
                      ",\"blocks\":" + (*replayed)["blocks"].shown() + ",\"customers\":" + (*replayed)["customers"].shown() +
                      ",\"decisions\":" + (*replayed)["decisions"].shown() + "}");
  } else {
    out.terminal.line((*replayed)["digest"].text);
    out.terminal.error(counted((*replayed)["blocks"].integer(), "block") + ", " + counted((*replayed)["customers"].integer(), "customer") +
                       ", " + counted((*replayed)["decisions"].integer(), "decision") + ": " +
                       (decisions ? say("decided again as they were") : say("NOT as they were decided; please report this")) +
                       (states ? say("; the states are the same") : say("; the states are NOT the same; please report this")));
  }
  return decisions && states ? Exit::ok : Exit::failed;
}

}  // namespace nudge::cli

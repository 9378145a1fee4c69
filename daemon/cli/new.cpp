// `nudge new`: files to begin with. What is written compiles, and its test passes, as it stands.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "daemon/cli/commands.h"
#include "daemon/cli/words.h"
#include "schemas/embedded.h"

namespace nudge::cli {
namespace {

namespace fs = std::filesystem;

struct NewFile {
  std::string path, text;
};

/// {{NAME}} … replaced; the language's own placeholders are lower case, so they stay.
std::string filled(std::string text, std::initializer_list<std::pair<std::string_view, std::string_view>> values) {
  for (const auto& [name, value] : values) {
    const std::string mark = "{{" + std::string(name) + "}}";
    for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at + value.size()))
      text.replace(at, mark.size(), value);
  }
  return text;
}

/// All or nothing where something is in the way: existing files stay as they are.
Exit write_new(const Output& out, const std::vector<NewFile>& files) {
  for (const NewFile& file : files) {
    std::error_code error;
    if (fs::exists(fs::symlink_status(file.path, error)))
      return report(out, {Code::conflict, say("{1} is there already; nothing was written", {file.path})});
  }
  for (const NewFile& file : files) {
    std::error_code error;
    fs::create_directories(fs::path(file.path).parent_path(), error);
    const int descriptor = open(file.path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    const bool written = descriptor >= 0 && write(descriptor, file.text.data(), file.text.size()) == static_cast<ssize_t>(file.text.size());
    if (descriptor >= 0) close(descriptor);
    if (!written) return report(out, {Code::io, say("cannot write {1}: check the directory and its permissions", {file.path})});
    out.terminal.line(say("wrote {1}", {file.path}));
  }
  return Exit::ok;
}

bool is_name(std::string_view name) {
  const auto plain = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  return !name.empty() && name.size() <= 128 && plain(name[0]) &&
         std::ranges::all_of(name, [&](char c) { return plain(c) || c == '-' || c == '_'; });
}

// --- a rule

/// The action of the scaffold, and how its test names it. `known`: what the catalog has of `email` and `phone`.
struct Act {
  std::string yaml, expected;
};

Act act_of(const std::string& channel, const Catalog& catalog) {
  const bool email = catalog.find_attribute("email") != kNoAttribute, phone = catalog.find_attribute("phone") != kNoAttribute;
  if (channel == "email") {
    return {std::string("email: {") +
                (email ? "to: \"{{ customer.email | default: 'nobody@example.com' }}\", " : "to: nobody@example.com, ") +
                "subject: \"About {{ rule.name }}\", text: \"Dear customer, …\"}",
            "email: {subject: \"About {{NAME}}\"}"};
  }
  if (channel == "sms") {
    return {std::string("sms: {") + (phone ? "to: \"{{ customer.phone | default: '+8613800000000' }}\", " : "to: \"+8613800000000\", ") +
                "text: \"About {{ rule.name }}\"}",
            "sms: {text: \"About {{NAME}}\"}"};
  }
  if (channel == "ticket") return {"ticket: {subject: \"{{ customer.id }}: {{ rule.name }}\"}", "ticket: {subject: \"c1: {{NAME}}\"}"};
  if (channel == "chat") return {"chat: {text: \"{{ customer.id }}: {{ rule.name }}\"}", "chat: {text: \"c1: {{NAME}}\"}"};
  if (channel == "webhook")
    return {"webhook: {event: \"{{NAME}}.fired\", data: {customer: \"{{ customer.id }}\"}}", "webhook: {data: {customer: c1}}"};
  if (channel == "maildrop")
    return {"maildrop: {to: inbox, text: \"{{ customer.id }}: {{ rule.name }}\"}", "maildrop: {text: \"c1: {{NAME}}\"}"};
  return {"call_task: {subject: \"Call {{ customer.id }}\", due_in: 24h}", "call_task: {subject: \"Call c1\", due: \"{{DUE}}\"}"};
}

struct RuleText {
  std::string rule, test, due;
};

constexpr std::string_view kOnEvent = R"(# {{NAME}}: say here whom it reaches, and why.
rules:
  {{NAME}}:
    description: On each {{EVENT}}, at most once in 30 days
    category: sales
    when: {event: {{EVENT}}}
    then:
      - {{ACTION}}
    limits: {once_per: 30d}
)";
constexpr std::string_view kOnEventTest = R"(tests:
  - name: {{NAME}} fires on {{EVENT}}, and not again within 30 days
    timeline:
      - {at: 2026-03-02T09:00:00Z, customer: c1, event: {{EVENT}}}
      - expect: {rule: {{NAME}}, customer: c1, fired: 1, actions: [{{{EXPECTED}}}]}
      - {at: 2026-04-01T08:59:59Z, customer: c1, event: {{EVENT}}}
      - expect: {rule: {{NAME}}, customer: c1, fired: 0, held: once_per}
      - {at: 2026-04-01T09:00:00Z, customer: c1, event: {{EVENT}}}
      - expect: {rule: {{NAME}}, customer: c1, fired: 1}
)";
constexpr std::string_view kOnEnters = R"(# {{NAME}}: say here whom it reaches, and why.
segments:
  {{NAME}}-customers:
    description: Three {{EVENT}} events within 30 days
    where: {event: {{EVENT}}, within: 30d, count: {at_least: 3}}
rules:
  {{NAME}}:
    description: When a customer comes into the segment
    category: sales
    when: {enters: {{NAME}}-customers}
    then:
      - {{ACTION}}
)";
constexpr std::string_view kOnEntersTest = R"(tests:
  - name: {{NAME}} fires with the third {{EVENT}} within 30 days, once
    timeline:
      - {at: 2026-03-01T09:00:00Z, customer: c1, event: {{EVENT}}, repeat: 2, every: 12h}
      - expect: {rule: {{NAME}}, customer: c1, fired: 0, not_in: {{NAME}}-customers}
      - {at: 2026-03-02T09:00:00Z, customer: c1, event: {{EVENT}}}
      - expect: {rule: {{NAME}}, customer: c1, fired: 1, in: {{NAME}}-customers, actions: [{{{EXPECTED}}}]}
      - {at: 2026-03-31T09:00:00Z}
      - expect: {rule: {{NAME}}, customer: c1, fired: 0, not_in: {{NAME}}-customers, segment: {{NAME}}-customers, exits: 1}
)";
constexpr std::string_view kOnSchedule = R"(# {{NAME}}: say here whom it reaches, and why.
rules:
  {{NAME}}:
    description: On working days at nine, those with a {{EVENT}} in the last week
    category: sales
    when: {schedule: 0 9 * * mon-fri, zone: UTC}    # or Asia/Shanghai, or customer
    if: {event: {{EVENT}}, within: 7d}
    then:
      - {{ACTION}}
    limits: {once_per: 7d}
)";
constexpr std::string_view kOnScheduleTest = R"(tests:
  - name: {{NAME}} fires on working days at nine for those with a {{EVENT}} in the last week
    timeline:
      - {at: 2026-02-27T12:00:00Z, customer: c1, event: {{EVENT}}}
      - {at: 2026-03-02T08:59:59.999Z}
      - expect: {rule: {{NAME}}, customer: c1, fired: 0}
      - {at: 2026-03-02T09:00:00Z}
      - expect: {rule: {{NAME}}, customer: c1, fired: 1, actions: [{{{EXPECTED}}}]}
      - {at: 2026-03-13T00:00:00Z}
      - expect: {rule: {{NAME}}, customer: c1, fired: 0}
)";
constexpr std::string_view kOnDate = R"(# {{NAME}}: say here whom it reaches, and why.
rules:
  {{NAME}}:
    description: 30 days before {{ATTRIBUTE}}, at nine in the morning
    category: sales
    when: {date: {{ATTRIBUTE}}, offset: -30d, at: 09:00}
    then:
      - {{ACTION}}
)";
constexpr std::string_view kOnDateTest = R"(tests:
  - name: {{NAME}} fires 30 days before {{ATTRIBUTE}}
    customers: {c1: {{{ATTRIBUTE}}: {{DATE}}{{ZONE}}}}
    timeline:
      - {at: 2026-05-02T08:59:59.999Z}
      - expect: {rule: {{NAME}}, customer: c1, fired: 0}
      - {at: 2026-05-02T09:00:00Z}
      - expect: {rule: {{NAME}}, customer: c1, fired: 1, actions: [{{{EXPECTED}}}]}
      - {at: 2026-07-01T00:00:00Z}
      - expect: {rule: {{NAME}}, customer: c1, fired: 0}
)";

RuleText texts_of(const std::string& trigger) {
  if (trigger == "enters") return {std::string(kOnEnters), std::string(kOnEntersTest), "2026-03-03T09:00:00Z"};
  if (trigger == "schedule") return {std::string(kOnSchedule), std::string(kOnScheduleTest), "2026-03-03T09:00:00Z"};
  if (trigger == "date") return {std::string(kOnDate), std::string(kOnDateTest), "2026-05-03T09:00:00Z"};
  return {std::string(kOnEvent), std::string(kOnEventTest), "2026-03-03T09:00:00Z"};
}

/// What nudge tells of its own work is no good first example.
bool is_own(std::string_view event) { return event.starts_with("task_") || event.starts_with("message_"); }

std::string first_event(const Catalog& catalog) {
  for (const EventTypeDef& event : catalog.events) {
    if (!event.retired && !is_own(event.name)) return event.name;
  }
  return {};
}

const LeafDef* first_date(const Catalog& catalog) {
  for (const LeafDef& leaf : catalog.attributes) {
    if (!leaf.retired && (leaf.type == Type::date || leaf.type == Type::timestamp)) return &leaf;
  }
  return nullptr;
}

Exit new_rule(const Output& out, const NewOptions& options) {
  if (!is_name(options.name)) return report(out, {Code::invalid, say("{1} is no name: letters, digits, - and _", {options.name})});
  ProjectPaths paths;
  paths.directory = options.directory;
  auto project = Project::open(paths);
  if (!project) return report(out, project.error());
  const std::unique_ptr<Plan> plan = project->compile();
  if (plan == nullptr) return report(out, {Code::invalid, say("the project has mistakes: mend what `nudge check` says first")});
  const Catalog& catalog = *project->catalog();
  if (plan->find_rule(options.name) != nullptr) return report(out, {Code::conflict, say("there is a rule {1} already", {options.name})});
  const std::string event = options.event.empty() ? first_event(catalog) : options.event;
  if (options.trigger != "date" && catalog.find_event(event) == kNoEventType) {
    return report(out, {Code::not_found, event.empty() ? say("the catalog has no event type: declare one under `events:` in schemas/")
                                                       : say("the catalog has no event type {1}", {event})});
  }
  const LeafDef* date = first_date(catalog);
  if (options.trigger == "date" && date == nullptr)
    return report(out, {Code::not_found, say("the catalog has no attribute of type date or timestamp")});
  const Act act = act_of(options.channel, catalog);
  const RuleText text = texts_of(options.trigger);
  const std::string attribute = date == nullptr ? "" : date->name;
  const bool zone = catalog.find_attribute("timezone") != kNoAttribute;
  const auto fill = [&](const std::string& raw) {
    return filled(raw, {{"ACTION", act.yaml},
                        {"EXPECTED", act.expected},
                        {"NAME", options.name},
                        {"EVENT", event},
                        {"ATTRIBUTE", attribute},
                        {"DATE", date != nullptr && date->type == Type::timestamp ? "2026-06-01T00:00:00Z" : "2026-06-01"},
                        {"ZONE", zone ? ", timezone: UTC" : ""},
                        {"DUE", text.due}});
  };
  const fs::path rules = fs::path(options.directory) / "rules";
  const Exit exit = write_new(out, {{(rules / (options.name + ".yaml")).string(), fill(text.rule)},
                                    {(rules / (options.name + ".test.yaml")).string(), fill(text.test)}});
  if (exit == Exit::ok) out.terminal.line(say("next: nudge test {1} --run {2}", {options.directory, options.name}));
  return exit;
}

// --- a project, a pack

constexpr std::string_view kCatalog =
    R"(# What is known of customers and what they do. Rules can speak of nothing else, and what does not fit is set aside.
customer:
  attributes:
    name:         {type: text, pii: true}
    email:        {type: text, pii: true}
    tier:         {type: text, one_of: [bronze, silver, gold]}
    contract_end: {type: date}
    timezone:     {type: text}
events:
  login:        {fields: {device: text}}
  order_placed: {fields: {amount: decimal, order_no: text}}
)";
constexpr std::string_view kRule = R"(segments:
  quiet:
    description: Has signed in before, but not in the last 90 days
    where:
      all:
        - {event: login}
        - {not: {event: login, within: 90d}}
rules:
  welcome-back:
    description: A silver or gold customer signs in after 90 quiet days. Somebody calls within a day.
    category: sales
    when: {event: login}
    if:
      all:
        - {event: login, before: trigger, last: {older_than: 90d}}
        - {attribute: tier, in: [silver, gold]}
    then:
      - call_task: {team: sales, subject: "Call {{ customer.name | default: 'customer' }}: back after a long time", due_in: 24h}
    limits: {once_per: 90d}
teams:
  sales:
    members:
      - {id: lin, name: Lin, email: lin@example.com}
)";
constexpr std::string_view kTest = R"(tests:
  - name: back after 90 quiet days, somebody calls
    customers: {c1: {name: "王芳", tier: gold}}
    timeline:
      - {at: 2026-01-05T09:00:00Z, customer: c1, event: login}
      - expect: {rule: welcome-back, customer: c1, fired: 0, not_in: quiet}
      - {at: 2026-04-05T09:00:00Z}
      - expect: {customer: c1, in: quiet}
      - {at: 2026-04-05T10:00:00Z, customer: c1, event: login}
      - expect:
          rule: welcome-back
          customer: c1
          fired: 1
          not_in: quiet
          actions: [{call_task: {owner: lin, due: 2026-04-06T10:00:00Z, subject: "Call 王芳: back after a long time"}}]

  - name: bronze customers are not called
    customers: {c2: {tier: bronze}}
    timeline:
      - {at: 2026-01-05T09:00:00Z, customer: c2, event: login}
      - {at: 2026-07-05T09:00:00Z, customer: c2, event: login}
      - expect: {rule: welcome-back, customer: c2, fired: 0}

  - name: who comes every week is not called
    customers: {c3: {tier: gold}}
    timeline:
      - {at: 2026-01-05T09:00:00Z, customer: c3, event: login, repeat: 20, every: 7d}
      - expect: {rule: welcome-back, customer: c3, fired: 0}
)";
constexpr std::string_view kReadme = R"(# Rules

`schemas/catalog.yaml` says what is known of customers; `rules/` holds the rules, and beside each its tests.

```console
$ nudge check .                  # all mistakes at once, with their places
$ nudge test . --coverage        # runs the tests in virtual time; lists what they do not touch
$ nudge test . --watch           # runs them again on each change
$ nudge new rule second-order --trigger enters --channel email
$ nudge explain-code R0304       # what a code means
```

VS Code with the YAML extension completes and checks these files: `.vscode/` names the schemas, which `nudge schema rules` and so on print.
`ci.sh` is what a build server runs; `results.xml` is JUnit.
)";
constexpr std::string_view kCi = R"(#!/bin/sh
# What a build server runs. GitHub: `run: sh ci.sh`. GitLab: `script: [sh ci.sh]` with `artifacts: {reports: {junit: results.xml}}`.
set -e
nudge check .
nudge test . --junit results.xml --fail-under 90
)";
constexpr std::string_view kSettings = R"({
  "yaml.schemas": {
    ".vscode/catalog.schema.json": "schemas/*.yaml",
    ".vscode/tests.schema.json": "rules/**/*.test.yaml",
    ".vscode/rules.schema.json": ["rules/**/*.yaml", "!rules/**/*.test.yaml"]
  }
}
)";
constexpr std::string_view kPackReadme = R"(# {{PACK}}

**When** a silver or gold customer signs in for the first time in 90 days, **then** somebody of the team calls within a day. At most once in 90 days
for a customer.

What to change: the 90 days (in three places), the levels (`tier`), the deadline (`due_in`), the people (`teams`).

Needs: the attributes `name` and `tier`, the event `login`. In a company whose catalog names them otherwise, change the names in `rules/`; `nudge check`
finds each place, and `nudge test` proves that it works.
)";

Exit new_directory(const Output& out, const NewOptions& options) {
  const fs::path root = options.name;
  std::error_code error;
  if (fs::exists(root, error) && !(fs::is_directory(root, error) && fs::is_empty(root, error)))
    return report(out, {Code::conflict, say("{1} is there already and not empty; nothing was written", {options.name})});
  const bool pack = options.what == NewOptions::What::pack;
  const fs::path normal = root.has_filename() ? root : root.parent_path();
  const auto file = [&](const char* path, std::string_view text) { return NewFile{(root / path).string(), std::string(text)}; };
  std::vector<NewFile> files = {file("schemas/catalog.yaml", kCatalog), file("rules/welcome-back.yaml", kRule),
                                file("rules/welcome-back.test.yaml", kTest)};
  if (pack) {
    files.push_back(file("README.md", filled(std::string(kPackReadme), {{"PACK", normal.filename().string()}})));
  } else {
    for (const auto& [path, text] : {std::pair{"README.md", kReadme}, {"ci.sh", kCi}, {".vscode/settings.json", kSettings}})
      files.push_back(file(path, text));
    for (const char* name : {"rules", "catalog", "tests"})
      files.push_back(file((std::string(".vscode/") + name + ".schema.json").c_str(), schemas::find(name)));
    files.push_back(file(".vscode/nudge.code-snippets", schemas::find("snippets")));
  }
  const Exit exit = write_new(out, files);
  if (exit == Exit::ok) out.terminal.line(say("next: nudge test {1}", {options.name}));
  return exit;
}

}  // namespace

Exit make_new(const Output& out, const NewOptions& options) {
  return options.what == NewOptions::What::rule ? new_rule(out, options) : new_directory(out, options);
}

}  // namespace nudge::cli

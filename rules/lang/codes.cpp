#include "rules/lang/codes.h"

#include <algorithm>
#include <array>

namespace nudge::lang {
namespace {

constexpr auto kCodes = std::to_array<CodeInfo>({
    // The file as YAML
    {"R0001", "The file is not valid UTF-8",
     "Rule files are UTF-8 text. Spreadsheet programs and older editors write GBK, Big5 or Latin-1; names in Chinese or with accents are "
     "then garbled. Choose UTF-8 when saving."},
    {"R0002", "A control character in the text",
     "Bytes below 32 other than line ends do not belong into a text file; often the file is no YAML at all, or was cut by a copy. Remove "
     "the character at the place shown."},
    {"R0003", "Aliases and anchors are not allowed",
     "YAML can name a part (`&name`) and repeat it (`*name`). A few lines of that can unfold to billions of values, and a change in one "
     "place silently changes others. Write the value out, "
     "or name a shared condition as a segment and refer to it."},
    {"R0004", "Tags are not allowed",
     "`!name` in front of a value asks YAML to build a special object. Rules need none. Quotes make a value text."},
    {"R0005", "Merge keys are not allowed", "`<<:` copies keys of another map. Write the keys out, so that everybody sees what holds."},
    {"R0006", "A key that is not a plain word, or stands twice",
     "Within one map each key may stand once. Most YAML readers keep the first or the last of two and say nothing, so half of the rule "
     "would be lost in silence."},
    {"R0007", "More than one YAML document in a file",
     "`---` in the middle of a file starts a second document. Put it into a file of its own."},
    {"R0008", "Nested too deep",
     "Values may be nested 32 levels deep. Name an inner condition as a segment and refer to it; the rule becomes easier to read as well."},
    {"R0009", "The file is too large", "A file has at most 4 MiB and 200,000 values. Split it; any file may define any of the sections."},
    {"R0010", "A tab character",
     "YAML is indented with spaces; a tab looks like a different depth in every editor. Set the editor to insert spaces."},
    {"R0011", "Not valid YAML",
     "The text can't be read as YAML from the place shown. The usual causes: a line that is indented differently from its neighbours, a "
     "missing `:` or `-`, and text with `: `, ` #`, `{{` or a "
     "leading `*`, `&`, `!`, `%`, `@` that needs quotes."},
    {"R0013", "Too many files, or too large together", "One load takes at most 10,000 files with 64 MiB together."},
    // Shapes, keys and words
    {"R0101", "The wrong shape",
     "A map (`key: value` lines), a list (`- item` lines) or a single value stands where another of the three is needed. Often the "
     "indentation is off by one level."},
    {"R0102", "An unknown key",
     "The key is not part of the language at this place. A key that was misspelt would silently do nothing; so it is refused. The message "
     "names the nearest known key."},
    {"R0103", "A required key is missing", "Something can't do without the key named in the message."},
    {"R0104", "A value of the wrong kind",
     "Values are read strictly: `true` and `false` are the only booleans, `12` is a number and `\"12\"` is text, durations look like 90d, "
     "2h, 15m or 30s, dates like 2026-02-01, timestamps like "
     "2026-02-01T09:00:00+08:00. Nothing is guessed."},
    {"R0105", "A value out of range", "The value is of the right kind, and makes no sense at this place. The message gives the range."},
    {"R0106", "Not one of the allowed words", "Only the listed words mean something here."},
    {"R0107", "Keys that exclude each other", "Two keys say the same thing in two ways, or contradict each other. Keep one."},
    {"R0108", "Not a valid name",
     "Names of rules, segments, attributes and so on have letters, digits, `-` and `_`, start with a letter or digit, and have at most 128 "
     "characters."},
    {"R0109", "Something is empty", "A name, text or list that must say something is empty."},
    // The catalog
    {"R0201", "An unknown type",
     "Types are text, phone, integer, number, decimal, boolean, date, timestamp, list of text and object. Use decimal for money: it is "
     "exact."},
    {"R0202", "Declared twice, or with a dot",
     "An attribute, field or allowed value is declared twice in different ways. Several catalogs may declare the same attribute when they "
     "agree on it. Names with dots belong to nested objects."},
    {"R0203", "An option that does not fit the type", "`one_of` lists texts; `fields` belongs to an object."},
    {"R0204", "Too many attributes, fields or event types",
     "A catalog has at most 4,096 attributes and as many event types; an event type has at most 64 fields."},
    {"R0205", "A reserved name",
     "Every event has a `timestamp` and every customer an `id` by itself; declaring another one would make rules ambiguous."},
    // Names that are referred to
    {"R0301", "An unknown attribute",
     "The catalog does not declare this attribute. Declare it under `customer: attributes:` in schemas/, or mend the spelling."},
    {"R0302", "An unknown event type",
     "The catalog does not declare this event type. Declare it under `events:` in schemas/, or mend the spelling."},
    {"R0303", "An unknown field", "The event type does not have this field. `timestamp` is there always: when the event happened."},
    {"R0304", "An unknown segment", "No file defines this segment."},
    {"R0305", "An unknown trait", "No file defines this trait."},
    {"R0306", "An unknown score", "No file defines this score."},
    {"R0307", "An unknown template", "No file defines this template."},
    {"R0308", "An unknown team", "No file defines this team."},
    {"R0309", "Defined twice", "Names are unique over all files, so that a reference means one thing. Rename one of the two."},
    {"R0310", "References in a circle",
     "A segment or score depends on itself by way of others, so its truth can't be computed. Take one of the references out; what both "
     "need can become a segment of its own."},
    {"R0311", "An unknown connector", "The configuration of nudged has no connector with this name."},
    {"R0312", "A path through a plain value",
     "`a.b` looks for the member `b` inside `a`, and the catalog says that `a` is a plain value. Only an object has members."},
    {"R0313", "An unknown property of team members",
     "Nobody in the team has this property, so the condition would choose nobody. `tenure_days` is computed from `hired`."},
    {"R0314", "An unknown time zone", "Zones have IANA names such as Asia/Shanghai or Europe/Berlin."},
    {"R0315", "An object where a value is needed", "An object is a group of values. Name one of its members, such as `address.city`."},
    {"R0316", "An unknown band", "The score has no band with this name."},
    {"R0317", "An unknown rule", "No file defines this rule."},
    {"R0318", "An unknown pool", "No file defines this pool of leads. Pools stand under `pools:`."},
    // Operators
    {"R0401", "An operator is missing",
     "A value alone is neither true nor false. Compare it: `at_least: 3`, `equals: gold`, `exists: true`."},
    {"R0402", "The operator does not fit the type", "Each type has its own operators; the message lists those that fit."},
    {"R0403", "Two operators in one condition", "Write `between: [low, high]` for a range of numbers, or two conditions under `all:`."},
    {"R0404", "A value of another type than the attribute",
     "Types are strict: `\"12\"` is no number and `12` is no text. A comparison of two types would never be true."},
    {"R0405", "`between` with swapped ends", "The lower end comes first; otherwise nothing lies between. Both ends are included."},
    {"R0406", "An operand that says nothing",
     "Every text contains the empty text, and nobody has any item of an empty list: such a condition is always or never true."},
    {"R0407", "A pattern that can't be read",
     "`matches` uses RE2 syntax, which has no look-around and no back-references, and in return takes linear time on every text. The "
     "pattern is found anywhere; anchor it with `^` and `$` to match the whole."},
    {"R0408", "A right side that does not fit",
     "Besides a value, the right side may be `{attribute: NAME}` or `{trait: NAME}` of the same kind, for numbers with `times`. Inside "
     "`where` of an event it may be `{field: NAME}` of that event."},
    {"R0409", "A value that the catalog never allows",
     "The attribute is declared with `one_of`, and this value is not among them. The comparison could never be true."},
    {"R0410", "An aggregate or trait that does not fit the type",
     "`sum` and `average` need numbers, `min` and `max` numbers, dates or timestamps, `days_since` a date or timestamp, `size` a list."},
    {"R0411", "An aggregate without its field",
     "All aggregates but `count` are computed from a field; `first` and `last` without one take the time of the row."},
    {"R0412", "A condition that does not say what it is about",
     "A condition is one of `all`, `any`, `not`, `attribute`, `event`, `trait`, `score`, `segment`, `tag`, `sequence`, `calendar`; inside "
     "`where` of an event it is `field`, `all`, `any` or `not`."},
    {"R0413", "Two conditions in one",
     "Write each as an item of its own under `all:` or `any:`, so that it is clear how they are combined."},
    {"R0414", "`ignore_case` without text", "Only texts have upper and lower case."},
    {"R0415", "A condition at the wrong place",
     "`where` of an event filters that event's rows by their fields. What is known of the customer stands beside the event, under `all:`."},
    // Windows and time
    {"R0501", "A window that contradicts itself",
     "A condition has one window: `within: 30d`, or `from: 60d` with `to: 30d`, or two dates, or `since: start_of_month`. `zone` only "
     "matters to calendar windows."},
    {"R0502", "A window that is too long or empty", "Windows reach back ten years at most. Without a window all rows count."},
    {"R0503", "A window that ends before it starts", "`from` is the earlier end: the longer time ago, or the earlier date."},
    {"R0504", "`before: trigger` without a triggering event",
     "It leaves out the event on which the rule fires, so the rule must have `when: {event: …}`, and the condition must stand in the rule "
     "itself."},
    {"R0505", "A broken sequence",
     "A sequence starts with `event: TYPE` and goes on with `{then: TYPE, within: D}`; its last step may be `{no_event: TYPE, for: D}`."},
    {"R0506", "A calendar condition that can't be read",
     "`calendar: {weekdays: [monday, friday], hours: 09:00-18:00, dates: [{from: 2026-10-01, to: 2026-10-07}]}`."},
    {"R0507", "`same` with a field that does not fit",
     "`same` takes rows together by one plain value, such as an order number. In a sequence the field must exist with one type in every "
     "event."},
    {"R0508", "A window that reaches further back than events are kept",
     "The catalog says with `keep` how long events of this type are kept; what is older is deleted. A condition that looks further back, or without a "
     "window, would see less than it says, so it is refused. The same goes for `max_age` of a rule that fires on such an event."},
    // Rules
    {"R0601", "A trigger is missing or unclear",
     "`when` has one of `event`, `enters`, `leaves`, `attribute_changes`, `schedule`, `date`, `task` and `message`."},
    {"R0602", "A schedule that can't be read",
     "Five fields: minute, hour, day of the month, month, weekday. `0 9 * * mon-fri` is nine o'clock on working days."},
    {"R0603", "An option that does not fit the trigger",
     "`existing` belongs to `enters`, `max_age` to `event` and `attribute_changes`, a `date` trigger to a date."},
    {"R0604", "A limit that can't be read", "`at_most: 500 per day`, with hour, day, week or month."},
    // Actions
    // Policies
    {"R0651", "A policy that says nothing, or two things",
     "Each policy is of one kind: `consent`, `quiet_hours`, `cap`, `inhibit`, `budget` or `brake`. Write a policy of its own for each."},
    {"R0652", "An unknown calendar", "`calendar` of quiet hours names a business calendar of the section `calendars`."},
    {"R0653", "An unknown rule in a policy",
     "`rule` and `by` name rules of these files. A policy that names a rule which does not exist would silently bind nothing."},
    {"R0654", "An unknown channel in a policy",
     "Channels are email, sms, chat, maildrop, call_task, ticket and webhook. Without `channel` a policy binds what reaches the customer; a "
     "budget or brake binds every action."},
    {"R0655", "A calendar that contradicts itself",
     "A day of a business calendar is a date, or a range from … to, and stands once: as a holiday or as a make-up workday."},
    {"R0701", "A step without an action",
     "Each step of `then` does one thing: an action such as call_task, email or set_attribute, a wait (`after`, `until`), a branch (`if`) or `stop`."},
    {"R0702", "A step with two actions", "Start a new step; steps run in order."},
    {"R0703", "A key that does not belong to this step",
     "`after` and `only_if` belong to an action (`after` may also stand alone), `timeout` and `on_timeout` to `until`, `then` and `else` to "
     "`if`. Write the other thing as a step of its own."},
    {"R0704", "A step that is never reached", "A `stop` ends the run: what stands after it in the same list is never done."},
    {"R0705", "A template that does not fit the action", "A template is written for one channel; its parts are those of the channel."},
    {"R0706", "A task that can't be assigned or escalated", "`assign` chooses from a `team`; `escalate` when overdue needs `due_in`."},
    {"R0711", "A value that can't be written there",
     "What a rule writes must be of the type that the catalog gives the attribute or field. `add` changes numbers, `append` and `remove` "
     "lists, `now` is for dates and timestamps, `field` is a field of the event on which the rule fires."},
    {"R0712", "A write in a rule with `at_most`",
     "Whether a firing is above `at_most` is known only when all customers are counted together, and a write is in the customer's state before "
     "that. Write in a rule of its own."},
    {"R0713", "No place in an answer",
     "`enrich` takes what it writes from the answer: `result.score` is its member `score`, `result.items.0.score` that of the first item of a "
     "list, and `result` the whole answer. It is a path, not a template."},
    // Tests of rules
    {"R0751", "An unknown attribute, event type or field in a test", "The catalog does not declare it."},
    {"R0752", "A value in a test that the catalog does not allow", "The catalog lists the allowed values with `one_of`."},
    {"R0753", "`reload: false` does nothing", "Write `reload: true` where the rules are to be loaded again."},
    {"R0754", "A step of the timeline that does nothing", "A step is something that happens at a time, an `advance`, or an `expect`."},
    {"R0755", "A timeline that goes back",
     "Steps stand in the order of time. A late event has `at:` in the past and `received:` when it came in."},
    {"R0756", "`id` together with `repeat`", "The same id would be the same event, which counts once."},
    {"R0757", "An event from the future",
     "What is dated more than 5 minutes ahead of its arrival is set aside at intake and never reaches the rules."},
    {"R0758", "Two things in one step", "`event`, `attributes` and `tag` are steps of their own."},
    {"R0759", "Two tests with one name", "The name tells which test failed."},
    {"R0760", "An unknown reason", "The expectation names a reason for holding back that does not exist."},
    {"R0761", "An expectation of something that does not exist", "No rule, segment, trait or score has this name."},
    {"R0762", "An expectation without a customer", "With several customers in the test, say which one is meant."},
    {"R0763", "An expectation without a segment", "Say which segment is meant."},
    {"R0764", "An unknown band in a test", "The score has no band with this name."},
    // Templates
    {"R0801", "A template that can't be read",
     "A placeholder is written `{{ customer.name | default: 'customer' }}`: a variable, then filters."},
    {"R0802", "An unknown variable",
     "Variables are `customer.NAME`, `event.FIELD`, `trait.NAME`, `score.NAME`, `band.NAME`, `segment.NAME`, `tags`, `owner.NAME`, "
     "`assignee.NAME`, `rule.NAME`, `goal.NAME`, `now`, and the names that `for` and `assign` make. docs/language.md lists them."},
    {"R0803", "An unknown filter",
     "Filters are default, date, time, number, money, truncate, upcase, downcase, capitalize, mask, join, size, first, last, times, plus, "
     "minus and divided_by."},
    {"R0804", "A filter with wrong arguments", "The message shows an example of the filter."},
    {"R0805", "A variable that is not known here",
     "`event.…` is the event on which the rule fires; a rule that fires on something else has none. `assignee.…` is whom a `call_task` with "
     "`team` is given to; other actions are given to nobody."},
    {"R0806", "A filter that does not fit the value",
     "`date` and `time` need a date or timestamp, `number`, `money` and the arithmetic a number, `join`, `first` and `last` a list. A filter "
     "that makes text comes last."},
    {"R0807", "A tag of a template that is unknown or out of place",
     "Tags are `if`, `unless`, `for`, `assign`, `render`, `comment` and `raw`; each block ends with its own end, such as `{% endif %}`."},
    {"R0808", "A template that is too large or too deep",
     "Blocks, loops and templates within templates are bounded, so that a text is always made in a short time. The message names the limit."},
    {"R0809", "A tag of a template that does not fit the value",
     "A condition compares values of one kind; `for` goes through rows or a list; the assignee can only be shown, since it is chosen last."},
    {"R0810", "A translation that does not fit its template",
     "Languages are tags such as `zh` or `de-CH`, and a translation has no text that the template itself does not have."},
    // Mappings of CSV files
    {"R0851", "A delimiter of more than one character", "A mapping's `delimiter` is one character, or the word `tab`."},
    {"R0852", "An unknown time zone in a mapping",
     "`time_zone` is a name of the IANA data base, such as Asia/Shanghai. Times in the file without a zone are read in it."},
    {"R0853", "A difference of days that does not name two columns",
     "Write `days_between: [from, to]` with the names of two columns that hold dates."},
    {"R0854", "A value of a mapping without one clear source",
     "A value comes from exactly one of `column`, `value` (a constant), `text` (columns in braces), `days_between` and `row_number`."},
    {"R0855", "An attribute or field that the catalog does not have, in a mapping",
     "The left side of a mapping is a name of the catalog, the right side a column of the file."},
    {"R0856", "An entry of `rows` that makes no document, or two",
     "Each entry makes exactly one of `event`, `attributes` and `tag` from a row; further entries make further ones."},
    {"R0857", "An event without a time in a mapping",
     "History needs to know when it happened: `time` names the column, or a constant instant."},
    {"R0858", "An event type that the catalog does not have, in a mapping", "The event after `event:` must be declared in the catalog."},
    {"R0859", "A value of a door's mapping without one clear source",
     "A value comes from a member of the message (its name, or a pointer such as /customer/id), from a header, or is a constant. What a "
     "message is about (`customer`) and of what kind it is (`type`) must be known for each."},
    {"R0860", "A secret of a door that can't be read",
     "Secrets are not written into the mapping: `secret: {file: PATH}` or `secret: {env: NAME}` says where it stands; a list of them is good "
     "while a secret is being changed."},
    // The future
    {"R0901", "Not available in this version",
     "It is part of the language and not built yet. It is refused, because a rule that silently does less than it says is worse than "
     "none."},
    // Legal, but wrong: warnings and notes of `nudge check`
    {"R1001", "A condition that can never hold",
     "Its parts contradict each other, or what the catalog allows: no customer will ever fulfil it. The codes from R1001 on are warnings: "
     "the rules work as written, and most likely not as meant. What is meant so is marked with `allow: [R1001]` on the rule, segment, "
     "trait, score, template or team that the message names."},
    {"R1002", "A condition that always holds",
     "It says nothing: every customer fulfils it at every time, whatever happens. Take it out, or write what was meant."},
    {"R1004", "Rules that feed each other in a loop",
     "Each of these rules does something that makes the next one fire, and the last one makes the first one fire again, with no time and "
     "no person in between that would end it. A rule with `limits: {once_per: …}` ends a loop."},
    {"R1005", "A template variable that may be missing",
     "Where the value is missing the text has a gap. `default` says what to write then; a condition that the value `exists` says that it "
     "is there."},
    {"R1006", "Two rules that reach the same people by the same channel",
     "Both are sales rules, both are active, and what makes the one fire makes the other fire, too: one customer hears twice within a day."},
    {"R1007", "A rule that waits for what nobody can do",
     "It fires when a customer enters or leaves a segment, and nobody can: the segment can never hold, or always holds."},
    {"R1008", "A segment that everybody is in from the start",
     "A customer enters it with the first that is heard of them and never again: the rule fires once for each new customer."},
    {"R1009", "A rule whose condition contradicts its trigger",
     "Whenever the rule is asked, its trigger has just made `if` false. The commonest case: the event that fires the rule counts itself; "
     "`before: trigger` leaves it out."},
    {"R1010", "A condition that the trigger has settled already",
     "When the rule is asked, this part is the same each time: the trigger itself makes it so. The commonest case: the event that fires "
     "the rule counts itself; `before: trigger` leaves it out."},
    {"R1011", "A rule that never fires",
     "It is active, and something in it keeps it from ever firing: `rollout: {percent: 0}`, `max_age: 0s`, or a trigger that is never met."},
    {"R1012", "Defined and not used", "Nothing refers to it. A note, not a warning: it may be there to be looked at."},
    {"R1013", "An `allow` that allows nothing", "The warning does not occur (any more): take the code out of the list."},
    {"R1014", "A text message that is always long",
     "What the author wrote alone, without the values, takes more than three segments, and each segment is paid for. One character outside "
     "the alphabet of GSM-7 makes the whole text UCS-2: 70 characters instead of 160. Also told when a few stray characters, such as a typographic "
     "apostrophe, make several segments of what would be one."},
    {"R1015", "A question that no provider of the channel answers",
     "`on_unknown: verify` asks the provider what became of a message, and neither a mail server nor a chat's robot can be asked. Such a message waits "
     "for a person, as with `hold`. A connector of your own may be able to answer: then allow it."},
    {"R1016", "A translation that is missing",
     "Other templates have texts in this language, so there are customers who speak it; of this template they get its own text."},
});

}  // namespace

std::span<const CodeInfo> all_codes() { return kCodes; }

bool is_warning(std::string_view code) { return code.starts_with("R10") && find_code(code) != nullptr; }

const CodeInfo* find_code(std::string_view code) {
  const auto found = std::find_if(kCodes.begin(), kCodes.end(), [&](const CodeInfo& info) { return info.code == code; });
  return found == kCodes.end() ? nullptr : &*found;
}

}  // namespace nudge::lang

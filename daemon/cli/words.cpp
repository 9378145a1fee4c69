#include "daemon/cli/words.h"

#include <algorithm>
#include <cstdlib>
#include <map>

#include "rules/doc/diagnostic.h"

namespace nudge::cli {
namespace {

Language chosen = Language::english;

const std::map<std::string_view, std::string_view>& chinese_table() {
  static const std::map<std::string_view, std::string_view> kTable = [] {
    std::map<std::string_view, std::string_view> table;
    for (const std::span<const Phrase> phrases : {chinese_phrases(), chinese_answers(), chinese_care()}) {
      for (const Phrase& phrase : phrases) table.emplace(phrase.english, phrase.translated);
    }
    return table;
  }();
  return kTable;
}

std::string_view chinese_title(std::string_view code) {
  const auto codes = chinese_codes();
  const auto found = std::ranges::find(codes, code, &CodePhrase::code);
  return found == codes.end() ? std::string_view() : found->title;
}

constexpr doc::Words kChineseWords{.error = "错误",
                                   .warning = "警告",
                                   .note = "提示",
                                   .in = "位置：",
                                   .detail = "原文：",
                                   .help = "建议：",
                                   .dropped = "…… 另有 {1} 条信息未显示",
                                   .summary = "{1} 个错误，{2} 个警告",
                                   .title = chinese_title};

/// What the environment asks for, as the C library would read it.
std::string_view environment() {
  for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != 0) return value;
  }
  return {};
}

}  // namespace

void choose_language(std::string_view wish) {
  const std::string_view wanted = wish.empty() ? environment() : wish;
  // Traditional Chinese is another written language: who asked for it gets English.
  const bool traditional = wanted.starts_with("zh_TW") || wanted.starts_with("zh_HK") || wanted.starts_with("zh_MO");
  chosen = wanted.starts_with("zh") && !traditional ? Language::chinese : Language::english;
  doc::use_words(chosen == Language::chinese ? &kChineseWords : nullptr);
}

Language language() { return chosen; }

std::string say(std::string_view english, std::initializer_list<std::string_view> values) {
  std::string_view text = english;
  if (chosen == Language::chinese) {
    if (const auto found = chinese_table().find(english); found != chinese_table().end()) text = found->second;
  }
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool placeholder = text[i] == '{' && i + 2 < text.size() && text[i + 1] >= '1' && text[i + 1] <= '9' && text[i + 2] == '}';
    const std::size_t index = placeholder ? static_cast<std::size_t>(text[i + 1] - '1') : values.size();
    if (index >= values.size()) {
      out += text[i];
      continue;
    }
    out += values.begin()[index];
    i += 2;
  }
  return out;
}

}  // namespace nudge::cli

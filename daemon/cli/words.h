// The language that the command line speaks: English, or Simplified Chinese by `--lang zh` or the environment (LC_ALL, LC_MESSAGES, LANG).
//
// A message is written in English where it is said, `say("{1} of {2} passed", {a, b})`, and that text is its id in the other language's
// table (words_zh.cpp). tests/e2e/cli/test_languages.py finds every id that the table lacks and every placeholder that does not agree, so a
// text without a translation is shown in English only in a build whose tests fail.
//
// The language is chosen once, before anything is said; after that all functions may run on any thread.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace nudge::cli {

enum class Language : unsigned char { english, chinese };

// `wish`: what --lang said ("en", "zh"), empty for the environment's wish. Also chooses the words of diagnostics.
void choose_language(std::string_view wish);
Language language();

// The message in the chosen language with {1}, {2} … replaced.
std::string say(std::string_view english, std::initializer_list<std::string_view> values = {});

struct Phrase {
  std::string_view english, translated;
};
// The tables of Simplified Chinese: helps and messages, what commands answer, and the titles and explanations of codes.
std::span<const Phrase> chinese_phrases();
std::span<const Phrase> chinese_answers();
std::span<const Phrase> chinese_care();
struct CodePhrase {
  std::string_view code, title, explanation;
};
std::span<const CodePhrase> chinese_codes();

}  // namespace nudge::cli

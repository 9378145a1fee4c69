#!/usr/bin/env python3
"""The command line in Simplified Chinese: every code, every message and every help text has it, nothing falls back to English in silence.

NUDGE_UPDATE_GOLDEN=1 writes the pages under docs/codes/zh anew; then read the diff.
"""
import os
import pathlib
import re
import tempfile
import unittest

from support import REPO, RULES, nudge, project
from test_authoring import TESTS

CLI = REPO / "daemon" / "cli"
PAGES = REPO / "docs" / "codes"
CHINESE = re.compile(r"[\u4e00-\u9fff]")
ENGLISH_WORDS = re.compile(r"\b[a-z']{2,} [a-z']{2,} [a-z']{2,}")
LITERAL = r'"((?:[^"\\]|\\.)*)"'
# Two words of lower-case letters in a row, or one with a sentence's punctuation: that is read by people.
PROSE = re.compile(r"(?<![\w<&=-])[a-z']{2,}[,:;]? [a-z']{2,}(?![\w=(\"<])")
# Files written for the user, schemas, tables of words, and the daemon's own program, which speaks English like its log.
NOT_SAID = {"new.cpp", "schema.cpp", "nudged_main.cpp", "words.cpp", "words_zh.cpp", "words_zh_answers.cpp", "words_zh_care.cpp", "codes_zh.cpp"}
# Literals that are compared with, stored, or said where they are looked up (tests say what was expected in words of rules/testing).
# The bundle that `doctor` writes for whoever helps is in English, as the log is.
NOT_SHOWN = {"nudge --local DIR user create NAME --role admin", "no answer: ", "Made by nudge ", "the file can't be used\\n", "connector of kind ",
             " for whoever is to help: figures, names of rules and what the doctor found.\\n",
             "No customers, no messages, no secrets. Read it before you send it. `nudged --print-config` shows the settings.\\n",
             "no rule", "rollback to version ", "nudge: rules for sales, checked, tested, run and explained", "held back", "what happened", "open tasks", "in it",
             "trim: true\\nrows:\\n  - customer: ", "not in it", "to be in it", "not to be in it", "band of", "held back by"}
# A word of the product has one Chinese word (docs/glossary-zh.md); these are the others that people would use for it.
OTHER_WORDS = ["顾客", "用户群", "人群包", "触发器", "标识符", "数据目录", "钩子", "细分", "片段", "得分", "打分"]


def strings_of(text, call):
    """The first arguments of calls, with adjacent literals joined."""
    for found in re.finditer(rf"\b{call}\(\s*((?:{LITERAL}\s*)+)[,)]", text):
        yield re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m.group(1), m.group(1)), "".join(re.findall(LITERAL, found.group(1))))


def table(name, columns):
    """The rows of a table of literals in a source file."""
    text = (CLI / name).read_text()
    one = rf"(?:{LITERAL}\s*)+"
    row = re.compile(r"\{\s*(" + r"),\s*(".join([rf"(?:\"(?:[^\"\\]|\\.)*\"\s*)+"] * columns) + r")\}")
    del one
    unescape = lambda s: re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m.group(1), m.group(1)), "".join(re.findall(LITERAL, s)))
    return [tuple(unescape(cell) for cell in found.groups()) for found in row.finditer(text)]


def phrase_rows():
    return [row for name in sorted(path.name for path in CLI.glob("words_zh*.cpp")) for row in table(name, 2)]


def helps_of(path):
    """The descriptions of the program's commands and options: the help itself is asked for them (test_every_help_text_is_chinese)."""
    return {english for english, _ in phrase_rows()} if path.name in ("nudge_main.cpp", "admin_commands.cpp", "door_commands.cpp", "outbox.cpp", "leads.cpp", "opportunities.cpp") else set()


def without_calls(text, call):
    """The text without the arguments of these calls, nested parentheses and braces included."""
    out, at = "", 0
    while (found := re.compile(call + r"\(").search(text, at)) is not None:
        out += text[at:found.end()]
        depth, i, quoted = 1, found.end(), False
        while depth > 0 and i < len(text):
            c = text[i]
            if c == "\\" and quoted:
                i += 1
            elif c == '"':
                quoted = not quoted
            elif not quoted:
                depth += (c == "(") - (c == ")")
            i += 1
        at = i - 1
    return out + text[at:]


def codes(language):
    """{code: (title, explanation)} as `nudge explain-code` tells them."""
    ran = nudge("--lang", language, "explain-code", "all")
    assert ran.code == 0, ran
    found = re.findall(r"^(R\d{4})  (.*)\n\n([\s\S]*?)\n\n(?=R\d{4}  |\Z)", ran.out + "\n", re.MULTILINE)
    return {code: (title, text) for code, title, text in found}


def commands(prefix=()):
    """All commands, by their help."""
    yield prefix
    out = nudge("--lang", "en", *prefix, "--help").out
    listed = re.search(r"^Subcommands:\n((?:[ ]+.*\n?)+)", out, re.MULTILINE)
    for name in re.findall(r"^  (\S+)", listed.group(1), re.MULTILINE) if listed else []:
        yield from commands((*prefix, name))


class Codes(unittest.TestCase):
    maxDiff = None

    def test_every_code_has_both_pages(self):
        english, chinese = codes("en"), codes("zh")
        self.assertGreater(len(english), 100)
        translated = {code for code, _, _ in table("codes_zh.cpp", 3)}
        self.assertEqual(sorted(set(english) - translated), [],
                         "these codes have no Chinese text: add {code, title, explanation} to daemon/cli/codes_zh.cpp, then NUDGE_UPDATE_GOLDEN=1 for the pages")
        for code, (title, text) in chinese.items():
            with self.subTest(code=code):
                self.assertRegex(title + text, CHINESE)
                self.assertNotEqual(title, english[code][0])
                # what stands in backquotes is what is typed: it must be the same words in both
                typed = lambda s: {re.sub(r"\s", "", t) for t in re.findall(r"`([a-z_]+):?[^`]*`", s)}
                self.assertEqual(typed(text) - typed(" ".join(english[code])) - {"if", "then", "exists", "default", "set_attribute", "add_tag", "task", "message", "after", "until", "stop"}, set())
        index = "# 提示信息的代码\n\n`nudge --lang zh explain-code R0304` 在命令行显示同样的内容。代码的含义不会改变。\n\n| 代码 | |\n|---|---|\n"
        for code in english:
            title, text = chinese[code]
            page = f"# {code}：{title}\n\n{text}\n"
            original = PAGES / f"{code}.md"
            self.assertTrue(original.is_file(), f"docs/codes/{code}.md is missing: rules_golden_test writes it with NUDGE_UPDATE_GOLDEN=1")
            if (example := re.search(r"## Example\n\n(```\n[\s\S]*?```\n)", original.read_text())) is not None:
                page += f"\n## 示例\n\n{example.group(1)}"
            index += f"| [{code}]({code}.md) | {title} |\n"
            self.page(PAGES / "zh" / f"{code}.md", page)
        self.page(PAGES / "zh" / "README.md", index)
        self.assertEqual({p.stem for p in (PAGES / "zh").glob("R[0-9]*.md")}, set(english), "a page without a code")

    def page(self, path, text):
        if os.environ.get("NUDGE_UPDATE_GOLDEN"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        self.assertTrue(path.is_file(), f"{path.relative_to(REPO)} is missing: write it with NUDGE_UPDATE_GOLDEN=1 in this test")
        self.assertEqual(path.read_text(), text, f"{path.relative_to(REPO)} is not what the table says: write it with NUDGE_UPDATE_GOLDEN=1 in this test")


class Messages(unittest.TestCase):
    maxDiff = None

    def test_every_message_has_both_languages_and_the_same_placeholders(self):
        rows = phrase_rows()
        phrases = dict(rows)
        self.assertGreater(len(phrases), 100)
        said = set()
        for path in sorted(CLI.glob("*.cpp")):
            text = path.read_text()
            said |= set(strings_of(text, "say"))
            said |= {"{1} " + word for word in re.findall(rf"\bcounted\((?:[^;]*?),\s*{LITERAL}[,)]", text)}
            for headers in re.findall(rf"\bTable(?: \w+)?\(\{{((?:\s*{LITERAL},?)+)\s*\}}", text):
                said |= {header.removeprefix(">") for header in re.findall(LITERAL, headers[0])} - {""}
        self.assertGreater(len(said), 30)
        self.assertEqual(sorted(said - set(phrases)), [], "no Chinese text: add it to daemon/cli/words_zh.cpp")
        for english, chinese in phrases.items():
            with self.subTest(english=english):
                self.assertEqual(sorted(re.findall(r"\{\d\}", english)), sorted(re.findall(r"\{\d\}", chinese)))
                self.assertNotIn("  ", chinese)

    def test_what_people_read_is_said(self):
        """Every literal that reads like English goes through say(), in every command; one that a person never reads is named here."""
        found = []
        for path in sorted(CLI.glob("*.cpp")):
            if path.name in NOT_SAID:
                continue
            text = re.sub(r"^\s*//.*$|\s//[^\"\n]*$|R\"(\w*)\([\s\S]*?\)\1\"", "", path.read_text(), flags=re.MULTILINE)
            text = re.sub(r"'\\?\"'", "' '", text)  # the character, which begins no literal
            # what is looked up by its text: helps (test_every_help_text_is_chinese asks for them), tables' headers, counted words
            for call in (r"\bsay", r"\bcounted", r"->check", r"\bdescription", r"\bTable(?: \w+)?"):
                text = without_calls(text, call)
            helps = helps_of(path)
            if helps:
                for call in (r"add_option", r"add_flag", r"add_subcommand", r"\badd", r"\bask", r"\bmake"):
                    text = without_calls(text, call)
            found += [f"{path.name}: {literal}" for literal in re.findall(LITERAL, text)
                      if PROSE.search(literal) and not literal.startswith("<") and literal not in NOT_SHOWN | helps]
        self.assertEqual(found, [], "these are shown in English whatever the language: wrap them in say()")

    def test_every_help_text_is_chinese(self):
        every = list(commands())
        self.assertGreater(len(every), 20)
        for command in every:
            out = nudge("--lang", "zh", *command, "--help").out
            for line in out.splitlines():
                with self.subTest(command=" ".join(command)):
                    self.assertFalse(ENGLISH_WORDS.search(line) and not CHINESE.search(line),
                                     f"no Chinese text for a description: add it to daemon/cli/words_zh.cpp: {line.strip()}")
            self.assertRegex(out, "用法|选项")

    def test_one_word_for_one_thing(self):
        glossary = (REPO / "docs" / "glossary-zh.md").read_text()
        texts = [zh for _, zh in phrase_rows()] + [title + text for _, title, text in table("codes_zh.cpp", 3)]
        for word in OTHER_WORDS:
            for text in texts:
                self.assertNotIn(word, text)
        for english, chinese in re.findall(r"^\| ([a-z ]+) \| ([^|]+) \|", glossary, re.MULTILINE):
            self.assertTrue(any(chinese.strip() in text for text in texts), f"the glossary says {chinese.strip()} for {english}, and no text uses it")


class Speaking(unittest.TestCase):
    def setUp(self):
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self.folder = pathlib.Path(temp.name)

    def test_the_environment_and_the_option_choose(self):
        def language(env, *options):
            clean = {"LC_ALL": "", "LC_MESSAGES": "", "LANG": ""}
            return "zh" if CHINESE.search(nudge(*options, "--help", env={**clean, **env}).out) else "en"
        self.assertEqual(language({}), "en")
        self.assertEqual(language({"LANG": "zh_CN.UTF-8"}), "zh")
        self.assertEqual(language({"LANG": "zh_CN.UTF-8", "LC_ALL": "en_US.UTF-8"}), "en")
        self.assertEqual(language({"LC_MESSAGES": "zh_SG.UTF-8", "LANG": "de_DE.UTF-8"}), "zh")
        self.assertEqual(language({"LANG": "zh_TW.UTF-8"}), "en")
        self.assertEqual(language({"LANG": "zh_CN.UTF-8"}, "--lang", "en"), "en")
        self.assertEqual(language({}, "--lang=zh"), "zh")

    def test_diagnostics_keep_code_and_place(self):
        folder = project(self.folder, rules=RULES.replace("attribute: tier", "attribute: teir").replace("event: order_placed, within: 30d", "event: order_plased, within: 30d"))
        head = re.compile(r"^(\S+:\d+:\d+): \S+ (R\d{4}): (.*)$", re.MULTILINE)
        english, chinese = (nudge("--lang", one, "check", folder) for one in ("en", "zh"))
        self.assertEqual((english.code, chinese.code), (1, 1))
        self.assertEqual([found[:2] for found in head.findall(english.out)], [found[:2] for found in head.findall(chinese.out)])
        self.assertEqual([title for _, _, title in head.findall(chinese.out)], ["未知的事件类型", "未知的属性"])
        self.assertIn("错误 R0301", chinese.out)
        self.assertIn("原文：", chinese.out)
        self.assertIn("2 个错误，0 个警告", chinese.out)
        self.assertEqual(nudge("--lang", "zh", "-o", "json", "check", folder).out, nudge("-o", "json", "check", folder, env={"LANG": "C", "LC_ALL": "C"}).out)

    def test_tests_scaffolds_and_mistakes_speak_chinese(self):
        folder = project(self.folder, tests=TESTS.replace("Thank Wang", "Thank Li"))
        ran = nudge("--lang", "zh", "test", folder, "--coverage")
        for part in ("失败  a big order", "规则 big-order，客户 c1，动作 1", "预期", "实际", "1 个测试，1 个预期：1 个失败", "从未", "覆盖率："):
            self.assertIn(part, ran.out)
        self.assertIn("正确: 1 条规则, 1 个客户群, 0 个指标, 0 个评分, 1 个团队, 1 个测试，共 3 个文件", nudge("--lang", "zh", "check", folder).out)
        self.assertIn("已写入", nudge("--lang", "zh", "new", "project", folder / "new").out)
        self.assertIn("命令行有误", nudge("--lang", "zh", "no-such").err)
        self.assertIn("没有代码 R9999", nudge("--lang", "zh", "explain-code", "R9999").err)
        self.assertIn("未知的客户群", nudge("--lang", "zh", "explain-code", "r0304").out)
        self.assertIn("没有目录", nudge("--lang", "zh", "check", folder / "nowhere").err)


if __name__ == "__main__":
    unittest.main(verbosity=2)

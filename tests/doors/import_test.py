#!/usr/bin/env python3
"""Files of rows into a real nudged: workbooks as real libraries write them, CSV as Excel saves it, and an import that is killed in the middle.

usage: import_test.py BUILD_DIRECTORY, with NUDGED and NUDGE. Ends with 77 (skipped) when the libraries can't be installed. ROWS: of the long file.
"""
import csv
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import unittest
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e" / "daemon"))
sys.path.insert(0, str(HERE))
from harness import Daemon  # noqa: E402
from support import install_python  # noqa: E402

PAGE = (HERE.parents[1] / "docs" / "first-customers.md").read_text(encoding="utf-8")
ROWS = int(os.environ.get("ROWS", 12_000))
RULES = """
rules:
  gold-call:
    description: A gold customer who logs in gets a call
    category: sales
    state: shadow
    when: {event: login}
    if: {attribute: tier, equals: gold}
    then: [{ticket: {subject: "call"}}]
"""
WORKBOOKS = r'''
import datetime, sys
import openpyxl, xlsxwriter
folder = sys.argv[1]

def rows(wrong):
    out = []
    for i in range(1, 21):
        out.append(["K-%03d" % i, "王芳" if i == 1 else "Customer %d" % i, "+86138000%05d" % i, ["Gold", "silver", "Bronze"][i % 3 - 1],
                    datetime.date(2026, 12, 31) if i % 2 else None, 12500.5 if i == 1 else 800 + i / 10])
    if wrong:
        out[2][3], out[5][2] = "gld", "call me"
    return out

HEAD = ["No", "Name", "Phone", "Level", "Contract until", "Yearly"]
for name, wrong in (("first", True), ("customers", False)):
    book = openpyxl.Workbook()
    book.active.title = "Notes"
    book.active.append(["not this one"])
    sheet = book.create_sheet("Customers")
    sheet.append(HEAD)
    for row in rows(wrong):
        sheet.append(row)
    book.save(f"{folder}/{name}.xlsx")

book = xlsxwriter.Workbook(f"{folder}/kinds.xlsx")
sheet = book.add_worksheet("Orders")
date, stamp = book.add_format({"num_format": "dd/mm/yyyy"}), book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
rich = book.add_format({"bold": True})
sheet.write_row(2, 1, ["who", "when", "amount", "note", "paid", "day"])   # the table begins at B3
sheet.write_row(3, 1, ["x1"])
sheet.write_datetime(3, 2, datetime.datetime(2026, 1, 2, 3, 4, 5), stamp)
sheet.write_number(3, 3, 0.1 + 0.2)
sheet.write_rich_string(3, 4, "half ", rich, "bold")
sheet.write_boolean(3, 5, True)
sheet.write_datetime(3, 6, datetime.datetime(2026, 1, 2), date)
sheet.write_row(5, 1, [1234567890123])                                    # a customer whose id is a number; row 5 is empty
sheet.write_datetime(5, 2, datetime.datetime(2026, 1, 3), stamp)
sheet.write_formula(5, 3, "=2*3", None, 6)
sheet.write_string(5, 4, "a\nb & <c>")
book.close()

book = xlsxwriter.Workbook(f"{folder}/long.xlsx", {"constant_memory": True})
sheet = book.add_worksheet("Customers")
sheet.write_row(0, 0, HEAD)
for i in range(int(sys.argv[2])):
    sheet.write_row(i + 1, 0, ["L-%07d" % i, "Somebody %d" % i, "+8613812345678", "Gold"])
book.close()
book = xlsxwriter.Workbook(f"{folder}/old-calendar.xlsx", {"date_1904": True})
sheet = book.add_worksheet("Customers")
sheet.write_row(0, 0, HEAD)
sheet.write_row(1, 0, ["M-1"])
sheet.write_datetime(1, 4, datetime.datetime(2026, 5, 6), book.add_format({"num_format": "d.m.yy"}))
book.close()
'''


def block(name):
    """A file that the page shows."""
    return re.search(rf"```yaml\n# file: {re.escape(name)}\n([\s\S]*?)```", PAGE).group(1)


def answers():
    """The commands of the page with what they answer."""
    out = []
    for text in re.findall(r"```console\n([\s\S]*?)```", PAGE):
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, answer = part.partition("\n")
            out.append((command, answer))
    return out


class Import(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.d = Daemon(rules=RULES, catalog=block("schemas/catalog.yaml")).start()
        cls.folder = pathlib.Path(cls.d.home)
        subprocess.run([str(PYTHON), "-c", WORKBOOKS, str(cls.folder), str(ROWS)], check=True, timeout=120)
        cls.d.write("customers.map.yaml", block("customers.map.yaml"))
        cls.d.write("login.json", json.dumps({"customer": "K-001", "event": "login", "id": "l1"}))

    @classmethod
    def tearDownClass(cls):
        cls.d.counters()
        cls.d.close()

    def command(self, *words):
        return [os.environ["NUDGE"], "--url", f"http://127.0.0.1:{self.d.port}", "--lang", "en", *map(str, words)]

    def nudge(self, *words, code=0):
        ran = subprocess.run(self.command(*words), capture_output=True, text=True, cwd=self.folder, timeout=120)
        self.assertEqual(ran.returncode, code, ran.stdout + ran.stderr)
        return ran.stderr + ran.stdout

    def attributes(self, customer):
        return self.d.get("/v1/customers/" + customer + "?personal=full")["attributes"]

    def test_the_page(self):
        """docs/first-customers.md, word for word."""
        (self.folder / "customers.xlsx").rename(self.folder / "good.xlsx")
        (self.folder / "first.xlsx").rename(self.folder / "customers.xlsx")
        for command, answer in answers():
            words = command.split()[1:]
            dry = "--dry-run" in words
            if words[0] == "import" and not dry:
                (self.folder / "good.xlsx").replace(self.folder / "customers.xlsx")
            got = self.nudge(*words, code=1 if dry else 0)
            if answer:
                self.assertEqual(got, answer, command)
            else:
                self.assertIn("K-00", got)
        self.assertEqual(self.attributes("K-001"), {"name": "王芳", "phone": "+8613800000001", "tier": "gold", "contract_end": "2026-12-31", "annual_spend": 12500.5})
        self.assertEqual(self.attributes("K-002")["annual_spend"], 800.2)
        self.assertIn("0 stored, 20 known already", self.nudge("import", "customers.xlsx", "-m", "customers.map.yaml"))
        self.assertEqual(self.d.get("/v1/customers?prefix=K-&total=true")["total"], 20)

    def test_kinds_of_cells(self):
        self.d.write("kinds.map.yaml", "sheet: Orders\nrows:\n  - customer: who\n    event: order_placed\n    time: when\n    data: {amount: amount, order_no: note}\n"
                                       "  - customer: who\n    time: when\n    attributes: {contract_end: {column: day, format: \"%d.%m.%Y\"}, name: paid}\n")
        self.assertIn("2 rows:", self.nudge("import", "kinds.xlsx", "-m", "kinds.map.yaml", code=1))
        first = self.d.get("/v1/customers/x1?personal=full")
        self.assertEqual([(e["time"], e["data"]) for e in first["events"]], [("2026-01-02T03:04:05Z", {"amount": 0.3, "order_no": "half bold"})])
        self.assertEqual(first["attributes"], {"contract_end": "2026-01-02", "name": "true"})
        self.assertEqual([e["data"] for e in self.d.get("/v1/customers/1234567890123")["events"]], [{"amount": 6, "order_no": "a\nb & <c>"}])

    def test_sheets_calendars_and_damage(self):
        run = lambda file, *more, code=1: self.nudge("import", file, "-m", "customers.map.yaml", "--dry-run", *more, code=code)
        self.assertIn('"contract_end":"2026-05-06"', run("old-calendar.xlsx", code=0))
        self.assertIn("no sheet `Kunden`; it has: `Notes`, `Customers`", run("first.xlsx" if (self.folder / "first.xlsx").exists() else "customers.xlsx", "--sheet", "Kunden"))
        whole = (self.folder / "long.xlsx").read_bytes()
        for name, data, what in (("cut.xlsx", whole[:len(whole) // 2], "damaged"), ("bent.xlsx", whole[:5000] + b"\xff" * 50 + whole[5050:], "damaged"),
                                 ("old.xls", b"\xd0\xcf\x11\xe0" + b"\0" * 600, "save it as .xlsx")):
            (self.folder / name).write_bytes(data)
            self.assertIn(what, run(name))
        with zipfile.ZipFile(self.folder / "evil.xlsx", "w", zipfile.ZIP_DEFLATED) as z:
            z.writestr("xl/workbook.xml", '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><workbook>&b;</workbook>')
        self.assertIn("damaged", run("evil.xlsx"))
        with zipfile.ZipFile(self.folder / "other.xlsx", "w") as z:
            z.writestr("word/document.xml", "<w/>")
        self.assertIn("no Excel workbook", run("other.xlsx"))

    def test_csv_as_a_chinese_excel_saves_it(self):
        (self.folder / "cn.csv").write_bytes("No;Name;Phone;Level;Contract until;Yearly\nC-1;王芳;+8613800000001;Gold;2026-12-31;1\n".encode("gb18030"))
        self.d.write("cn.map.yaml", block("customers.map.yaml").replace("sheet: Customers\n", ""))
        out = self.nudge("import", "cn.csv", "-m", "cn.map.yaml")
        self.assertIn("read as GB18030", out)
        self.assertIn("separated by `;`", out)
        self.assertEqual(self.attributes("C-1")["name"], "王芳")

    def test_every_problem_is_in_the_file(self):
        (self.folder / "bad.csv").write_text("No,Name,Phone,Level,Contract until,Yearly\n" + "".join(f"E-{i},n,no phone,Gold,2026-13-01,1\n" for i in range(30)), encoding="utf-8")
        self.d.write("cn.map.yaml", block("customers.map.yaml").replace("sheet: Customers\n", ""))
        out = self.nudge("import", "bad.csv", "-m", "cn.map.yaml", "--errors", "errors.csv", "--dry-run", code=1)
        self.assertIn("line 2, column Phone:", out)
        with open(self.folder / "errors.csv", newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        self.assertEqual(len(lines), 60)
        self.assertEqual((lines[1]["file"], lines[1]["line"], lines[1]["column"]), ("bad.csv", "2", "Contract until"))

    def test_killed_in_the_middle_it_goes_on(self):
        words = ("import", "long.xlsx", "-m", "customers.map.yaml", "--batch", "200")
        state = self.folder / "long.xlsx.nudge-import"
        process = subprocess.Popen(self.command(*words), cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        end = time.monotonic() + 60
        while not state.exists() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        self.assertTrue(state.exists(), "it was through before it could be killed")
        there = int(state.read_text().splitlines()[1])
        self.assertTrue(0 < there < ROWS)
        out = self.nudge(*words)
        going_on = int(re.search(r"going on after row (\d+)", out).group(1))
        self.assertGreaterEqual(going_on, there)
        stored, known = map(lambda n: int(n.replace(",", "")), re.search(r"([\d,]+) stored, ([\d,]+) known already", out).groups())
        self.assertEqual(stored + known, ROWS - going_on, "rows before that were not sent again")
        self.assertLessEqual(known, 200, "at most what was on its way")
        self.assertEqual(self.d.get("/v1/customers?prefix=L-&total=true&limit=1")["total"], ROWS)
        self.assertFalse(state.exists())
        # a file that has changed since begins anew
        state.write_text("another file\n100\n")
        self.assertNotIn("going on", self.nudge(*words, "--dry-run"))


if __name__ == "__main__":
    PYTHON = install_python(pathlib.Path(sys.argv.pop(1)).resolve() / "python")
    unittest.main(verbosity=2)

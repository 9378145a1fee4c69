#!/usr/bin/env python3
"""The demo company: Spruce Tools (云杉工具), 2,000 customers, two years of history. Deterministic: the same seed and day give the same files.

  company.py --out DIR [--day 2026-11-21] [--customers 2000] [--seed 7]
"""
import argparse
import csv
import datetime
import gzip
import pathlib
import random

DAY = datetime.timedelta(days=1)
REGIONS = ("east", "north", "south", "west")
SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹"
GIVEN = "芳 伟 娜 敏 静 丽 强 磊 军 洋 勇 艳 杰 娟 涛 明 超 秀英 建华 志强 海燕 晓东 春梅 文博 雨桐 子涵 思远 佳怡".split()
FIRST = "Anna Ben Clara David Emma Frank Grace Henry Ivy Jack Kate Leo Mia Noah Olivia Paul Rose Sam Tina Victor".split()
LAST = "Adams Baker Clark Davis Evans Foster Green Harris Irving Jones King Lewis Miller Nelson Owen Parker Reed Scott Turner Ward".split()
COMPANIES = "Harbour Northwind Summit Riverside Bluebird Redwood Lakeside Granite Orchard Beacon".split()
TRADES = "Tools Logistics Machines Foods Textiles Clinics Print Energy Schools Hotels".split()
SOURCES = ("exhibition", "search", "referral", "mail", "advertising")
HEROES = 7      # roles in the story: one customer each …
STORIES = 24    # … for so many runs

# Who plays in the story, by role; see demo.py.
DORMANT, HOT_LEAD, QUOTE, TICKETS, ORDER, CONTRACT, NEGLECTED = range(HEROES)


def hero_id(story, role):
    return f"C{story % STORIES * HEROES + role + 1:05d}"


class Company:
    def __init__(self, day, customers, seed):
        self.day, self.random = day, random.Random(seed)
        self.customers = [self.customer(n) for n in range(1, customers + 1)]
        self.contacts, self.orders = [], []
        for customer in self.customers:
            self.history(customer)
        self.contacts.sort(key=lambda r: (r["time"], r["customer"], r["kind"], r["ref"]))
        self.orders.sort(key=lambda r: (r["time"], r["customer"], r["order"]))

    def name(self):
        r = self.random
        kind = r.random()
        if kind < 0.6:
            return r.choice(SURNAMES) + r.choice(GIVEN)
        if kind < 0.85:
            return f"{r.choice(FIRST)} {r.choice(LAST)}"
        return f"{r.choice(COMPANIES)} {r.choice(TRADES)}"

    def customer(self, n):
        r = self.random
        role = (n - 1) % HEROES if n <= HEROES * STORIES else None
        size = r.choice((1, 3, 8, 20, 45, 90, 150, 400))
        tier = r.choices(("bronze", "silver", "gold"), (6, 3, 1))[0]
        if role == DORMANT:
            tier = r.choice(("silver", "gold"))
        if role == HOT_LEAD:
            size = r.choice((250, 500, 1200))
        return {
            "id": f"C{n:05d}", "role": role, "name": self.name(), "email": f"customer{n:05d}@mail.example", "phone": f"+8613{r.randrange(10**9):09d}",
            "tier": tier, "region": r.choice(REGIONS), "company_size": size, "lead_source": "search" if role == HOT_LEAD else r.choice(SOURCES),
            "owner": r.choice(("lin", "ma", "kate", "chen", "olga", "diego")),
            "contract_end": (self.day + r.randrange(120 if role == CONTRACT else 15, 700) * DAY).isoformat() if role == CONTRACT or r.random() < 0.5 else "",
            "annual_spend": f"{r.randrange(200, 90_000)}.{r.randrange(100):02d}", "timezone": "Asia/Shanghai" if r.random() < 0.8 else r.choice(("Europe/Berlin", "America/New_York", "")),
            "since": (self.day - r.randrange(740, 1500) * DAY).isoformat(),
        }

    def at(self, days_ago):
        """A moment in working hours, so many days ago."""
        r = self.random
        moment = datetime.datetime.combine(self.day, datetime.time(), datetime.timezone.utc) - days_ago * DAY
        return (moment + datetime.timedelta(seconds=r.randrange(1 * 3600, 14 * 3600))).strftime("%Y-%m-%dT%H:%M:%SZ")

    def contact(self, customer, days_ago, kind, ref="", text="", amount=""):
        self.contacts.append({"customer": customer["id"], "time": self.at(days_ago), "kind": kind, "ref": ref, "text": text, "amount": amount})

    def history(self, c):
        r, role = self.random, c["role"]
        # Some keep coming, some have stopped at some time; the returning one has been silent for more than a year.
        stopped = r.choice((1, 1, 1, 1, 5, 40, 200, 380, 500)) if role is None else 2
        if role == DORMANT:
            stopped = r.randrange(380, 560)
        for _ in range(r.randrange(2, 16)):
            self.contact(c, r.randrange(stopped, 730), "login", text=r.choice(("web", "app")))
        self.contact(c, stopped, "login", text="web")
        for n in range(r.choice((0, 1, 2, 3, 6))):
            amount = f"{r.randrange(20, 4000)}.{r.randrange(100):02d}"
            quoted = r.random() < 0.4
            quote = f"Q-{c['id'][1:]}-{n + 1}" if quoted else ""
            days = r.randrange(max(stopped, 10), 730)
            if quoted:
                self.contact(c, days + 2, "quote_sent", quote, amount=amount)
            self.orders.append({"customer": c["id"], "time": self.at(days), "order": f"O-{c['id'][1:]}-{n + 1}", "quote": quote, "amount": amount, "channel": r.choice(("shop", "phone", "field"))})
        for n in range(r.choice((0, 0, 0, 1, 2)) if role != DORMANT else 0):
            days = r.randrange(20, 700)
            self.contact(c, days, "ticket_opened", f"T-{c['id'][1:]}-{n + 1}", text=r.choice(("delivery", "invoice", "defect", "return")))
            self.contact(c, days - r.randrange(1, 6), "ticket_closed", f"T-{c['id'][1:]}-{n + 1}")
        if r.random() < 0.3 and role not in (NEGLECTED, DORMANT):
            days = r.randrange(100, 700)
            self.contact(c, days, "lead_assigned", text=c["owner"])
            self.contact(c, days - 2, "follow_up", text=r.choice(("reached", "no answer", "wants a quote")))
            self.contact(c, days - 20, "lead_closed", text=r.choice(("won", "lost", "duplicate")))
        for _ in range(r.choice((0, 0, 1, 3))):
            self.contact(c, r.randrange(max(stopped, 15), 720), "page_viewed", text=r.choice(("/", "/tools", "/service", "/about")))
        if role is None and r.random() < 0.12:  # looks at the prices twice: some of these are hot leads already
            for _ in range(2):
                self.contact(c, r.randrange(2, 5), "page_viewed", text="/pricing")
        if role == TICKETS:
            self.contact(c, 4, "ticket_opened", f"T-{c['id'][1:]}-8", text="delivery")
            self.contact(c, 2, "ticket_opened", f"T-{c['id'][1:]}-9", text="invoice")

    def write(self, out):
        out.mkdir(parents=True, exist_ok=True)
        columns = [k for k in self.customers[0] if k != "role"]
        write_csv(out / "customers.csv", columns, self.customers)
        write_csv(out / "contacts.csv.gz", list(self.contacts[0]), self.contacts)
        write_csv(out / "orders.csv", list(self.orders[0]), self.orders)


def write_csv(path, columns, rows):
    # A fixed time in the gzip header, so that equal content gives equal files.
    raw = open(path, "wb")
    packed = gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) if path.suffix == ".gz" else raw
    lines = [",".join(columns)]
    with raw:
        import io
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
        writer.writerows(rows)
        packed.write((lines[0] + "\n" + text.getvalue()).encode())
        if packed is not raw:
            packed.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--day", type=datetime.date.fromisoformat, default=datetime.datetime.now(datetime.timezone.utc).date())
    parser.add_argument("--customers", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    company = Company(args.day, args.customers, args.seed)
    company.write(args.out)
    print(f"{len(company.customers)} customers, {len(company.contacts)} contacts, {len(company.orders)} orders in {args.out}")


if __name__ == "__main__":
    main()

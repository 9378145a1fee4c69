"""A day at the company: customers come back, ask, order and complain; salespeople do what their lists say. So that the console has something to show."""
import datetime
import json
import random
import threading

import company

UTC = datetime.timezone.utc
# What customers do, how often, and with what.
DOINGS = [
    (40, "login", lambda r, n: {"device": r.choice(["app", "web"])}),
    (14, "order_placed", lambda r, n: {"order": f"D-{n}", "amount": r.choice([49.9, 129.0, 349.0, 899.5, 2499.0]), "channel": r.choice(["shop", "web"])}),
    (10, "quote_requested", lambda r, n: {"quote": f"DQ-{n}", "amount": r.choice([1800, 7400, 18500, 42000])}),
    (6, "ticket_opened", lambda r, n: {"ticket": f"DT-{n}", "topic": r.choice(["defect", "delivery", "invoice"])}),
]
# What comes of a call, and what is noted.
RESULTS = [
    (5, "won", "Orders again; the contract goes out today."),
    (6, "connected", "Wants the new price list."),
    (4, "no_answer", ""),
    (3, "call_back", "In a meeting, asks for a call later."),
    (3, "not_interested", "Has changed to another supplier."),
    (1, "wrong_number", ""),
]


WARES = ["40 drills for the new hall", "Yearly service", "Spare parts, framework contract", "12 saws, 3 benches", "Workshop for a school", "Leasing of 20 grinders"]


def chosen(source, rows):
    return source.choices(rows, weights=[row[0] for row in rows])[0]


class Day:
    def __init__(self, nudge, customers, run_id, people):
        self.nudge, self.run_id, self.people = nudge, run_id, sorted(people)
        self.random = random.Random(7)
        self.customers = [f"C{n + 1:05d}" for n in range(company.STORIES * company.HEROES, customers)]
        self.sent = 0
        self.over = threading.Event()

    def happens(self, count):
        """So many customers do something now."""
        lines = []
        for _ in range(count):
            self.sent += 1
            _, event, data = chosen(self.random, DOINGS)
            at = datetime.datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            lines.append(json.dumps({"customer": self.random.choice(self.customers), "event": event, "id": f"day-{self.run_id}-{self.sent}", "time": at,
                                     "data": data(self.random, f"{self.run_id}-{self.sent}")}))
        self.nudge.send("\n".join(lines).encode())

    def work(self, most):
        """The salespeople see to two of three of their tasks, the most urgent first, at most so many; how many came to an end. The rest is for whoever looks."""
        done = 0
        tasks = (self.nudge.get(f"/v1/tasks?state=open&limit={most}") or {"tasks": []})["tasks"]
        for place, task in enumerate(tasks):
            if not task["owner"] or task["again_at"] or place % 3 == 2:
                continue
            _, result, note = chosen(self.random, RESULTS)
            body = {"disposition": result, "note": note, "by": task["owner"]}
            if result == "call_back":
                body["at"] = (datetime.datetime.now(UTC) + datetime.timedelta(hours=self.random.randint(1, 20))).isoformat(timespec="seconds").replace("+00:00", "Z")
            self.nudge.request("POST", f"/v1/tasks/{task['id']}/complete", body)
            done += 1
        return done

    def deals(self, count):
        """What the salespeople have under way: some further than others, some won, some lost."""
        stages = ["contact", "quote", "negotiation", "contract"]
        for n in range(count):
            ident = f"deal-{self.run_id}-{n + 1}"
            owner, reached = self.random.choice(self.people), self.random.choices(range(6), (5, 6, 4, 2, 4, 3))[0]
            amount = str(self.random.choice([1800, 4200, 7400, 12500, 18500, 42000]))
            self.nudge.request("POST", "/v1/opportunities", {"id": ident, "customer": self.random.choice(self.customers), "funnel": "deals", "title": self.random.choice(WARES), "owner": owner, "amount": amount, "by": owner})
            way = f"/v1/opportunities/{ident}/"
            for stage in stages[1:min(reached, 3) + 1]:
                self.nudge.request("POST", way + "move", {"stage": stage, "by": owner})
            if reached == 4:
                self.nudge.request("POST", way + "win", {"by": owner})
            elif reached == 5:
                self.nudge.request("POST", way + "lose", {"reason": self.random.choice(["price", "competitor", "no need"]), "by": owner})

    def goes_on(self):
        """In the background, until the demo ends: something every few seconds."""
        def live():
            turn = 0
            while not self.over.wait(3):
                try:
                    self.happens(self.random.randint(1, 4))
                    turn += 1
                    if turn % 5 == 0:
                        self.work(1)
                except Exception as error:  # the demo is ending, or nudged says no: the story on the screen is not disturbed
                    if not self.over.is_set():
                        print(f"    (the day pauses: {error})", flush=True)
        threading.Thread(target=live, daemon=True).start()

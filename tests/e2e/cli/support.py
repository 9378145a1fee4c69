"""What the tests of the command line share."""
import os
import pathlib
import subprocess
import sys

REPO = pathlib.Path(__file__).resolve().parents[3]
NUDGE = os.environ["NUDGE"]
sys.path.insert(0, str(REPO / "tests" / "e2e" / "data"))


class Ran:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    def __repr__(self):
        return f"exit {self.code}\n{self.out}\n{self.err}"


def nudge(*args, url=None, stdin=None, env=None):
    command = [NUDGE] + (["--url", url] if url else []) + [str(a) for a in args]
    return Ran(subprocess.run(command, capture_output=True, text=True, input=stdin, env={**os.environ, **(env or {})}, timeout=120))


CATALOG = """
customer:
  attributes:
    name: {type: text, pii: true}
    tier: {type: text, one_of: [bronze, silver, gold]}
    email: {type: text, pii: true}
    spend: {type: decimal}
    since: {type: date}
    vip: {type: boolean}
    interests: {type: list of text}
events:
  login: {fields: {device: text}}
  order_placed: {fields: {amount: decimal, sku: text, quantity: integer, placed: timestamp}}
"""

RULES = """
segments:
  buyers: {where: {event: order_placed, within: 30d}}
rules:
  big-order:
    description: A big order gets a call
    when: {event: order_placed, where: {field: amount, at_least: 100}}
    if: {attribute: tier, in: [silver, gold]}
    then:
      - call_task: {team: inside, subject: "Thank {{ customer.name | default: 'them' }}", due_in: 24h, mandatory: true}
      - email: {to: "{{ customer.email | default: 'nobody@example.com' }}", subject: "Thank you", text: "For {{ event.sku | default: 'it' }}"}
    limits: {once_per: 1d}
teams:
  inside:
    members: [{id: lin, name: Lin, email: lin@example.com}]
"""


def project(folder, rules=RULES, catalog=CATALOG, tests=None):
    """A directory with a catalog and rules; answers its path."""
    folder = pathlib.Path(folder)
    for part in ("schemas", "rules"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "schemas" / "catalog.yaml").write_text(catalog)
    (folder / "rules" / "rules.yaml").write_text(rules)
    if tests is not None:
        (folder / "rules" / "rules.test.yaml").write_text(tests)
    return folder

// How long a table of many customers takes, from the key or click to the rows on the screen, and how much of it nudged takes. A command of
// its own, which prints and does not judge: console_test.py DIRECTORY many; CUSTOMERS says how many, 100,000 without it.
import { api, base, check, go, openPage, picture, until, withBrowser } from './browser.mjs';

const customers = Number(process.env.CUSTOMERS ?? 100_000);
const given = ['Ada', 'Bo', 'Chen', 'Dora', 'Emil', 'Fang', 'Gus', 'Hua', 'Ines', 'Jun'];
const family = ['Adler', 'Bauer', 'Cao', 'Deng', 'Engel', 'Feng', 'Gao', 'Han', 'Ito', 'Jiang', 'Kuhn', 'Li', 'Ma', 'Ng', 'Otto'];

for (let from = 0; from < customers; from += 5000) {
  const documents = [];
  for (let at = from; at < Math.min(customers, from + 5000); at++) {
    const name = `${given[at % 10]} ${family[(at * 7) % 15]} ${at}`;
    documents.push({ customer: `C${String(at).padStart(7, '0')}`, id: `m${at}`, attributes: { name, tier: ['bronze', 'silver', 'gold'][at % 3], email: `${at}@example.com` } });
  }
  await api('POST', '/v1/events', documents);
}
await until(async () => (await api('GET', '/v1/customers?rows=true&limit=1')).total === customers, 'every customer is listed');

await withBrowser(async (browser) => {
  const { page } = await openPage(browser);
  const rows = page.locator('tbody tr.ant-table-row');
  const figures = {};
  // Seen: until the first row is another one, or there are none. Asked: what nudged took, of all that was asked.
  const timed = async (what, act, shown) => {
    await page.evaluate(() => performance.clearResourceTimings());
    const from = Date.now();
    await act();
    await page.waitForFunction(shown.test, shown.with);
    const seen = Date.now() - from;
    const asked = await page.evaluate(() => Math.max(0, ...performance.getEntriesByType('resource').filter((each) => each.name.includes('/v1/customers')).map((each) => each.responseEnd - each.requestStart)));
    (figures[what] ??= []).push([seen, asked]);
  };
  const first = (text) => ({ test: (text) => document.querySelector('tbody tr.ant-table-row')?.textContent?.includes(text), with: text });
  for (let round = 0; round < 7; round++) {
    await timed('open the page', () => go(page, '/customers'), first('C0000000'));
    const search = page.getByRole('searchbox').first();
    const wanted = String(90_000 + round * 1111).slice(0, String(customers - 1).length);
    await timed('search for a piece of an id', () => search.fill(`C00${wanted}`), first(`C00${wanted}`));
    await search.fill('');
    await page.waitForFunction(first('C0000000').test, 'C0000000');
    // The name itself is masked on the screen.
    await timed('search for a name', () => search.fill(`han ${46 + round * 15}`), first(`C${String(46 + round * 15).padStart(7, '0')}`));
    await go(page, '/customers?sort=name');
    await timed('the next hundred, ordered by name', () => page.getByRole('button', { name: 'Show more' }).click(), { test: () => document.querySelector('.ant-pagination-item-2') !== null, with: null });
  }
  check((await rows.count()) === 100, 'a page has a hundred rows');
  await picture(page, 'customers-many');
  const middle = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
  console.log(`${customers} customers at ${base}`);
  for (const [what, taken] of Object.entries(figures)) console.log(`${what}: seen after ${middle(taken.map((each) => each[0]))} ms, nudged took ${middle(taken.map((each) => each[1])).toFixed(1)} ms (median of ${taken.length})`);
});

// Every page of the console, at both widths and in both languages: it shows itself without an error or a request elsewhere, axe finds
// nothing, and no text that came from outside becomes script.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { check, api, go, openPage, picture, until, withBrowser } from './browser.mjs';
import { payloads } from './payloads.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const hostile = payloads[0];
const name = encodeURIComponent(hostile);
const places = [
  '/day', '/day?state=done', '/team', '/leads', '/funnel', '/rules', '/rules/big-order', '/rules/big-order?tab=counts', '/rules/big-order?tab=source', '/rules/big-order?tab=decisions', '/rules/big-order?tab=actions',
  `/rules/big-order?tab=try&customer=${name}`, '/rules/big-order?tab=versions', '/segments', '/segments/buyers', '/segments/buyers?tab=counts', '/segments/buyers?tab=members', '/segments/buyers?tab=changes', '/customers', `/customers/${name}`,
  `/customers/${name}?tab=why&why=r+big-order`, `/customers/${name}?tab=actions`, `/customers/${name}?tab=decisions`, '/deliveries', '/quarantine', '/connectors', '/system', '/audit', '/people',
];

async function fill() {
  const documents = [];
  for (const [at, text] of payloads.entries()) {
    documents.push({ customer: at < 3 ? text : `c${at}`, attributes: { name: text, email: text, interests: [text] }, id: `a${at}` });
    documents.push({ customer: at < 3 ? text : `c${at}`, event: 'order_placed', data: { amount: 500, sku: text }, id: `o${at}` });
    documents.push({ customer: `c${at}`, tag: text });
    documents.push({ customer: `c${at}`, event: text, data: { [text]: text } });
  }
  await api('POST', '/v1/events', documents);
  await until(async () => (await api('GET', '/v1/tasks?limit=100')).tasks.length >= 50, 'a task for each big order');
  await api('POST', '/v1/opportunities', { id: 'deal-1', customer: hostile, funnel: 'deals', title: hostile, owner: 'lin', amount: '1200.50', by: hostile });
  const { tasks } = await api('GET', '/v1/tasks?limit=3');
  await api('POST', `/v1/tasks/${tasks[0].id}/complete`, { disposition: hostile, note: hostile, by: 'lin' });
}

async function accessible(page) {
  // Through the debugger, as the page's policy would refuse a script element.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  return violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 200)).join(' | ')}`);
}

async function walk(browser, width, language) {
  const { page, context, faults } = await openPage(browser, { width, language });
  const problems = [];
  for (const place of places) {
    faults.length = 0;
    await go(page, place);
    const found = [...faults, ...(await accessible(page))];
    if (await page.evaluate(() => window.gotIn)) found.push('a script from outside ran');
    if (await page.evaluate(() => document.querySelector('[onerror],[onload],[onfocus],[ontoggle],script:not([src]),iframe,object,embed,base') !== null)) found.push('markup from outside is in the page');
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    if (wide > 1) found.push(`the page is ${wide} px wider than the screen`);
    await picture(page, `${place.split('?')[0].replaceAll('/', '-').slice(1, 30)}${(place.split('tab=')[1] ?? '').slice(0, 8).replaceAll('&', '')}-${width}-${language}`);
    problems.push(...found.map((words) => `${place} at ${width} px in ${language}: ${words}`));
  }
  await context.close();
  return problems;
}

await fill();
await withBrowser(async (browser) => {
  const short = process.env.NUDGE_SHORT !== '0';
  const problems = [];
  for (const [width, language] of short ? [[1440, 'en'], [390, 'zh']] : [[1440, 'en'], [1440, 'zh'], [390, 'en'], [390, 'zh']]) problems.push(...(await walk(browser, width, language)));
  check(problems.length === 0, problems.join('\n'));
});
console.log(`${places.length} places, ${payloads.length} hostile texts: good`);

// What every test of the console shares: a headless Chromium, and a page that tells on itself: errors, requests to other hosts, scripts
// that got in.
import { chromium } from 'playwright-core';

export const base = process.env.NUDGE_URL;
const shots = process.env.NUDGE_SHOTS;

export async function withBrowser(work) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
  try {
    return await work(browser);
  } catch (error) {
    for (const page of browser.contexts().flatMap((context) => context.pages())) {
      console.log(`at the failure ${page.url()} showed:\n${await page.locator('body').innerText().catch(String)}`);
      await picture(page, 'failure');
    }
    throw error;
  } finally {
    await browser.close();
  }
}

/** A page of the given width. `faults` collects what must not happen. */
export async function openPage(browser, { width = 1440, language = 'en' } = {}) {
  const context = await browser.newContext({ viewport: { width, height: width < 768 ? 844 : 900 }, locale: language === 'zh' ? 'zh-CN' : 'en-GB', hasTouch: width < 768, reducedMotion: 'reduce' });
  await context.addInitScript(() => {
    for (const name of ['alert', 'confirm', 'prompt']) window[name] = () => (window.gotIn = name);
    // A browser without a telephone would go on asking for one.
    window.navigation?.addEventListener('navigate', (event) => {
      if (!event.destination.url.startsWith('tel:')) return;
      window.dialled = event.destination.url;
      event.preventDefault();
    });
  });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const faults = [];
  page.on('console', (message) => message.type() === 'error' && faults.push(`console: ${message.text()}`));
  page.on('pageerror', (error) => faults.push(`error: ${error}`));
  page.on('request', (request) => !request.url().startsWith(base) && !request.url().startsWith('data:') && !request.url().startsWith('blob:') && faults.push(`request to another host: ${request.url()}`));
  return { page, context, faults };
}

/** Goes to a place of the console and waits until it shows what it loaded. */
export async function go(page, path) {
  await page.goto(`${base}/console${path}`);
  await page.locator('main h1').first().waitFor();
  await page.waitForFunction(() => !document.querySelector('main .ant-skeleton, main .ant-spin-spinning'));
}

export async function picture(page, name) {
  if (shots) await page.screenshot({ path: `${shots}/${name}.png` });
}

let credentials = {};
/** From then on `api` speaks as this person. */
export async function logIn(user, password) {
  const answer = await fetch(`${base}/v1/session`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ user, password }) });
  if (!answer.ok) throw new Error(`logging in: ${answer.status} ${await answer.text()}`);
  credentials = { Cookie: answer.headers.get('set-cookie').split(';')[0], 'X-Nudge-CSRF': (await answer.json()).csrf };
}

export async function api(method, path, body) {
  const answer = await fetch(base + path, { method, headers: { 'Content-Type': 'application/json', ...credentials }, body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

export async function until(what, words) {
  for (let left = 100; left > 0; left--) {
    const got = await what();
    if (got) return got;
    await new Promise((done) => setTimeout(done, 200));
  }
  throw new Error(`it did not come to: ${words}`);
}

export function check(holds, words) {
  if (!holds) throw new Error(words);
}

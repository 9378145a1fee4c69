// A salesperson's day on a phone, with every step seen on the screen and in the API: a task appears, is called, is finished without a
// connection, arrives when it is back; the manager sees it.
import { api, check, go, openPage, picture, until, withBrowser } from './browser.mjs';

const customer = 'day-1';
await withBrowser(async (browser) => {
  const { page, context, faults } = await openPage(browser, { width: 390 });
  let first = 0;
  page.on('response', async (response) => {
    if (!response.url().includes('/console/')) return;
    const { responseBodySize } = await response.request().sizes().catch(() => ({ responseBodySize: 0 }));
    first += responseBodySize;
  });
  await go(page, '/day?owner=lin');
  await until(async () => first > 0, 'the first view has come');
  check(first < 300_000, `the first view is ${first} bytes`);

  await api('POST', '/v1/events', [
    { customer, attributes: { name: 'Zhao Min', phone: '+8613800138000' }, id: 'day-a' },
    { customer, event: 'order_placed', data: { amount: 700 }, id: 'day-o' },
  ]);
  const task = (await until(async () => (await api('GET', `/v1/tasks?customer=${customer}`)).tasks[0], 'a task in the API'));
  await go(page, `/day?owner=${task.owner}`);
  const card = page.locator('article', { hasText: 'Z***' });
  await card.waitFor();
  check((await card.locator('a[href="tel:+8613800138000"]').count()) === 1, 'the call is one tap');
  await picture(page, 'day-offered');

  await card.getByRole('button', { name: 'Result' }).click();
  await page.getByRole('button', { name: 'Won' }).click();
  await page.getByLabel('Note').fill('Wants the contract by Friday.');
  await picture(page, 'day-result');
  // The connection is gone: the words stay on the device, also over a reload of the page.
  await context.route('**/v1/**', (route) => route.abort());
  await page.getByRole('button', { name: 'Save the result' }).click();
  await page.getByText('1 result waits for a connection.').waitFor();
  check((await api('GET', `/v1/tasks/${task.id}`)).state !== 'done', 'nothing was sent yet');
  await picture(page, 'day-offline');
  await context.unroute('**/v1/**');
  const done = await until(async () => {
    const now = await api('GET', `/v1/tasks/${task.id}`);
    return now.state === 'done' && now;
  }, 'the result arrives by itself');
  check(done.disposition === 'won' && done.note === 'Wants the contract by Friday.', `the result is what was said: ${JSON.stringify(done)}`);
  await page.getByText('1 result waits for a connection.').waitFor({ state: 'detached' });
  await go(page, '/day?state=done');
  await page.getByText('Wants the contract by Friday.').first().waitFor();
  check(faults.filter((words) => !words.includes('ERR_FAILED')).length === 0, faults.join('\n'));
  await context.close();

  const manager = await openPage(browser, { width: 1440 });
  await go(manager.page, '/team');
  await manager.page.getByText('Who has what').waitFor();
  await picture(manager.page, 'day-team');
  await go(manager.page, `/customers/${customer}`);
  await manager.page.getByText('task_completed').first().waitFor();
  check(manager.faults.length === 0, manager.faults.join('\n'));
  await manager.context.close();
});
console.log('the day: good');

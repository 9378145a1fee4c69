// The pictures of the README: taken from a running deploy/demo. NUDGE_URL=… CHROMIUM=… NUDGE_SHOTS=directory node pictures.mjs
import { api, go, openPage, picture, withBrowser } from './browser.mjs';

await withBrowser(async (browser) => {
  const { rules } = await api('GET', '/v1/rules');
  const busiest = rules.sort((a, b) => b.fired - a.fired)[0].name;
  const wide = await openPage(browser, { width: 1280 });
  for (const [name, place] of Object.entries({ rules: '/rules', rule: `/rules/${busiest}?tab=decisions`, why: '/customers/C00001?tab=why&why=r+dormant-return', team: '/team', funnel: '/funnel', conditions: '/segments/dormant?tab=counts', customer: '/customers/C00001', segment: '/segments/dormant', deliveries: '/deliveries', system: '/system', editor: '/rules/dormant-return?tab=source', segments: '/segments' })) {
    await go(wide.page, place);
    await wide.page.waitForTimeout(1500); // charts draw themselves
    await picture(wide.page, name);
  }
  await wide.context.close();
  for (const language of ['en', 'zh']) {
    const phone = await openPage(browser, { width: 390, language });
    await go(phone.page, '/day');
    await phone.page.waitForTimeout(1000);
    await picture(phone.page, `day-${language}`);
    await phone.context.close();
  }
});

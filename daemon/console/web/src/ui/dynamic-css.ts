// Takes the place of @rc-component/util's dynamicCSS (see vite.config.ts), which writes <style> elements: the page's policy refuses those.
// Rules that the library needs at run time, such as the lock of the page behind a drawer, become constructed sheets, which the policy
// leaves to scripts of our own. What the library asks to put into a place of its choice goes nowhere: main.tsx gives it one outside of
// the document, since our style sheet has those rules.
const sheets = new Map<string, CSSStyleSheet>();

interface Options {
  attachTo?: Element | ShadowRoot;
}

function show(): void {
  document.adoptedStyleSheets = [...sheets.values()];
}

export function updateCSS(css: string, key: string, options: Options = {}): HTMLStyleElement {
  const element = document.createElement('style');
  if (options.attachTo) return element;
  const sheet = sheets.get(key) ?? new CSSStyleSheet();
  sheet.replaceSync(css);
  sheets.set(key, sheet);
  show();
  return element;
}

export function injectCSS(css: string, options: Options = {}): HTMLStyleElement {
  return updateCSS(css, css, options);
}

export function removeCSS(key: string, options: Options = {}): void {
  if (!options.attachTo && sheets.delete(key)) show();
}

export function clearContainerCache(): void {}

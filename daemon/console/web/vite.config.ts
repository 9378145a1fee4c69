import react from '@vitejs/plugin-react';
import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin } from 'vite';

// The library's writer of <style> elements gives way to one that the page's content security policy allows.
const constructedStyles: Plugin = {
  name: 'constructed-styles',
  enforce: 'pre',
  async resolveId(id, importer, options) {
    if (!id.endsWith('Dom/dynamicCSS') && !id.endsWith('/dynamicCSS') && !id.endsWith('dynamicCSS.js')) return null;
    const found = await this.resolve(id, importer, { ...options, skipSelf: true });
    return found?.id.includes('@rc-component/util') ? fileURLToPath(new URL('src/ui/dynamic-css.ts', import.meta.url)) : found;
  },
};

// Everything is served by nudged under /console/; `npx vite` beside a running nudged passes the API on to it.
export default defineConfig({
  base: '/console/',
  plugins: [constructedStyles, react()],
  server: { proxy: { '/v1': 'http://127.0.0.1:8650', '/-': 'http://127.0.0.1:8650' } },
  build: {
    target: 'es2022',
    sourcemap: false,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1200,
  },
});

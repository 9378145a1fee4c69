import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// Everything is served by nudged under /console/; `npx vite` beside a running nudged passes the API on to it.
export default defineConfig({
  base: '/console/',
  plugins: [react()],
  server: { proxy: { '/v1': 'http://127.0.0.1:8650', '/-': 'http://127.0.0.1:8650' } },
  build: {
    target: 'es2022',
    sourcemap: false,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1200,
  },
});

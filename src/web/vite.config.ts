import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import solid from 'vite-plugin-solid';
import { charts } from './build/charts.ts';

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: '/',
  publicDir: false,
  plugins: [solid(), charts()],
  build: {
    outDir: fileURLToPath(new URL('../../dist/web', import.meta.url)),
    emptyOutDir: true,
    target: 'es2022',
    // The policy that the page is served with allows no inline code, and no data in scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      checks: { pluginTimings: false },
      // Together they are packed better: what every page needs, and what most do.
      output: {
        codeSplitting: {
          groups: [
            { name: 'core', test: /node_modules\/solid-js|src\/web\/(base\/(?!chart)|shell)/ },
            { name: 'parts', test: /src\/web\/(parts\/(basics|table)|run\/actions)/ },
          ],
        },
      },
    },
  },
  logLevel: 'warn',
});

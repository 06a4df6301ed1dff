import { defineConfig } from 'vitest/config';

export default defineConfig({
  // As package.json exports it, from its source.
  resolve: { alias: { 'runyard/sim': new URL('test/sim/yard.ts', import.meta.url).pathname } },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});

/** Debian's Chromium on a real master: what tests of the page share. */
import { existsSync } from 'node:fs';
import axe from 'axe-core';
import { chromium } from 'playwright-core';
import type { BrowserContext, Page } from 'playwright-core';
import { test, vi } from 'vitest';
import type { RunRequestInput } from '../../src/protocol/run.ts';
import { startYard } from '../kit/processes.ts';
import { until } from '../kit/until.ts';

const PROGRAM = [
  process.env['CHROMIUM'] ?? '',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => path !== '' && existsSync(path));

if (PROGRAM === undefined) {
  console.warn(
    '\nSKIPPED: no Chromium here, so nobody looked at the page (apt install chromium)\n',
  );
}

// A browser, a master and slaves are slow to start where others work, too.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 180_000 });
const PATIENCE_MS = 120_000;

/** A test that needs a browser; skipped, loudly, where there is none. */
export const browserTest = test.skipIf(PROGRAM === undefined);

export type Theme = 'light' | 'dark';

export interface Sight {
  page: Page;
  /** Errors on the console, exceptions, and requests to other hosts, as they came. */
  faults: string[];
}

/** A yard of processes and a browser; `stop` ends both. Without a browser, undefined. */
export async function openYard(
  options: {
    slaves?: number;
    lease?: string;
    master?: readonly string[];
    hosts?: readonly string[];
  } = {},
) {
  if (PROGRAM === undefined) return undefined;
  const { slaves = 1, lease = '15s', master: args = [], hosts } = options;
  const yard = await startYard();
  const startMaster = () => yard.startMaster('--lease', lease, ...args);
  let master = await startMaster();
  for (let number = 1; number <= slaves; number++) yard.startSlave(`s${number}`, '--slots', '4');
  const sight = await openBrowser(yard.url, hosts);
  // Where none are to come, it may be that nobody may ask.
  const areThere = async () => (await yard.client.listSlaves()).length === slaves;
  if (slaves > 0) await until(areThere, 50);
  return {
    ...yard,
    ...sight,
    async killMaster() {
      master.child.kill('SIGKILL');
      await master.ended;
    },
    /** Resolves once it answers. */
    async bringBackMaster() {
      master = await startMaster();
    },
    async submit(...requests: RunRequestInput[]): Promise<string[]> {
      return (await yard.client.submit(requests)).map(({ runId }) => runId);
    },
    async stop() {
      await sight.browser.close();
      await yard.stop();
    },
  };
}

export type BrowserYard = NonNullable<Awaited<ReturnType<typeof openYard>>>;

/** A browser for which there is that master alone, and the other hosts that are named. */
export async function openBrowser(url: string, hosts: readonly string[] = []) {
  const browser = await chromium.launch({
    executablePath: PROGRAM!,
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
  return {
    browser,
    /** Opens an address of the master, in a profile of its own. */
    async look(
      path: string,
      options: { theme?: Theme; width?: number; height?: number; context?: BrowserContext } = {},
    ): Promise<Sight> {
      const { theme = 'light', width = 1360, height = 860 } = options;
      const context =
        options.context ??
        (await browser.newContext({ viewport: { width, height }, colorScheme: theme }));
      const page = await context.newPage();
      page.setDefaultTimeout(PATIENCE_MS);
      const faults: string[] = [];
      page.on('console', (message) => {
        if (message.type() === 'error') faults.push(`console: ${message.text()}`);
      });
      page.on('pageerror', (error) => faults.push(`thrown: ${error.stack ?? error.message}`));
      await context.route(
        ({ origin }) => origin !== url && !hosts.includes(origin),
        (route) => {
          faults.push(`asked for ${route.request().url()}`);
          return route.abort();
        },
      );
      await page.goto(url + path);
      return { page, faults };
    },
  };
}

export interface Violation {
  id: string;
  impact: string;
  where: string[];
}

/** What axe finds that keeps people out. */
export async function violations(page: Page): Promise<Violation[]> {
  // Injected through the debugger: the page's own policy lets no script of others in.
  await page.evaluate(axe.source);
  return page.evaluate(async () => {
    const injected = (
      globalThis as unknown as {
        axe: {
          run: () => Promise<{
            violations: {
              id: string;
              impact: string;
              nodes: { html: string; failureSummary: string }[];
            }[];
          }>;
        };
      }
    ).axe;
    const found = await injected.run();
    return found.violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, impact, nodes }) => ({
        id,
        impact,
        where: nodes
          .slice(0, 3)
          .map(
            ({ html, failureSummary }) => `${html.slice(0, 160)} ${failureSummary.slice(0, 200)}`,
          ),
      }));
  });
}

/** Waits until the run has stood in that state. */
export async function untilState(yard: BrowserYard, id: string, state: string): Promise<void> {
  for (;;) {
    const run = await yard.client.getRun(id);
    if (run.state === state || run.substate === state) return;
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** Every page: where it is, what it is called, how it is loaded. A new page is a row here. */
import type { Component } from 'solid-js';
import { lazyView } from './base/load.tsx';

export interface Page {
  path: string;
  /** What the window is called; names in the path come before it. */
  title: string;
  /** Its place in the bar, and the key after `g` that leads there. */
  nav?: { name: string; key?: string };
  view: Component<{ params: Record<string, string> }>;
}

const run = lazyView(() => import('./pages/run.tsx'));

export const PAGES: readonly Page[] = [
  {
    path: '/',
    title: 'Overview',
    nav: { name: 'Overview', key: 'o' },
    view: lazyView(() => import('./pages/overview.tsx')),
  },
  {
    path: '/runs',
    title: 'Runs',
    nav: { name: 'Runs', key: 'r' },
    view: lazyView(() => import('./pages/runs.tsx')),
  },
  { path: '/runs/:id', title: 'run', view: run },
  { path: '/runs/:id/:tab', title: 'run', view: run },
  {
    path: '/slaves',
    title: 'Slaves',
    nav: { name: 'Slaves', key: 's' },
    view: lazyView(() => import('./pages/slaves.tsx')),
  },
  { path: '/slaves/:name', title: 'slave', view: lazyView(() => import('./pages/slave.tsx')) },
  {
    path: '/machines',
    title: 'Machines',
    nav: { name: 'Machines', key: 'm' },
    view: lazyView(() => import('./pages/machines.tsx')),
  },
  {
    path: '/machines/:name',
    title: 'machine',
    view: lazyView(() => import('./pages/machines.tsx')),
  },
  {
    path: '/actors',
    title: 'Actors',
    nav: { name: 'Actors', key: 'a' },
    view: lazyView(() => import('./pages/actors.tsx')),
  },
  {
    path: '/messages',
    title: 'Messages',
    nav: { name: 'Messages', key: 'e' },
    view: lazyView(() => import('./pages/messages.tsx')),
  },
  {
    path: '/time',
    title: 'Time travel',
    nav: { name: 'Time', key: 't' },
    view: lazyView(() => import('./pages/time.tsx')),
  },
  {
    path: '/system',
    title: 'System',
    nav: { name: 'System', key: 'y' },
    view: lazyView(() => import('./pages/system.tsx')),
  },
  {
    path: '/import',
    title: 'Replay',
    nav: { name: 'Replay', key: 'i' },
    view: lazyView(() => import('./pages/import.tsx')),
  },
  { path: '/import/:tab', title: 'Replay', view: lazyView(() => import('./pages/import.tsx')) },
];

/** Where the page is: a path and a query, both in the address, so that every view can be linked. */
import { createMemo, createRoot, createSignal } from 'solid-js';

const [place, setPlace] = createSignal(read());

function read(): { path: string; query: URLSearchParams } {
  const { pathname, search } = window.location;
  const path = pathname.length > 1 ? pathname.replace(/\/+$/, '') : pathname;
  return { path, query: new URLSearchParams(search) };
}

export const path = createRoot(() => createMemo(() => place().path));

/** One key of the query; absent and empty are both undefined. */
export function query(key: string): string | undefined {
  return place().query.get(key) || undefined;
}

export function navigate(href: string, { replace = false } = {}): void {
  if (replace) window.history.replaceState(null, '', href);
  else window.history.pushState(null, '', href);
  setPlace(read());
}

/** Changes some keys of the query and keeps the rest; undefined removes a key. */
export function setQuery(changes: Record<string, string | undefined>, replace = true): void {
  navigate(hrefWith(changes), { replace });
}

/** The address of here with some keys changed. */
export function hrefWith(changes: Record<string, string | undefined>, at = place().path): string {
  const next = new URLSearchParams(place().query);
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined || value === '') next.delete(key);
    else next.set(key, value);
  }
  const text = next.toString().replaceAll('%3A', ':').replaceAll('%2C', ',');
  return text === '' ? at : `${at}?${text}`;
}

/** Follows links of ours without a new page; all others are the browser's. */
export function followLinks(): void {
  window.addEventListener('popstate', () => setPlace(read()));
  document.addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element).closest<HTMLAnchorElement | SVGAElement>('a[href]');
    const href = link?.getAttribute('href');
    if (!link || !href?.startsWith('/') || link.hasAttribute('download')) return;
    if (/^\/(?:api|devtools|metrics|runs\/[^/]+\/(?:outputs|artifacts))(?:\/|$)/.test(href)) return;
    event.preventDefault();
    navigate(href);
  });
}

/** Matches `/runs/:id/:tab` and the like; the names' values, or undefined. */
export function matchPath(pattern: string, at: string): Record<string, string> | undefined {
  const names = pattern.split('/');
  const parts = at.split('/');
  if (names.length !== parts.length) return undefined;
  const found: Record<string, string> = {};
  for (const [index, name] of names.entries()) {
    const part = parts[index]!;
    if (name.startsWith(':')) found[name.slice(1)] = decodeURIComponent(part);
    else if (name !== part) return undefined;
  }
  return found;
}

/**
 * The script of the bridge page: from our inspection socket to a Stately UI in a frame, by its own
 * handshake, and a plain view of the same where no UI answers. It is served as the text of its
 * functions, so each names nothing from outside of it.
 */

/** The part of a browser's elements that it touches. */
interface Element {
  textContent: string | null;
  hidden: boolean;
  src: string;
  href: string;
  dataset: Record<string, string | undefined>;
  contentWindow: { postMessage: (message: unknown, origin: string) => void } | null;
  append: (...children: Element[]) => void;
  prepend: (child: Element) => void;
  lastElementChild: { remove: () => void } | null;
  childElementCount: number;
}

interface FrameMessage {
  data: unknown;
  origin: string;
  source: unknown;
}

interface Socket {
  onopen: (() => void) | null;
  onmessage: ((message: { data: string }) => void) | null;
  onclose: ((closed: { code: number; reason: string }) => void) | null;
}

export interface Browser {
  location: { search: string; host: string; protocol: string };
  document: {
    getElementById: (id: string) => Element;
    createElement: (name: string) => Element;
  };
  addEventListener: (type: 'message', listener: (message: FrameMessage) => void) => void;
  setTimeout: (callback: () => void, ms: number) => void;
  fetch: (path: string, init: { method: string }) => Promise<{ json: () => Promise<unknown> }>;
  WebSocket: new (url: string) => Socket;
  URL: new (url: string) => { origin: string };
  URLSearchParams: new (text: string) => { get: (name: string) => string | null };
}

interface Frame {
  type: string;
  sessionId: string;
  sourceId?: string;
  createdAt: string;
  event?: { type: string };
  snapshot?: { value?: unknown };
}

type ShowFrame = (frame: Frame) => void;

/** A table of frames, newest first. */
export function makeRows(document: Browser['document']): ShowFrame {
  const ROWS_MAX = 500;
  const rows = document.getElementById('rows');

  function cell(text: string): Element {
    const made = document.createElement('td');
    made.textContent = text;
    return made;
  }

  return (frame) => {
    const row = document.createElement('tr');
    const value = frame.snapshot?.value;
    row.append(
      cell(frame.createdAt),
      cell(frame.type),
      cell(frame.sourceId ?? ''),
      cell(frame.sessionId),
      cell(frame.event?.type ?? ''),
      cell(value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value)),
    );
    rows.prepend(row);
    if (rows.childElementCount > ROWS_MAX) rows.lastElementChild?.remove();
  };
}

interface Hearer {
  take: (frame: Frame) => void;
  /** Is told what stays so until somebody does something about it. */
  halt: (text: string) => void;
}

/** Hears what the master tells inspectors, of one run or of all. */
export async function connect(
  browser: Browser,
  run: string | null,
  { take, halt }: Hearer,
): Promise<void> {
  const { location } = browser;

  /** False where it was not let in. */
  function listen(ticket: string): Promise<boolean> {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const about = run === null ? '' : `&run=${encodeURIComponent(run)}`;
    const url = `${scheme}://${location.host}/inspect?ticket=${encodeURIComponent(ticket)}${about}`;
    const socket = new browser.WebSocket(url);
    socket.onmessage = ({ data }) => take(JSON.parse(data) as Frame);
    return new Promise((resolve) => {
      let wasOpen = false;
      socket.onopen = () => {
        wasOpen = true;
        resolve(true);
      };
      socket.onclose = ({ code, reason }) => {
        if (!wasOpen) return resolve(false);
        halt(`The master closed the connection: ${code} ${reason}. Reload to go on.`);
      };
    });
  }

  // The one in the address is good once: after a reload another is needed.
  const given = new browser.URLSearchParams(location.search).get('ticket');
  if (given !== null && (await listen(given))) return;
  const answer = await browser.fetch('/api/tickets', { method: 'POST' });
  const made = (await answer.json()) as { ticket?: string; error?: { message: string } };
  if (made.ticket === undefined) {
    return halt(
      `No ticket: ${made.error?.message ?? ''}. Open this page from the run's own again.`,
    );
  }
  if (!(await listen(made.ticket))) halt('The master let nobody in. Reload to try again.');
}

/** Runs in the page. */
export function bridge(browser: Browser, showIn: typeof makeRows, connectTo: typeof connect): void {
  const HANDSHAKE_MS = 4_000;
  const BACKLOG_MAX = 20_000;
  const { document, location } = browser;
  const query = new browser.URLSearchParams(location.search);
  const run = query.get('run');
  const page = document.getElementById('page');
  const ui = document.getElementById('ui');
  const uiOrigin = new browser.URL(page.dataset['ui'] ?? '').origin;
  const show = showIn(document);
  const backlog: Frame[] = [];
  let isConnected = false;
  let isOver = false;
  let count = 0;
  const say = (text: string) => void (document.getElementById('status').textContent = text);
  /** Says what stays so until somebody does something about it. */
  const halt = (text: string) => {
    isOver = true;
    say(text);
  };
  const pass = (frame: Frame) => ui.contentWindow?.postMessage(frame, uiOrigin);

  function take(frame: Frame): void {
    page.dataset['frames'] = String(++count);
    show(frame);
    if (isConnected) pass(frame);
    // Whoever connects late is told all that came: a definition comes once.
    else if (backlog.push(frame) > BACKLOG_MAX) backlog.shift();
  }

  browser.addEventListener('message', ({ data, origin, source }) => {
    if (origin !== uiOrigin || source !== ui.contentWindow) return;
    if ((data as { type?: unknown } | null)?.type !== '@statelyai.connected') return;
    isConnected = true;
    ui.hidden = false;
    if (!isOver) say('Connected to the Stately UI');
    for (const frame of backlog.splice(0)) pass(frame);
  });

  browser.setTimeout(() => {
    if (isConnected) return;
    ui.hidden = true;
    if (!isOver) say('Stately UI unreachable – built-in view');
  }, HANDSHAKE_MS);

  if (run !== null) {
    const back = document.getElementById('back');
    back.href = `/runs/${encodeURIComponent(run)}/machine`;
    back.textContent = `The machine of run ${run}`;
  }
  ui.src = page.dataset['ui'] ?? '';
  connectTo(browser, run, { take, halt }).catch(() =>
    halt('The master cannot be reached. Reload to go on.'),
  );
}

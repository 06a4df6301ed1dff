/** The bridge page at /devtools/stately: a Stately UI in a frame, fed from our inspection socket. */
import { bridge, connect, makeRows } from './stately-script.ts';

/** Where the maker of the protocol serves its UI. */
export const STATELY_UI = 'https://stately.ai/inspect';

/** Nothing but our own script runs, and nobody frames us. */
export function statelyPolicy(ui: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    `frame-src ${new URL(ui).origin}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

export function statelyPage(ui: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Runyard in the Stately Inspector</title>
<link rel="stylesheet" href="/devtools/stately.css">
<script src="/devtools/stately.js" defer></script>
<body id="page" data-ui="${ui.replaceAll('&', '&amp;').replaceAll('"', '&quot;')}">
<header>
<h1>Stately Inspector</h1>
<p id="status" role="status">Waiting for the Stately UI …</p>
<nav><a id="back" href="/">Runyard</a></nav>
</header>
<main>
<iframe id="ui" title="Stately Inspector"></iframe>
<table>
<caption>What the master told, newest first</caption>
<thead><tr><th scope="col">At</th><th scope="col">Frame</th><th scope="col">From</th>
<th scope="col">Actor</th><th scope="col">Event</th><th scope="col">State</th></tr></thead>
<tbody id="rows"></tbody>
</table>
</main>
</body>
</html>
`;
}

export const STATELY_STYLE = `:root { color-scheme: light dark; font: 14px/1.5 system-ui, sans-serif; }
body { margin: 0; }
header { display: flex; gap: 1rem; align-items: baseline; padding: 0.5rem 1rem; flex-wrap: wrap; }
h1 { font-size: 1rem; margin: 0; }
header p { margin: 0; flex: 1; }
main { padding: 0 1rem 1rem; }
iframe { width: 100%; height: 70vh; border: 1px solid GrayText; }
iframe[hidden] { display: none; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: 0.5rem 0; }
th, td { text-align: left; padding: 0.1rem 0.75rem 0.1rem 0; overflow-wrap: anywhere; }
tr { border-bottom: 1px solid color-mix(in srgb, GrayText 30%, transparent); }
`;

/** The script as a browser runs it. */
export function statelyScript(): string {
  return `(${bridge.toString()})(window, ${makeRows.toString()}, ${connect.toString()});\n`;
}

/** The bridge to the Stately Inspector: for browsers, and no part of the API. */
import {
  STATELY_STYLE,
  statelyPage,
  statelyPolicy,
  statelyScript,
} from '../devtools/stately-page.ts';
import type { Call, Route } from '../route.ts';

/** Each part of the page, with the headers that it needs. */
function part(path: string, type: string, summary: string, text: (ui: string) => string): Route {
  return {
    method: 'GET',
    path,
    scope: 'none',
    summary,
    answer: 'text/plain',
    handle({ reply, statelyUi }: Call) {
      void reply
        .header('content-type', `${type}; charset=utf-8`)
        .header('content-security-policy', statelyPolicy(statelyUi))
        .header('referrer-policy', 'no-referrer')
        .header('cache-control', 'no-cache');
      return text(statelyUi);
    },
  };
}

export const stately: Route[] = [
  part('/devtools/stately', 'text/html', 'The Stately Inspector, fed by this master.', statelyPage),
  part('/devtools/stately.js', 'text/javascript', 'The script of that page.', statelyScript),
  part('/devtools/stately.css', 'text/css', 'The style of that page.', () => STATELY_STYLE),
];

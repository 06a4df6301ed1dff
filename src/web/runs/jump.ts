import { navigate } from '../base/router.ts';

/** An id alone leads to its run, anything else to the list. */
export function jump(text: string): void {
  if (/^[0-9a-z]{16}$/.test(text)) navigate(`/runs/${text}`);
  else navigate(`/runs?q=${encodeURIComponent(text)}`);
}

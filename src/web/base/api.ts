/** Asks the master; what goes wrong is named as the master named it. */
import { createSignal } from 'solid-js';

export class ApiError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  readonly status: number;

  constructor(status: number, body: { code?: string; message?: string; hint?: string }) {
    super(body.message ?? `the master answered ${status}`);
    this.code = body.code ?? 'net.answer';
    this.hint = body.hint;
    this.status = status;
  }
}

const TOKEN_KEY = 'runyard.token';
const [token, setTokenSignal] = createSignal(window.sessionStorage.getItem(TOKEN_KEY) ?? '');
/** Whether the master wants a token, or a better one. */
const [needsToken, setNeedsToken] = createSignal(false);
export { needsToken, token };

/** Kept as long as the tab is open. */
export function setToken(text: string): void {
  window.sessionStorage.setItem(TOKEN_KEY, text);
  setTokenSignal(text);
  setNeedsToken(false);
}

export interface AskOptions {
  method?: 'GET' | 'POST';
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

/** An answer that is one of success; rejects with an `ApiError`. */
export async function ask(path: string, options: AskOptions = {}): Promise<Response> {
  const { method = 'GET', body, signal } = options;
  const headers: Record<string, string> = { ...options.headers };
  if (token() !== '') headers['authorization'] = `Bearer ${token()}`;
  if (body !== undefined) headers['content-type'] = 'application/json';
  let answer: Response;
  try {
    answer = await fetch(path, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, {
      code: 'net.unreachable',
      message: 'the master does not answer',
      hint: 'this page goes on by itself once it is back',
    });
  }
  if (answer.ok) return answer;
  const told = (await answer.json().catch(() => ({}))) as { error?: { code?: string } };
  const code = told.error?.code ?? '';
  if (code.startsWith('auth.') && code !== 'auth.origin') setNeedsToken(true);
  throw new ApiError(answer.status, told.error ?? {});
}

export async function askJson<T>(path: string, options: AskOptions = {}): Promise<T> {
  return (await (await ask(path, options)).json()) as T;
}

export function post<T>(path: string, body: unknown = {}): Promise<T> {
  return askJson<T>(path, { method: 'POST', body });
}

export function segment(text: string): string {
  return encodeURIComponent(text);
}

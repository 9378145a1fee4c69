// Talks to nudged, which served this page: same origin, the session's cookie, and its CSRF word on every change.

/** What nudged answers when it says no (RFC 9457). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    /** The whole answer, for codes that say more. */
    readonly problem?: Record<string, unknown>,
  ) {
    super(detail);
  }
  /** The daemon could not be reached: nothing was changed, and trying again may help. */
  get offline(): boolean {
    return this.status === 0;
  }
}

export type Query = Record<string, string | number | boolean | null | undefined>;

let csrf: string | null = null;
let onLoggedOut: () => void = () => {};

export function setCsrf(word: string | null): void {
  csrf = word;
}
/** `then` runs when nudged says that nobody is logged in any more. */
export function whenLoggedOut(then: () => void): void {
  onLoggedOut = then;
}

export function withQuery(path: string, query: Query = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  if (given.length === 0) return path;
  return `${path}?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}

/** One segment of a path, whatever is in it. */
export const segment = (text: string): string => encodeURIComponent(text);

async function problem(response: Response): Promise<ApiError> {
  const text = await response.text();
  try {
    const answer = JSON.parse(text) as { code?: string; detail?: string; title?: string };
    return new ApiError(response.status, answer.code ?? '', answer.detail ?? answer.title ?? text, answer as Record<string, unknown>);
  } catch {
    return new ApiError(response.status, '', text.slice(0, 300) || response.statusText);
  }
}

/** Asks nudged. Throws ApiError; with status 0 when there was no answer. */
export async function call<T>(method: 'GET' | 'POST' | 'DELETE' | 'PUT', path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (method !== 'GET' && csrf) headers['X-Nudge-CSRF'] = csrf;
  let response: Response;
  try {
    response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal, credentials: 'same-origin' });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0, 'offline', String(error));
  }
  if (!response.ok) {
    const failure = await problem(response);
    if (response.status === 401 && failure.code === 'http.unauthorized') onLoggedOut();
    throw failure;
  }
  if (response.status === 204) return undefined as T;
  return (await response.json()) as T;
}

export const get = <T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> => call<T>('GET', withQuery(path, query), undefined, signal);
export const post = <T>(path: string, body: unknown = {}): Promise<T> => call<T>('POST', path, body);
export const del = <T>(path: string): Promise<T> => call<T>('DELETE', path);

// Results of tasks that wait for a connection. They stay on this device until nudged took them, also over a reload of the page: a lost
// connection loses no word that somebody typed. Sending again is safe: a task that is done says so.
import { useEffect, useSyncExternalStore } from 'react';
import { ApiError, post, segment } from '../api/client';

export interface Result {
  task: string;
  disposition: string;
  note: string;
  /** For results that ask for a time: when to try again. */
  at?: string;
}

const key = 'nudge.outbox';
const draftKey = (task: string): string => `nudge.draft.${task}`;
const watchers = new Set<() => void>();
let held: Result[] = read();

function read(): Result[] {
  try {
    return JSON.parse(localStorage.getItem(key) ?? '[]') as Result[];
  } catch {
    return [];
  }
}
function keep(next: Result[]): void {
  held = next;
  localStorage.setItem(key, JSON.stringify(next));
  watchers.forEach((tell) => tell());
}

export const draft = (task: string): string => localStorage.getItem(draftKey(task)) ?? '';
export function keepDraft(task: string, note: string): void {
  if (note) localStorage.setItem(draftKey(task), note);
  else localStorage.removeItem(draftKey(task));
}

async function send(result: Result): Promise<void> {
  const { task, ...body } = result;
  await post(`/v1/tasks/${segment(task)}/complete`, body);
  keepDraft(task, '');
}

/** Sends a result. "kept" when there was no connection: it goes out by itself later. Throws what nudged refuses. */
export async function complete(result: Result): Promise<'sent' | 'kept'> {
  try {
    await send(result);
    return 'sent';
  } catch (error) {
    if (!(error instanceof ApiError) || !error.offline) throw error;
    keep([...held.filter((each) => each.task !== result.task), result]);
    return 'kept';
  }
}

let sending = false;
async function flush(): Promise<void> {
  if (sending || held.length === 0) return;
  sending = true;
  try {
    for (const result of [...held]) {
      try {
        await send(result);
      } catch (error) {
        if (error instanceof ApiError && (error.offline || error.status === 401 || error.status >= 500)) return;
        // Refused for good, as a task that somebody else finished: the draft stays, so that the words are not lost.
        keepDraft(result.task, result.note);
      }
      keep(held.filter((each) => each.task !== result.task));
    }
  } finally {
    sending = false;
  }
}

/** What waits. Tries again every few seconds and when the connection comes back; `sent` runs when something went out. */
export function useOutbox(sent: () => void): Result[] {
  const waiting = useSyncExternalStore(
    (tell) => {
      watchers.add(tell);
      return () => watchers.delete(tell);
    },
    () => held,
  );
  useEffect(() => {
    const attempt = () => {
      const before = held.length;
      void flush().then(() => held.length < before && sent());
    };
    attempt();
    const timer = setInterval(attempt, 5000);
    window.addEventListener('online', attempt);
    return () => {
      clearInterval(timer);
      window.removeEventListener('online', attempt);
    };
  }, [sent]);
  return waiting;
}

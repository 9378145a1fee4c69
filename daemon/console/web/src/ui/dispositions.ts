// What can come of a task: what the rules say, else the usual words and those that rules wait for. Kept on the device, so that a result can be chosen
// without a connection.
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { get } from '../api/client';
import type { Disposition } from '../api/types';
import type { Word } from '../i18n/en';

interface Known {
  dispositions: Disposition[];
  waited_for: { disposition: string; of: string; by: string }[];
}
const key = 'nudge.dispositions';
const plain = (name: string): Disposition => ({ name, description: '', closes: true, asks_time: false });
const usual = ['connected', 'no_answer', 'call_back', 'not_interested', 'wrong_number', 'won'];

function kept(): Known | undefined {
  try {
    return (JSON.parse(localStorage.getItem(key) ?? 'null') as Known | null) ?? undefined;
  } catch {
    return undefined;
  }
}

function useKnown(): Known | undefined {
  return useQuery({
    queryKey: ['dispositions'],
    queryFn: async () => {
      const known = await get<Known>('/v1/dispositions');
      localStorage.setItem(key, JSON.stringify(known));
      return known;
    },
    initialData: kept,
    initialDataUpdatedAt: 0,
    staleTime: 60_000,
  }).data;
}

/** What can come of a task of this rule; first what a rule waits for. */
export function useDispositions(rule: string): Disposition[] {
  const known = useKnown();
  const awaited = [...new Set((known?.waited_for ?? []).filter((each) => each.of === rule || each.of === '').map((each) => each.disposition))];
  if (!known?.dispositions.length) return [...awaited, ...usual.filter((name) => !awaited.includes(name))].map(plain);
  return [...known.dispositions].sort((a, b) => Number(awaited.includes(b.name)) - Number(awaited.includes(a.name)));
}

/** The words for a disposition: ours for the usual ones, else what the rules say of it, else its name. */
export function useDispositionWords(): (name: string | undefined) => string {
  const { t, i18n } = useTranslation();
  const known = useKnown();
  return (name) => {
    if (!name) return '';
    const word = `disposition.${name}`;
    if (i18n.exists(word)) return t(word as Word);
    return known?.dispositions.find((each) => each.name === name)?.description || name.replaceAll('_', ' ');
  };
}
